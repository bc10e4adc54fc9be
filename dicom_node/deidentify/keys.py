"""The site's key, and what is derived from it: the same study, the same pseudonyms, here only."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from dicom_node import private
from dicom_node.errors import ExportError

_KEY_BYTES: Final = 32
_LONGEST_SHIFT_DAYS: Final = 3650
_STANDARD: Final = "1.2.840.10008."
"""UIDs that the standard itself registers: classes, syntaxes, contexts (PS3.6 A)."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands for a UID, a patient and a date; without the key nobody finds the way back."""

    key: bytes = field(repr=False)

    @classmethod
    def of_site(cls, file: Path) -> Self:
        """Read the key, made at its first use and readable by its owner alone.

        Raises ExportError where it cannot be made, is open to others, or is no key.
        """
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                private.make(file, f"{secrets.token_hex(_KEY_BYTES)}\n".encode())
            if file.stat().st_mode & 0o077:
                raise ExportError(f"{file} is open to other users: chmod 600 {file}")
            key = bytes.fromhex(file.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as exc:
            raise ExportError(f"the key {file} cannot be used: {type(exc).__name__}") from exc
        if len(key) < _KEY_BYTES:
            raise ExportError(f"the key {file} is too short: {_KEY_BYTES} bytes in hex are needed")
        return cls(key)

    def uid(self, original: str) -> str:
        """Return the UID that stands for another; those of the standard stand for themselves."""
        if not original or original.startswith(_STANDARD):
            return original
        number = int.from_bytes(self._digest("uid", original)[:16], "big")
        # A random-based UUID by its version and variant bits (PS3.5 B.2, RFC 9562 5.8).
        number = number & ~(0xF << 76) | 8 << 76
        number = number & ~(0x3 << 62) | 2 << 62
        return f"2.25.{number}"

    def patient(self, issuer: str, patient_id: str) -> str:
        """Return the id that stands for a patient."""
        return f"ANON-{self._digest('patient', issuer, patient_id).hex()[:16].upper()}"

    def shift_days(self, issuer: str, patient_id: str) -> int:
        """Return by how many days this patient's dates move into the past: 1 to 3650."""
        number = int.from_bytes(self._digest("shift", issuer, patient_id)[:8], "big")
        return 1 + number % _LONGEST_SHIFT_DAYS

    def _digest(self, *parts: str) -> bytes:
        message = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, message, hashlib.sha256)
