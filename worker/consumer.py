"""Celery's consumer with less patience between its attempts to reach the broker.

Celery waits two seconds longer after each attempt, up to half a minute: a worker host whose network
is back would stand idle for as long.
"""

from collections.abc import Callable
from typing import Final, Protocol, cast

from celery.worker.consumer import Consumer

LONGEST_PAUSE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.5


class Connection(Protocol):
    """What is used of kombu's connection, whose types are not all there."""

    ensure_connection: Callable[..., "Connection"]


class EagerConsumer(Consumer):  # type: ignore[misc]  # Celery carries no types
    """Asks again every two seconds at the latest."""

    def ensure_connected(self, conn: Connection) -> Connection:
        """Return the connection once it is open."""
        ensure = conn.ensure_connection

        def eager(
            errback: Callable[..., None], max_retries: int | None, **options: object
        ) -> Connection:
            return ensure(
                errback,
                max_retries,
                interval_start=_FIRST_PAUSE_S,
                interval_step=_FIRST_PAUSE_S,
                interval_max=LONGEST_PAUSE_S,
                **options,
            )

        conn.ensure_connection = eager
        try:
            return cast("Connection", super().ensure_connected(conn))
        finally:
            conn.ensure_connection = ensure
