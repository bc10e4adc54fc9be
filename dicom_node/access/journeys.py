"""Logins under way at the site's provider, each kept by the browser that has left, sealed.

The node keeps none of them itself: whoever knocks may leave without end, and crowds nobody out.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

LONGEST_S: Final = 600
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}
_LONGEST_WANTED: Final = 2048
"""Browsers keep no cookie of more than 4096 bytes (RFC 6265 6.1)."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A login under way; the provider brings ``state`` back, and nothing else of it is told."""

    state: str
    verifier: str
    nonce: str
    wanted: str


class Seal:
    """Seals journeys by a key of this process: a restart forgets those under way."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._key = OctKey.generate_key(256)
        self._clock = clock
        self._head = jwe.encrypt_compact(_HEADER, b"", self._key).partition(".")[0]

    def close(self, journey: Journey) -> str:
        """Return a journey as a cookie holds it, unreadable and unchangeable."""
        kept = asdict(journey)
        if len(journey.wanted) > _LONGEST_WANTED:
            kept["wanted"] = ""
        text = json.dumps({"until": self._clock() + LONGEST_S, "journey": kept})
        return jwe.encrypt_compact(_HEADER, text, self._key)

    def open(self, sealed: str) -> Journey | None:
        """Return a journey that this process has sealed and that has not run out, or None."""
        if sealed.partition(".")[0] != self._head:  # joserfc would act on a header of anybody's
            return None
        try:
            text = jwe.decrypt_compact(sealed, self._key, list(_HEADER.values())).plaintext
        except (JoseError, ValueError):
            return None
        told = json.loads(text or b"{}")
        return Journey(**told["journey"]) if self._clock() < told["until"] else None
