"""How a DICOM file is built, looked at before anybody parses it: depth, lengths, counts, and what
it is.

Orthanc's parser calls itself once for each sequence in a sequence, and trusts lengths. Here nothing
is called again and no value is read: a file of any size costs a moment, and one that would end
Orthanc is refused by name (PS3.5 7, PS3.10 7).
"""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from typing import Final

from pydicom.datadict import dictionary_VR
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.errors import ObjectRefused
from dicom_node.pixels.inflation import LARGEST_BYTES

CANNOT_UNDERSTAND: Final = 0xC000
"""Error: Cannot Understand (PS3.4 B.2.3, PS3.18 I.2.2)."""

SYNTAX_NOT_SUPPORTED: Final = 0xC122
"""Referenced Transfer Syntax Not Supported (PS3.18 I.2.2)."""

DEEPEST: Final = 64
"""Sequences in one another; a structured report has six, and none that makes sense has twenty."""

_MOST_ELEMENTS: Final = 1_000_000
_LONGEST_UID: Final = 64
_PREAMBLE: Final = 128
_UNDEFINED: Final = 0xFFFFFFFF
_HEAD: Final = 8
"""Bytes of a tag and its length."""

_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_PIXEL_DATA: Final = 0x7FE00010
_META_GROUP: Final = 0x0002
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs whose length has four bytes (PS3.5 7.1.2)."""

_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_PLAIN_LONG: Final = _LONG - {b"SQ", b"UN"}
_EXPLICIT: Final = struct.Struct("<HH2sH")
_LENGTH: Final = struct.Struct("<I")
_DELIMITERS: Final = 0xFFFE
_KEPT: Final = {
    0x00020010: "transfer_syntax_uid",
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x0020000D: "study_instance_uid",
    0x0020000E: "series_instance_uid",
}
_PIECE: Final = 1 << 20

Buffer = bytes | mmap


@dataclass(frozen=True, slots=True)
class Heading:
    """What an object says that it is; empty where it does not say."""

    transfer_syntax_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(slots=True)
class _Frame:
    """What is being read: a data set, a sequence's items, or the fragments of pixel data.

    ``end`` is where it must end, None where a delimiter says so; ``limit`` is where whatever
    holds it ends.
    """

    kind: str
    end: int | None
    limit: int
    explicit: bool


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    vr: bytes
    length: int
    value: int
    """Where its value begins."""


@dataclass(slots=True)
class _Walk:
    """One pass over a data set, with a stack of its own."""

    data: Buffer
    big: bool
    found: dict[str, str] = field(default_factory=dict)
    stack: list[_Frame] = field(default_factory=list)
    count: int = 0

    def run(self, begin: int, end: int, *, explicit: bool) -> None:
        """Walk from ``begin`` to ``end``; raises ObjectRefused."""
        self.stack.append(_Frame("dataset", end, end, explicit))
        at = begin
        while self.stack:
            frame = self.stack[-1]
            if frame.end is not None and at >= frame.end:
                self.stack.pop()
            elif frame.kind == "dataset":
                at = self._element(frame, self._plain(frame, at))
            else:
                at = self._item(frame, at)

    def _plain(self, frame: _Frame, at: int) -> int:
        """Step over values that hold nothing, as most do; return where something else begins.

        What it leaves alone `_element` reads: this is the same in a loop ten times as fast.
        """
        if self.big or not frame.explicit:
            return at
        data, end, first = self.data, self._room(frame), self.count
        keeps = len(self.stack) == 1
        while at + 12 <= end:
            group, element, vr, length = _EXPLICIT.unpack_from(data, at)
            value = at + 8
            if vr in _PLAIN_LONG:
                length, value = _LENGTH.unpack_from(data, value)[0], at + 12
            elif vr not in _SHORT:
                break
            after = value + length
            if after > end or group == _DELIMITERS or (keeps and group << 16 | element in _KEPT):
                break
            at = after
            self.count += 1
        if self.count > first:
            self.count -= 1
            self._count()
        return at

    def _element(self, frame: _Frame, at: int) -> int:
        """Read one element of a data set; return where the next thing begins."""
        if at == frame.end:
            return at
        self._count()
        tag = self._tag(frame, at)
        if tag == _ITEM_END and frame.end is None:
            self.stack.pop()
            return self._need(frame, at, 8)
        if tag >> 16 == _DELIMITERS:
            raise _damaged("a delimiter stands where an element should")
        if tag == 0 and len(self.stack) == 1 and _only_zeros(self.data, at, frame.limit):
            return frame.limit  # padding that some writers leave behind the data set
        element = self._read(frame, tag, at)
        if len(self.stack) == 1 and tag in _KEPT and element.length != _UNDEFINED:
            self._keep(frame, element)
        return self._enter(frame, element)

    def _enter(self, frame: _Frame, element: _Element) -> int:
        """Go into a sequence, or step over a value."""
        begin, length = element.value, element.length
        if length == _UNDEFINED:
            fragments = element.tag == _PIXEL_DATA and element.vr in {b"OB", b"OW", b"OV"}
            if not fragments and element.vr not in {b"SQ", b"UN"}:
                raise _damaged(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) has no end")
            explicit = frame.explicit and element.vr != b"UN"  # PS3.5 6.2.2, note 4
            self._push(_Frame("fragments" if fragments else "items", None, frame.limit, explicit))
            return begin
        if length > self._room(frame) - begin:
            raise _damaged(
                f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is longer than what holds it"
            )
        end = begin + length
        if length and self._is_sequence(element, begin):
            explicit = frame.explicit and element.vr != b"UN"
            self._push(_Frame("items", end, end, explicit))
            return begin
        return end

    def _item(self, frame: _Frame, at: int) -> int:
        """Read the head of an item or of a fragment; return where the next thing begins."""
        self._count()
        tag = self._tag(frame, at)
        begin = self._need(frame, at, 8)
        length = self._number(at + 4, 4)
        if tag == _SEQUENCE_END and frame.end is None:
            self.stack.pop()
            return begin
        if tag != _ITEM:
            raise _damaged("a sequence holds something that is no item")
        if length == _UNDEFINED and frame.kind == "items":
            self.stack.append(_Frame("dataset", None, self._room(frame), frame.explicit))
            return begin
        if length > self._room(frame) - begin:
            raise _damaged("an item is longer than what holds it")
        end = begin + length
        if frame.kind == "items":
            self.stack.append(_Frame("dataset", end, end, frame.explicit))
            return begin
        return end

    def _read(self, frame: _Frame, tag: int, at: int) -> _Element:
        if not frame.explicit:
            begin = self._need(frame, at, 8)
            return _Element(tag, _vr_of(tag), self._number(at + 4, 4), begin)
        begin = self._need(frame, at, 8)
        vr = self.data[at + 4 : at + 6]
        if vr in _SHORT:
            return _Element(tag, vr, self._number(at + 6, 2), begin)
        if vr not in _LONG:
            raise _damaged(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has no value representation")
        begin = self._need(frame, at, 12)
        return _Element(tag, vr, self._number(at + 8, 4), begin)

    def _is_sequence(self, element: _Element, begin: int) -> bool:
        """Tell whether a value of known length holds items that a parser could go into."""
        if element.vr != b"UN":
            return element.vr == b"SQ"
        return element.length >= _HEAD and self._number_of_tag(begin) == _ITEM

    def _push(self, frame: _Frame) -> None:
        self.stack.append(frame)
        if sum(f.kind != "dataset" for f in self.stack) > DEEPEST:
            raise _damaged(f"more than {DEEPEST} sequences lie in one another")

    def _keep(self, frame: _Frame, element: _Element) -> None:
        if element.length > _LONGEST_UID or element.length > self._room(frame) - element.value:
            raise _damaged(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is no UID")
        text = self.data[element.value : element.value + element.length]
        self.found[_KEPT[element.tag]] = text.decode("ascii", "replace").strip("\0 ")

    def _count(self) -> None:
        self.count += 1
        if self.count > _MOST_ELEMENTS:
            raise _damaged(f"it holds more than {_MOST_ELEMENTS} elements")

    def _room(self, frame: _Frame) -> int:
        return frame.limit if frame.end is None else frame.end

    def _need(self, frame: _Frame, at: int, size: int) -> int:
        if at + size > self._room(frame):
            raise _damaged("it ends within an element")
        return at + size

    def _tag(self, frame: _Frame, at: int) -> int:
        self._need(frame, at, 4)
        return self._number_of_tag(at)

    def _number_of_tag(self, at: int) -> int:
        group, element = struct.unpack_from(">HH" if self.big else "<HH", self.data, at)
        return int(group << 16 | element)

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "big" if self.big else "little")


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
        raise _damaged("it is no DICOM file: it does not begin as PS3.10 says")
    meta = _Walk(data, big=False)
    body = _meta_end(data, start, stop)
    meta.run(start, body, explicit=True)
    syntax = meta.found.get("transfer_syntax_uid", "")
    if not syntax:
        raise _damaged("its meta information names no transfer syntax")
    if syntax != DeflatedExplicitVRLittleEndian:
        return _heading(data, body, stop, syntax)
    if not admits_deflated:
        raise ObjectRefused(SYNTAX_NOT_SUPPORTED, "deflated files are not taken; send it inflated")
    with _inflated(data[body:stop], largest) as whole:
        return _heading(whole, 0, len(whole), syntax)


def _heading(data: Buffer, begin: int, end: int, syntax: str) -> Heading:
    if begin == end:
        raise _damaged("it holds no data set")
    walk = _Walk(data, big=syntax == ExplicitVRBigEndian)
    walk.run(begin, end, explicit=syntax != ImplicitVRLittleEndian)
    heading = Heading(**{**walk.found, "transfer_syntax_uid": syntax})
    for name in ("sop_class_uid", "sop_instance_uid", "study_instance_uid", "series_instance_uid"):
        if not getattr(heading, name):
            raise _damaged(f"it has no {name.removesuffix('_uid').replace('_', ' ')} UID")
    return heading


def _meta_end(data: Buffer, start: int, stop: int) -> int:
    """Return where the elements of group 0002 end; each is stepped over by its own length."""
    at = start
    while at + 8 <= stop and struct.unpack_from("<H", data, at)[0] == _META_GROUP:
        long = data[at + 4 : at + 6] in _LONG
        if long and at + 12 > stop:
            raise _damaged("its meta information ends within an element")
        length = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))[0]
        at += (12 if long else 8) + length
    if at > stop:
        raise _damaged("its meta information is longer than the file")
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
            raise _damaged("it is not deflated as it says") from exc
        if file.tell() > largest:
            raise _damaged(f"it inflates to more than {largest >> 20} MiB")
        if file.tell() == 0:
            raise _damaged("it holds no data set")
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as whole:
            yield whole


@lru_cache(maxsize=1024)
def _vr_of(tag: int) -> bytes:
    """Return the VR by the dictionary, UN where it knows none (PS3.5 A.1)."""
    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"


def _only_zeros(data: Buffer, begin: int, end: int) -> bool:
    pieces = (data[at : min(at + _PIECE, end)] for at in range(begin, end, _PIECE))
    return not any(any(piece) for piece in pieces)


def _damaged(why: str) -> ObjectRefused:
    return ObjectRefused(CANNOT_UNDERSTAND, f"the object is refused: {why}")
