"""How often somebody may try: moving windows, kept in the memory of the API process."""

import ipaddress
import math
import time
from collections import Counter
from hashlib import sha256
from threading import Lock
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

_USER: Final = parse("10 per 5 minutes")
_ADDRESS: Final = parse("50 per 5 minutes")
_HOST_BITS: Final = 64
_CHANGES: Final = parse("600 per minute")


_Budgets = tuple[tuple[RateLimitItem, tuple[str, ...]], ...]


def place_of(address: str) -> str:
    """Return what stands for one sender: an IPv4 address, or the /64 that IPv6 hands to a host.

    Whoever has a /64 has 2^64 addresses to guess from.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - the version of IP
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _HOST_BITS), strict=False))


def _budgets(name: str, address: str, usual: bool) -> _Budgets:
    place = place_of(address)
    by_address = (_ADDRESS, ("address", place))
    if not name:
        return (by_address,)
    key = ("user", _user(name))
    return ((_USER, (*key, place) if usual else key), by_address)


def _user(name: str) -> str:
    """Return whose account a name means, as the ledger reads it; no name takes much memory."""
    return sha256(name.lower().encode("utf-8", "surrogatepass")).hexdigest()


class Limits:
    """Counts failed logins by user and by address, and requests that cost the node work.

    Wrong guesses at a user from addresses where he was never seen share one budget, however many
    addresses there are; each address that he has logged in from (``usual``) has its own. So nobody
    shuts him out of the place where he works, unless from there.
    Every method returns the seconds after which to try again; 0 where there is room now.
    """

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[tuple[str, ...]] = Counter()
        self._lock = Lock()

    def login(self, name: str, address: str, *, usual: bool = False) -> int:
        """Tell whether a login may be tried; without a name, whether from this address."""
        with self._lock:
            return self._login_wait(_budgets(name, address, usual))

    def begin_login(self, name: str, address: str, *, usual: bool = False) -> int:
        """Count a login that is tried, if it may be; where it may, `end_login` must follow.

        So many that are tried at once are as many as if they came one after another.
        """
        budgets = _budgets(name, address, usual)
        with self._lock:
            wait_s = self._login_wait(budgets)
            if not wait_s:
                self._under_way.update(key for _, key in budgets)
            return wait_s

    def end_login(self, name: str, address: str, *, failed: bool, usual: bool = False) -> None:
        """Count a login that was tried no longer, unless it failed; ``usual`` as it began."""
        with self._lock:
            for item, key in _budgets(name, address, usual):
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]
                if failed:
                    self._windows.hit(item, *key)

    def login_failed(self, name: str, address: str, *, usual: bool = False) -> None:
        """Count a login that failed elsewhere, at the site's provider."""
        for item, key in _budgets(name, address, usual):
            self._windows.hit(item, *key)

    def change(self, name: str, address: str) -> int:
        """Count a request that makes the node work; tell whether it may go on."""
        key = ("change", name, place_of(address))
        return 0 if self._windows.hit(_CHANGES, *key) else self._wait(_CHANGES, key)

    def _login_wait(self, budgets: _Budgets) -> int:
        tried = ((item, key, self._under_way[key]) for item, key in budgets)
        return max(self._wait(item, key, others) for item, key, others in tried)

    def _wait(self, item: RateLimitItem, key: tuple[str, ...], others: int = 0) -> int:
        if self._windows.test(item, *key, cost=others + 1):
            return 0
        until = self._windows.get_window_stats(item, *key).reset_time
        return max(1, math.ceil(until - time.time()))
