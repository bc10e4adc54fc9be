"""How often somebody may try: moving windows, kept in the memory of the API process."""

import math
import time
from collections import Counter
from threading import Lock
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

_USER: Final = parse("10 per 5 minutes")
_ADDRESS: Final = parse("50 per 5 minutes")
_CHANGES: Final = parse("600 per minute")


class Limits:
    """Counts failed logins by user and by address, and requests that cost the node work.

    Every method returns the seconds after which to try again; 0 where there is room now.
    """

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[tuple[str, ...]] = Counter()
        self._lock = Lock()

    def login(self, name: str, address: str) -> int:
        """Tell whether a login may be tried; without a name, whether from this address."""
        with self._lock:
            return self._login_wait(name, address)

    def begin_login(self, name: str, address: str) -> int:
        """Count a login that is tried, if it may be; where it may, `end_login` must follow.

        So many that are tried at once are as many as if they came one after another.
        """
        with self._lock:
            wait_s = self._login_wait(name, address)
            if not wait_s:
                self._under_way.update(key for _, key in self._login(name, address))
            return wait_s

    def end_login(self, name: str, address: str, *, failed: bool) -> None:
        """Count a login that was tried no longer, unless it failed."""
        with self._lock:
            for item, key in self._login(name, address):
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]
                if failed:
                    self._windows.hit(item, *key)

    def login_failed(self, name: str, address: str) -> None:
        """Count a login that failed elsewhere, at the site's provider."""
        for item, key in self._login(name, address):
            self._windows.hit(item, *key)

    def change(self, name: str, address: str) -> int:
        """Count a request that makes the node work; tell whether it may go on."""
        key = ("change", name, address)
        return 0 if self._windows.hit(_CHANGES, *key) else self._wait(_CHANGES, key)

    @staticmethod
    def _login(name: str, address: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
        by_address = (_ADDRESS, ("address", address))
        return ((_USER, ("user", name.casefold())), by_address) if name else (by_address,)

    def _login_wait(self, name: str, address: str) -> int:
        tried = ((item, key, self._under_way[key]) for item, key in self._login(name, address))
        return max(self._wait(item, key, others) for item, key, others in tried)

    def _wait(self, item: RateLimitItem, key: tuple[str, ...], others: int = 0) -> int:
        if self._windows.test(item, *key, cost=others + 1):
            return 0
        until = self._windows.get_window_stats(item, *key).reset_time
        return max(1, math.ceil(until - time.time()))
