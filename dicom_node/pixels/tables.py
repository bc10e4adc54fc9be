"""Look-up tables of an image (PS3.3 C.11.1 and C.11.2), whatever the width of their entries.

Applied here and not by pydicom, which takes the index into a table of 8-bit entries modulo 256
and knows only one of the two ways to pack such a table.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.pixels import header

_WHOLE_RANGE: Final = 1 << 16
"""What 0 stands for as a number of entries: the field has 16 bits."""
_BYTE: Final = 8
_WIDEST: Final = 16


def applied(values: NDArray[np.int32], ds: Dataset, sequence: str) -> NDArray[np.int32]:
    """Map values through the first table of a sequence; what lies beyond takes its ends.

    Raises PixelError with INCONSISTENT_HEADER, which names what is wrong with the table.
    """
    found = header.items(ds, sequence)
    if not found:
        raise header.refuse(sequence, "holds no table")
    count, first, bits = _descriptor(found[0])
    table = _entries(found[0], count, bits)
    return table[np.clip(values - first, 0, count - 1)]


def _descriptor(item: Dataset) -> tuple[int, int, int]:
    """Return the number of entries, the first value that is mapped, and the bits of an entry."""
    told = header.vector(item, "LUTDescriptor", 3)
    if told is None:
        raise header.refuse("LUTDescriptor", "is missing")
    count, first, bits = (int(value) for value in told)
    count &= _WHOLE_RANGE - 1  # a reader that takes it for signed makes it negative
    if not _BYTE <= bits <= _WIDEST:
        raise header.refuse("LUTDescriptor", f"says {bits} bits for an entry")
    return count or _WHOLE_RANGE, first, bits


def _entries(item: Dataset, count: int, bits: int) -> NDArray[np.int32]:
    """Return the entries of a table, one for each 16-bit word, or bytes packed in words."""
    value = header.raw(item, "LUTData")
    if isinstance(value, bytes | bytearray):
        content = bytes(value)
    elif value is None:
        raise header.refuse("LUTData", "is missing")
    else:
        words = np.array(header.numbers(item, "LUTData")).astype(np.int64) & 0xFFFF
        content = words.astype("<u2").tobytes()
    if len(content) >= 2 * count:
        table = np.frombuffer(content, "<u2", count).astype(np.int32)
    elif bits == _BYTE and len(content) >= count:
        table = np.frombuffer(content, np.uint8, count).astype(np.int32)
    else:
        raise header.refuse("LUTData", f"holds fewer entries than the {count} of its descriptor")
    return table & ((1 << bits) - 1)
