"""Header values with types: what a field holds, or a refusal that names the field.

pydicom converts a value when it is first touched, so that any access may raise; here it raises
PixelError with INCONSISTENT_HEADER instead.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from dicom_node.damage import UNREADABLE
from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError


@contextmanager
def tolerant() -> Iterator[None]:
    """Keep pydicom quiet about what it can put right by itself; what matters raises."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        yield


def refuse(keyword: str, why: str) -> PixelError:
    """Build the refusal for a field that is missing or wrong."""
    return PixelError(RefusalCode.INCONSISTENT_HEADER, f"The image header's {keyword} {why}.")


def raw(ds: Dataset, keyword: str) -> object:
    """Return the value as pydicom converts it, None where it is absent or empty."""
    try:
        with tolerant():
            value: object = ds.get(keyword)
    except UNREADABLE as exc:
        raise refuse(keyword, "cannot be read") from exc
    return None if isinstance(value, str) and not value.strip() else value


def text(ds: Dataset, keyword: str) -> str:
    """Return one string, stripped, multiple values joined by a backslash; '' where absent."""
    return "\\".join(texts(ds, keyword))


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Return all string values, stripped; empty where absent."""
    value = raw(ds, keyword)
    if value is None:
        return ()
    if isinstance(value, Sequence):
        raise refuse(keyword, "is a sequence instead of text")
    many = value if isinstance(value, MultiValue | list) else [value]
    try:
        return tuple(str(one).strip() for one in many)
    except UNREADABLE as exc:
        raise refuse(keyword, "cannot be read") from exc


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Return all values as finite floats; empty where absent."""
    value = raw(ds, keyword)
    if value is None:
        return ()
    if isinstance(value, Sequence):
        raise refuse(keyword, "is a sequence instead of a number")
    many = value if isinstance(value, MultiValue | list) else [value]
    try:
        found = tuple(float(str(one)) for one in many)
    except UNREADABLE as exc:
        raise refuse(keyword, "is not a number") from exc
    if not all(map(math.isfinite, found)):
        raise refuse(keyword, "is not finite")
    return found


def number(ds: Dataset, keyword: str) -> float | None:
    """Return the first value as a float, None where absent."""
    found = numbers(ds, keyword)
    return found[0] if found else None


def integer(ds: Dataset, keyword: str) -> int | None:
    """Return the first value as an int, None where absent; a fraction is refused."""
    value = number(ds, keyword)
    if value is None:
        return None
    if value != int(value):
        raise refuse(keyword, "is not a whole number")
    return int(value)


def required_integer(ds: Dataset, keyword: str) -> int:
    """Return the one value as an int, refused where absent or where there are more."""
    value = integer(ds, keyword)
    if value is None:
        raise refuse(keyword, "is missing")
    if (count := len(numbers(ds, keyword))) > 1:
        raise refuse(keyword, f"has {count} values instead of 1")
    return value


def told(ds: Dataset, keyword: str) -> str:
    """Return the text of an attribute that only informs or breaks ties; '' where it cannot be read.

    What decides about pixels or identity is asked for by the functions that refuse.
    """
    try:
        return text(ds, keyword)
    except PixelError:
        return ""


def told_number(ds: Dataset, keyword: str) -> float | None:
    """Return the first value of such an attribute as a number, None where it is none."""
    try:
        return number(ds, keyword)
    except PixelError:
        return None


def vector(ds: Dataset, keyword: str, length: int) -> tuple[float, ...] | None:
    """Return exactly ``length`` floats, None where absent; another count is refused."""
    found = numbers(ds, keyword)
    if not found:
        return None
    if len(found) != length:
        raise refuse(keyword, f"has {len(found)} values instead of {length}")
    return found


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence; empty where absent."""
    value = raw(ds, keyword)
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        raise refuse(keyword, "is not a sequence")
    return tuple(value)


def binary(ds: Dataset, keyword: str) -> bytes:
    """Return the bytes of a field; numbers, as in LUT Data, as their text; b'' where absent."""
    value = raw(ds, keyword)
    if value is None:
        return b""
    if isinstance(value, Sequence):
        raise refuse(keyword, "is a sequence instead of bytes")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return str(value).encode("utf-8", "surrogatepass")


def transfer_syntax(ds: Dataset) -> str:
    """Return the Transfer Syntax UID of the file, '' where it names none."""
    meta: Dataset | None = getattr(ds, "file_meta", None)
    return "" if meta is None else text(meta, "TransferSyntaxUID")
