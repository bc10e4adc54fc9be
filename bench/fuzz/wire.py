"""DICOM files as bytes that may lie: elements cut out of a file and put together again.

pydicom writes only what is right; a fuzzer must write wrong lengths, wrong VRs and broken items.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

PREAMBLE = 132
"""128 bytes and ``DICM`` (PS3.10 7.1)."""
UNDEFINED = 0xFFFFFFFF
TRANSFER_SYNTAX = 0x00020010
META_LENGTH = 0x00020000
PIXEL_DATA = 0x7FE00010
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR",
                   b"UT", b"UV"})  # fmt: skip
"""VRs whose length has 32 bits (PS3.5 7.1.2)."""
_DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_SHORT_LENGTH = 0xFFFF


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, VR and value, and a length that need not be the value's."""

    tag: int
    vr: bytes
    value: bytes
    length: int | None = None
    """None: the true length; `UNDEFINED` is written as such, and the value is all there is."""

    def encoded(self) -> bytes:
        """Return the element in Explicit VR Little Endian, lies and all."""
        length = len(self.value) if self.length is None else self.length
        head = struct.pack("<HH2s", self.tag >> 16, self.tag & 0xFFFF, self.vr[:2].ljust(2))
        if self.vr in _LONG:
            return head + struct.pack("<HI", 0, length & UNDEFINED) + self.value
        return head + struct.pack("<H", length & _SHORT_LENGTH) + self.value


def split(file: bytes) -> list[Element]:
    """Cut an Explicit VR Little Endian file into its top-level elements, as far as it is one."""
    found: list[Element] = []
    at = PREAMBLE
    while at + 8 <= len(file):
        group, number, vr = struct.unpack_from("<HH2s", file, at)
        long = vr in _LONG
        if not vr.isalpha() or (long and at + 12 > len(file)):
            break
        start = at + (12 if long else 8)
        (length,) = struct.unpack_from("<I" if long else "<H", file, start - (4 if long else 2))
        end = start + length
        if length == UNDEFINED:
            mark = file.find(_DELIMITER, start)
            end = len(file) if mark < 0 else mark + len(_DELIMITER)
        value = file[start:end]
        found.append(
            Element(group << 16 | number, vr, value, length if length == UNDEFINED else None)
        )
        at = end
    return found


def joined(preamble: bytes, elements: Iterable[Element]) -> bytes:
    """Put a file together; Group Length of the meta information is left out, not made right."""
    return preamble + b"".join(e.encoded() for e in elements if e.tag != META_LENGTH)


def item(content: bytes, length: int | None = None) -> bytes:
    """Return an item of a sequence (PS3.5 7.5), of undefined length where told so."""
    stated = len(content) if length is None else length
    end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) if stated == UNDEFINED else b""
    return struct.pack("<HHI", 0xFFFE, 0xE000, stated) + content + end


def nested(depth: int) -> bytes:
    """Return the value of a sequence that holds sequences ``depth`` levels deep."""
    value = b""
    for _ in range(depth):
        value = item(Element(0x00081140, b"SQ", value).encoded())
    return value
