"""Small files that ask for much: made so that a reader which trusts them runs out of memory."""

import struct
import zlib

import numpy as np
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dicom_node import uids
from dicom_node.pixels.wrap import encode
from tests.images import film

MIB = 1 << 20
_UNDEFINED = 0xFFFFFFFF
_META_LENGTH_AT = 140
_EDGE = 512
"""Of a film that is not too small to be decoded."""


def named(ds: Dataset, name: str) -> Dataset:
    """Give an image UIDs of its own."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(ds, keyword, uids.derive("bomb", name, keyword))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def study(name: str) -> str:
    """Return the Study Instance UID that `named` gives."""
    return uids.derive("bomb", name, "StudyInstanceUID")


def huge(name: str = "huge") -> bytes:
    """Return a film whose header says 65535 x 65535."""
    return encode(named(film(Rows=65535, Columns=65535), name))


def deflated(size: int, name: str = "deflated") -> bytes:
    """Return a deflated film whose pixels are ``size`` zeros, a thousandth of that on disk."""
    shell = named(film(), name)
    shell.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    del shell.PixelData
    whole = encode(shell)
    begin = _META_LENGTH_AT + 4
    begin += int.from_bytes(whole[_META_LENGTH_AT:begin], "little")
    head = b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    parts = [squeeze.compress(zlib.decompress(whole[begin:], -zlib.MAX_WBITS) + head)]
    piece = bytes(MIB)
    parts += [squeeze.compress(piece) for _ in range(size // MIB)]
    return whole[:begin] + b"".join(parts) + squeeze.flush()


def nested(depth: int, name: str = "nested") -> bytes:
    """Return a film with sequences in sequences, (0008,1140), properly closed."""
    whole = encode(named(film(), name))
    at = whole.index(b"\x10\x00\x10\x00PN")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return whole[:at] + opening * depth + closing * depth + whole[at:]


def runs(size: int, name: str = "runs") -> bytes:
    """Return an RLE film of ``size`` bytes of run lengths, 64 times that when decoded."""
    header = np.zeros(16, "<u4")
    header[:3] = (2, 64, 64 + size // 2)
    return _encapsulated(RLELossless, header.tobytes() + b"\x81\x00" * (size // 2), name)


def codestream(edge: int, name: str = "codestream") -> bytes:
    """Return a JPEG 2000 film whose codestream says another size than the header."""
    siz = b"\xff\x4f\xff\x51" + b"\x00\x29\x00\x00" + edge.to_bytes(4, "big") * 2 + bytes(8)
    return _encapsulated(JPEG2000Lossless, siz + bytes(64), name)


def _encapsulated(syntax: UID, frame: bytes, name: str) -> bytes:
    ds = named(film(np.zeros((_EDGE, _EDGE), np.uint16)), name)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    return encode(ds)


def sequences(depth: int, *, closed: bool = True, explicit: bool = True) -> bytes:
    """Return sequences of undefined length within one another, and nothing else."""
    head = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, _UNDEFINED)
    if not explicit:
        head = struct.pack("<HHI", 0x0040, 0xA730, _UNDEFINED)
    opened = head + struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
    ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return opened * depth + (ends * depth if closed else b"")
