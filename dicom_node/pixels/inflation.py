"""How much a deflated file holds, found out before anybody inflates it in one piece.

Deflate shrinks zeros a thousandfold, so that a file of a few MB can hold what no machine does
(PS3.5 A.5, RFC 1951).
"""

import zlib
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError

LARGEST_BYTES: Final = 512 << 20
"""More than the largest image that the policy lets through, twice over."""

_UID: Final = DeflatedExplicitVRLittleEndian.encode()
_META_WITHIN: Final = 4096
_LENGTH_AT: Final = 132
"""Behind preamble and prefix: (0002,0000) UL, Type 1 (PS3.10 7.1)."""
_LENGTH_TAG: Final = b"\x02\x00\x00\x00UL\x04\x00"
_FED: Final = 1 << 16
_PIECE: Final = 1 << 20


def check(dicom_file: bytes, largest: int = LARGEST_BYTES) -> None:
    """Refuse a deflated file that holds more than ``largest`` bytes; others pass at once.

    Raises PixelError: IMAGE_TOO_LARGE, or UNDECODABLE where the meta information does not say
    where it ends.
    """
    if _UID not in dicom_file[:_META_WITHIN]:
        return
    if dicom_file[_LENGTH_AT : _LENGTH_AT + 8] != _LENGTH_TAG:
        raise PixelError(
            RefusalCode.UNDECODABLE, "The file is damaged: its meta information has no length."
        )
    begin = _LENGTH_AT + 12
    length = int.from_bytes(dicom_file[_LENGTH_AT + 8 : begin], "little")
    if _inflated(dicom_file[begin + length :], largest) > largest:
        raise PixelError(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The compressed file holds more than {largest >> 20} MiB.",
        )


def _inflated(deflated: bytes, largest: int) -> int:
    """Return how many bytes come out, up to a little more than ``largest``."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    try:
        for at in range(0, len(deflated), _FED):
            rest = deflated[at : at + _FED]
            while rest and total <= largest:
                total += len(inflater.decompress(rest, _PIECE))
                rest = inflater.unconsumed_tail
    except zlib.error:  # damaged: whoever parses it says so
        return total
    return total
