"""A walk over a data set in the order of its bytes, before anybody parses it: depth and lengths.

DCMTK calls itself once for each sequence in a sequence, and trusts lengths. Here nothing is called
again and no value is read, so that a data set of any size costs a moment; it may come in pieces, as
from the network (PS3.5 7).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from mmap import mmap
from typing import Final, Self

from pydicom.datadict import dictionary_VR
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_node.errors import ObjectRefused

CANNOT_UNDERSTAND: Final = 0xC000
"""Error: Cannot Understand (PS3.4 B.2.3, PS3.18 I.2.2)."""

DEEPEST: Final = 64
"""Sequences in one another; a structured report has six, and none that makes sense has twenty."""

LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs whose length has four bytes (PS3.5 7.1.2)."""

_MOST_ELEMENTS: Final = 1_000_000
_LONGEST_KEPT: Final = 64
_AHEAD: Final = 12 + _LONGEST_KEPT
"""Bytes that one step reads at most: the head of an element, and a value that is kept."""

_UNDEFINED: Final = 0xFFFFFFFF
_HEAD: Final = 8
"""Bytes of a tag and its length."""

_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_PIXEL_DATA: Final = 0x7FE00010
_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_PLAIN_LONG: Final = LONG - {b"SQ", b"UN"}
_EXPLICIT: Final = struct.Struct("<HH2sH")
_LENGTH: Final = struct.Struct("<I")
_DELIMITERS: Final = 0xFFFE
_PIECE: Final = 1 << 20

Buffer = bytes | mmap


@dataclass(slots=True)
class _Frame:
    """What is being read: a data set, a sequence's items, or the fragments of pixel data.

    ``end`` is where it must end, None where a delimiter says so; ``limit`` is where whatever
    holds it ends. ``guessed``: a value that nothing but its first bytes calls a sequence.
    """

    kind: str
    end: int | None
    limit: int
    explicit: bool
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    vr: bytes
    length: int
    value: int
    """Where its value begins."""


