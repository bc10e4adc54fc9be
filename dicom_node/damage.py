"""What pydicom raises on values that are not what they claim to be."""

import struct
from typing import Final

from pydicom.errors import BytesLengthException

UNREADABLE: Final = (
    BytesLengthException, ValueError, TypeError, AttributeError, OverflowError, LookupError,
    NotImplementedError, RecursionError, AssertionError, EOFError, OSError, struct.error,
)  # fmt: skip
"""A stored value that does not fit its VR (LookupError: odd charset; OSError and struct.error:
bytes that claim to be a sequence), a damaged file or frame. Found by mutation: `bench.fuzz`."""
