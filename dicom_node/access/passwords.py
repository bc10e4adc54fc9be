"""Passwords: hashed with argon2id (RFC 9106), two at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dicom_node.errors import AccessError

SHORTEST: Final = 12
LONGEST: Final = 1024
_AT_ONCE: Final = 2
"""Each takes 64 MiB: many at once would be a way to exhaust the machine's memory."""


class Passwords:
    """Hashes and checks passwords; safe to share between threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = BoundedSemaphore(_AT_ONCE)
        self._nobodys = self._hasher.hash("nobody has this password")

    def hash(self, password: str, name: str) -> str:
        """Return the hash of a new password; raise AccessError where it is too weak."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise AccessError(f"a password has {SHORTEST} to {LONGEST} characters; choose another")
        if password.casefold() == name.casefold() or len(set(password)) < SHORTEST // 3:
            raise AccessError("this password is easily guessed; choose another")
        with self._turn:
            return self._hasher.hash(password)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a password may be checked: what is decided in here, few decide at once."""
        with self._turn:
            yield

    def fits(self, password: str, password_hash: str | None) -> bool:
        """Tell, within a `turn`, whether a password is the right one.

        Without a hash, since nobody has that name, it takes as long and is never right.
        """
        if len(password) > LONGEST:
            return False
        try:
            known = self._nobodys if password_hash is None else password_hash
            return self._hasher.verify(known, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False
