"""What a compressed frame says of itself, read before a decoder allocates anything for it."""

from collections.abc import Iterator
from dataclasses import dataclass

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_JP2_START = b"\x00\x00\x00\x0cjP"

_CODING_STYLE = 0x52
_SCAN = 0xDA
_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_LOSSY_SEQUENTIAL = frozenset({0xC0, 0xC1})
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""SOF0-15 without DHT, JPG and DAC (ITU T.81 table B.1), and JPEG-LS's SOF55 (T.87)."""


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width that a codestream declares, in pixels."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    start: int
    length: int


def size(frame: bytes) -> Size | None:
    """Return the size that a JPEG, JPEG-LS or JPEG 2000 frame declares; None where unknown."""
    if frame.startswith(_JPEG_START):
        return _jpeg_size(frame)
    return _j2k_size(_siz(frame))


def precision(frame: bytes) -> int | None:
    """Return the bits for each sample that a JPEG, JPEG-LS or JPEG 2000 frame declares."""
    if frame.startswith(_JPEG_START):
        headers = (s for s in _segments(frame) if s.marker in _FRAME_HEADERS and s.length > 2)  # noqa: PLR2004
        found = next(headers, None)
        return frame[found.start + 2] if found else None
    siz = _siz(frame)
    return (siz[38] & 0x7F) + 1 if len(siz) > 38 else None  # noqa: PLR2004 (Ssiz of ITU T.800 A.5.1)


def is_reversible(frame: bytes) -> bool:
    """Whether a JPEG 2000 codestream uses the wavelet that loses nothing (ITU T.800 A.6.1)."""
    at = frame.find(_J2K_START, 0, 4096) + 2
    while 2 <= at <= len(frame) - 14 and frame[at] == 0xFF:  # noqa: PLR2004 (every marker's first byte)
        if frame[at + 1] == _CODING_STYLE:
            return frame[at + 13] == 1
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return False


def repaired(frame: bytes) -> bytes:
    """Return a sequential JPEG frame with the spectral selection that T.81 B.2.3 demands.

    Some old encoders wrote 0 for its end, where a sequential scan must say 63 (a NEMA sample
    of JPEG Extended does); strict decoders refuse such a frame, though nothing else is wrong.
    """
    sequential = False
    for segment in _segments(frame):
        sequential |= segment.marker in _LOSSY_SEQUENTIAL
        if segment.marker == _SCAN and sequential:
            end = segment.start + segment.length
            return frame[: end - 3] + b"\x00\x3f\x00" + frame[end:]
    return frame


def _jpeg_size(frame: bytes) -> Size | None:
    for segment in _segments(frame):
        if segment.marker in _FRAME_HEADERS and segment.length >= 7:  # noqa: PLR2004 (P, Y, X)
            body = frame[segment.start + 3 : segment.start + 7]
            return Size(int.from_bytes(body[:2], "big"), int.from_bytes(body[2:], "big"))
    return None


def _siz(frame: bytes) -> bytes:
    """Return the SIZ segment of a JPEG 2000 codestream, b'' where there is none."""
    codestream = frame.find(_J2K_START, 0, 4096) if frame.startswith(_JP2_START) else 0
    if codestream >= 0 and frame.startswith(_J2K_START, codestream):
        return frame[codestream + 4 : codestream + 44]
    return b""


def _j2k_size(siz: bytes) -> Size | None:
    # After the marker: Lsiz, Rsiz, then Xsiz, Ysiz, XOsiz, YOsiz (ITU T.800 A.5.1).
    if len(siz) < 20:  # noqa: PLR2004 (the fields up to YOsiz)
        return None
    right, bottom, left, top = (int.from_bytes(siz[at : at + 4], "big") for at in (4, 8, 12, 16))
    return Size(rows=bottom - top, columns=right - left)


def _segments(frame: bytes) -> Iterator[_Segment]:
    """Walk the marker segments up to the first scan; ends quietly where they break off."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:  # noqa: PLR2004 (every marker's first byte)
        marker = frame[at + 1]
        if marker == 0xFF or marker in _STANDALONE:  # noqa: PLR2004 (fill byte)
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        if at + 2 + length > len(frame):
            return
        yield _Segment(marker, at + 2, length)
        if marker == _SCAN:
            return
        at += 2 + length