@dataclass(slots=True)
class Walk:
    """One pass over a data set that is fed piece by piece, with a stack of its own.

    ``kept`` names the top elements whose values, of at most 64 bytes, are laid into ``found``;
    ``largest`` is how many bytes may come in pieces. Places are counted from the first byte.
    """

    big: bool
    explicit: bool
    kept: Mapping[int, str] = field(default_factory=dict)
    largest: int = 1 << 62
    found: dict[str, bytes] = field(default_factory=dict)
    _stack: list[_Frame] = field(default_factory=list)
    _count: int = 0
    _at: int = 0
    _data: Buffer = b""
    _base: int = 0
    _known: int = 0
    """Where ``_data`` begins and ends."""

    _whole: bool = False
    _padded: bool = False

    @classmethod
    def of(cls, syntax: str, kept: Mapping[int, str]) -> Self:
        """Return the walk over a data set of a transfer syntax, once it is inflated."""
        return cls(syntax == ExplicitVRBigEndian, syntax != ImplicitVRLittleEndian, kept)

    def over(self, data: Buffer, begin: int, end: int) -> None:
        """Walk over a data set that is all there; raises ObjectRefused."""
        self._data, self._at, self._known, self._whole = data, begin, end, True
        self._stack = [_Frame("dataset", end, end, self.explicit)]
        self._run()

    def feed(self, piece: bytes | memoryview) -> None:
        """Walk on over the next piece; raises ObjectRefused as soon as something is wrong."""
        if not self._stack:
            self._stack.append(_Frame("dataset", self.largest, self.largest, self.explicit))
        known = self._known + len(piece)
        if known > self.largest:
            raise damaged(f"it is larger than {self.largest >> 20} MiB")
        if self._at >= known:  # most of what comes is the middle of a long value
            self._data, self._base, self._known = b"", known, known
            return
        rest = self._data[min(self._at, self._known) - self._base :]
        self._data, self._base = rest + bytes(piece), self._known - len(rest)
        self._known = known
        self._run()

    def finish(self) -> None:
        """Say that no more comes; raises ObjectRefused where something is not at its end."""
        if self._at > self._known:
            raise damaged("it ends within an element")
        self._whole = True
        for frame in self._stack:
            frame.limit = min(frame.limit, self._known)
            if frame.end is not None and frame.end > self._known:
                if frame is not self._stack[0]:
                    raise damaged("it ends within a sequence")
                frame.end = self._known
        self._run()

    def _run(self) -> None:
        while self._stack:
            frame = self._stack[-1]
            if frame.end is not None and self._at >= frame.end:
                self._stack.pop()
                continue
            if frame.kind == "dataset":
                self._at = self._plain(frame, self._at)
            if not self._whole and self._at + _AHEAD > self._known:
                return
            if frame.end is not None and self._at >= frame.end:
                continue
            step = self._element if frame.kind == "dataset" else self._item
            try:
                self._at = step(frame, self._at)
            except _Malformed as exc:
                self._at = self._behind_guess(exc)

    def _behind_guess(self, fault: ObjectRefused) -> int:
        """Return where the outermost value ends that was taken for a sequence, and is none.

        Private values of unknown VR hold what they like; with none around, the fault is that of
        the data set itself.
        """
        for index, frame in enumerate(self._stack):
            if frame.guessed and frame.end is not None:
                del self._stack[index:]
                return frame.end
        raise fault

    def _plain(self, frame: _Frame, at: int) -> int:
        """Step over values that hold nothing, as most do; return where something else begins.

        What it leaves alone `_element` reads: this is the same in a loop ten times as fast.
        """
        if self.big or not frame.explicit:
            return at
        data, base, first = self._data, self._base, self._count
        room = self._room(frame)
        end = min(room, self._known)
        keeps = len(self._stack) == 1
        while at + 12 <= end:
            group, element, vr, length = _EXPLICIT.unpack_from(data, at - base)
            value = at + 8
            if vr in _PLAIN_LONG:
                length, value = _LENGTH.unpack_from(data, value - base)[0], at + 12
            elif vr not in _SHORT:
                break
            after = value + length
            kept = keeps and group << 16 | element in self.kept
            if length == _UNDEFINED or after > room or group == _DELIMITERS or kept:
                break
            at = after
            self._count += 1
        if self._count > first:
            self._count -= 1
            self._tick()
        return at

    def _element(self, frame: _Frame, at: int) -> int:
        """Read one element of a data set; return where the next thing begins."""
        if at == frame.end:
            return at
        if self._padded:
            if not self._only_zeros(at):
                raise damaged("something stands behind its padding")
            return self._known
        self._tick()
        tag = self._tag(frame, at)
        if tag == _ITEM_END and frame.end is None:
            self._stack.pop()
            return self._need(frame, at, 8)
        if tag >> 16 == _DELIMITERS:
            raise _malformed("a delimiter stands where an element should")
        if tag == 0 and len(self._stack) == 1 and self._only_zeros(at):
            self._padded = True  # as some writers leave it behind the data set
            return self._known
        element = self._read(frame, tag, at)
        if len(self._stack) == 1 and tag in self.kept and element.length != _UNDEFINED:
            self._keep(frame, element)
        return self._enter(frame, element)

    def _enter(self, frame: _Frame, element: _Element) -> int:
        """Go into a sequence, or step over a value."""
        begin, length = element.value, element.length
        if length == _UNDEFINED:
            fragments = element.tag == _PIXEL_DATA and element.vr in {b"OB", b"OW", b"OV"}
            if not fragments and element.vr not in {b"SQ", b"UN"}:
                raise _malformed(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) has no end")
            explicit = frame.explicit and element.vr != b"UN"  # PS3.5 6.2.2, note 4
            self._push(_Frame("fragments" if fragments else "items", None, frame.limit, explicit))
            return begin
        if length > self._room(frame) - begin:
            raise _malformed(
                f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is longer than what holds it"
            )
        end = begin + length
        if length and self._is_sequence(element, begin):
            unknown = element.vr == b"UN"
            explicit = frame.explicit and not unknown
            self._push(_Frame("items", end, end, explicit, guessed=unknown))
            return begin
        return end

    def _item(self, frame: _Frame, at: int) -> int:
        """Read the head of an item or of a fragment; return where the next thing begins."""
        self._tick()
        tag = self._tag(frame, at)
        begin = self._need(frame, at, 8)
        length = self._number(at + 4, 4)
        if tag == _SEQUENCE_END and frame.end is None:
            self._stack.pop()
            return begin
        if tag != _ITEM:
            raise _malformed("a sequence holds something that is no item")
        if length == _UNDEFINED and frame.kind == "items":
            self._stack.append(_Frame("dataset", None, self._room(frame), frame.explicit))
            return begin
        if length > self._room(frame) - begin:
            raise _malformed("an item is longer than what holds it")
        end = begin + length
        if frame.kind == "items":
            self._stack.append(_Frame("dataset", end, end, frame.explicit))
            return begin
        return end

    def _read(self, frame: _Frame, tag: int, at: int) -> _Element:
        if not frame.explicit:
            begin = self._need(frame, at, 8)
            return _Element(tag, _vr_of(tag), self._number(at + 4, 4), begin)
        begin = self._need(frame, at, 8)
        vr = self._bytes(at + 4, 2)
        if vr in _SHORT:
            return _Element(tag, vr, self._number(at + 6, 2), begin)
        if vr not in LONG:
            raise _malformed(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has no value representation")
        begin = self._need(frame, at, 12)
        return _Element(tag, vr, self._number(at + 8, 4), begin)

    def _is_sequence(self, element: _Element, begin: int) -> bool:
        """Tell whether a value of known length holds items that a parser could go into."""
        if element.vr != b"UN":
            return element.vr == b"SQ"
        return element.length >= _HEAD and self._number_of_tag(begin) == _ITEM

    def _push(self, frame: _Frame) -> None:
        self._stack.append(frame)
        if sum(f.kind != "dataset" for f in self._stack) > DEEPEST:
            raise damaged(f"more than {DEEPEST} sequences lie in one another")

    def _keep(self, frame: _Frame, element: _Element) -> None:
        if element.length > _LONGEST_KEPT or element.length > self._room(frame) - element.value:
            raise damaged(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is too long")
        self.found[self.kept[element.tag]] = self._bytes(element.value, element.length)

    def _tick(self) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS:
            raise damaged(f"it holds more than {_MOST_ELEMENTS} elements")

    def _room(self, frame: _Frame) -> int:
        return frame.limit if frame.end is None else frame.end

    def _need(self, frame: _Frame, at: int, size: int) -> int:
        if at + size > self._room(frame):
            raise _malformed("it ends within an element")
        return at + size

    def _tag(self, frame: _Frame, at: int) -> int:
        self._need(frame, at, 4)
        return self._number_of_tag(at)

    def _number_of_tag(self, at: int) -> int:
        place = at - self._base
        group, element = struct.unpack_from(">HH" if self.big else "<HH", self._data, place)
        return int(group << 16 | element)

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self._bytes(at, size), "big" if self.big else "little")

    def _bytes(self, at: int, size: int) -> bytes:
        return self._data[at - self._base : at - self._base + size]

    def _only_zeros(self, at: int) -> bool:
        end = self._known - self._base
        steps = range(at - self._base, end, _PIECE)
        return not any(any(self._data[step : min(step + _PIECE, end)]) for step in steps)


@lru_cache(maxsize=1024)
def _vr_of(tag: int) -> bytes:
    """Return the VR by the dictionary, UN where it knows none (PS3.5 A.1)."""
    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"


class _Malformed(ObjectRefused):
    """Something does not hold what it says."""


def damaged(why: str) -> ObjectRefused:
    """Return the refusal of an object that is not built as it should be."""
    return ObjectRefused(CANNOT_UNDERSTAND, f"the object is refused: {why}")


def _malformed(why: str) -> _Malformed:
    return _Malformed(CANNOT_UNDERSTAND, f"the object is refused: {why}")
