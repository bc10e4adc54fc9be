"""How a DICOM file is built, looked at before anybody parses it: depth, lengths, counts, and what
it is.

Orthanc's parser calls itself once for each sequence in a sequence, and trusts lengths: a file that
would end Orthanc is refused by name (PS3.5 7, PS3.10 7).
"""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from dicom_node.errors import ObjectRefused
from dicom_node.pixels.inflation import LARGEST_BYTES
from dicom_node.pixels.walk import LONG, Buffer, Walk, damaged

SYNTAX_NOT_SUPPORTED: Final = 0xC122
"""Referenced Transfer Syntax Not Supported (PS3.18 I.2.2)."""

_PREAMBLE: Final = 128
_META_GROUP: Final = 0x0002
_KEPT: Final = {
    0x00020010: "transfer_syntax_uid",
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x0020000D: "study_instance_uid",
    0x0020000E: "series_instance_uid",
}
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Heading:
    """What an object says that it is; empty where it does not say."""

    transfer_syntax_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""


def examine(
    data: Buffer,
    begin: int = 0,
    end: int | None = None,
    *,
    admits_deflated: bool = False,
    largest: int = LARGEST_BYTES,
) -> Heading:
    """Return what a file of PS3.10 says that it is; raises ObjectRefused where it is malformed.

    ``begin`` and ``end`` say where in ``data`` it lies; ``largest`` is how many bytes a deflated
    one may hold, where such are admitted.
    """
    stop = len(data) if end is None else end
    start = begin + _PREAMBLE + 4
    if start > stop or data[start - 4 : start] != b"DICM":
        raise damaged("it is no DICOM file: it does not begin as PS3.10 says")
    meta = Walk.of(ExplicitVRLittleEndian, _KEPT)
    body = _meta_end(data, start, stop)
    meta.over(data, start, body)
    syntax = _text(meta.found.get("transfer_syntax_uid", b""))
    if not syntax:
        raise damaged("its meta information names no transfer syntax")
    if syntax != DeflatedExplicitVRLittleEndian:
        return _heading(data, body, stop, syntax)
    if not admits_deflated:
        raise ObjectRefused(SYNTAX_NOT_SUPPORTED, "deflated files are not taken; send it inflated")
    with _inflated(data[body:stop], largest) as whole:
        return _heading(whole, 0, len(whole), syntax)


def _heading(data: Buffer, begin: int, end: int, syntax: str) -> Heading:
    if begin == end:
        raise damaged("it holds no data set")
    walk = Walk.of(syntax, _KEPT)
    walk.over(data, begin, end)
    found = {name: _text(value) for name, value in walk.found.items()}
    heading = Heading(**{**found, "transfer_syntax_uid": syntax})
    for name in ("sop_class_uid", "sop_instance_uid", "study_instance_uid", "series_instance_uid"):
        if not getattr(heading, name):
            raise damaged(f"it has no {name.removesuffix('_uid').replace('_', ' ')} UID")
    return heading


def _meta_end(data: Buffer, start: int, stop: int) -> int:
    """Return where the elements of group 0002 end; each is stepped over by its own length."""
    at = start
    while at + 8 <= stop and struct.unpack_from("<H", data, at)[0] == _META_GROUP:
        long = data[at + 4 : at + 6] in LONG
        if long and at + 12 > stop:
            raise damaged("its meta information ends within an element")
        length = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))[0]
        at += (12 if long else 8) + length
    if at > stop:
        raise damaged("its meta information is longer than the file")
    return at


@contextmanager
def _inflated(deflated: bytes, largest: int) -> Iterator[mmap]:
    """Inflate into a file without a name, up to a bound (RFC 1951)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with tempfile.TemporaryFile() as file:
        try:
            rest = deflated
            while rest and not inflater.eof and file.tell() <= largest:
                file.write(inflater.decompress(rest, _PIECE))
                rest = inflater.unconsumed_tail
        except zlib.error as exc:
            raise damaged("it is not deflated as it says") from exc
        if file.tell() > largest:
            raise damaged(f"it inflates to more than {largest >> 20} MiB")
        if file.tell() == 0:
            raise damaged("it holds no data set")
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as whole:
            yield whole


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")
