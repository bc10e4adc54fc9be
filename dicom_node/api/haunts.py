"""Where each user logs in from: told by the audit trail, so that no restart forgets it."""

from datetime import timedelta
from threading import Lock
from typing import Final

from cachetools import TTLCache

from dicom_node.access.limits import place_of
from dicom_node.ledger import AuditFilter, Ledger

_AS_LONG_AS: Final = timedelta(days=90)
_NEWEST: Final = 1000
"""So many logins of a user are looked through; a program that uses Basic makes 288 a day."""

_KEPT: Final = 4096
_KEPT_S: Final = 3600.0


class Haunts:
    """The places that users have logged in from; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self._known: TTLCache[str, frozenset[str]] = TTLCache(_KEPT, _KEPT_S)

    def has(self, name: str, address: str) -> bool:
        """Tell whether a user has logged in from this address of late."""
        with self._lock:
            known = self._known.get(name)
        if known is None:
            known = self._read(name)
            with self._lock:
                known |= self._known.get(name, frozenset())
                self._known[name] = known
        return place_of(address) in known

    def add(self, name: str, address: str) -> None:
        """Note that a user has logged in from this address."""
        with self._lock:
            if name in self._known:
                self._known[name] |= {place_of(address)}

    def _read(self, name: str) -> frozenset[str]:
        since = self._ledger.database.now() - _AS_LONG_AS
        wanted = AuditFilter(actor=name, action="login", since=since)
        found = self._ledger.audit.find(wanted, _NEWEST)
        own = (entry for entry in found if entry.actor == name)  # the site's provider has namesakes
        return frozenset(place_of(entry.detail.rpartition(" from ")[2]) for entry in own)
