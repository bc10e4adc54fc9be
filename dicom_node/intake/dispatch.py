"""Hands ids to the broker, which no module of the node but this one and `broker` knows.

Messages hold ids alone. A lost message loses nothing: reconcile finds the study in the
archive's change log, and the run in the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from celery import Celery
from kombu.exceptions import OperationalError

from dicom_node.domain import Trigger, Urgency
from dicom_node.errors import QueueUnavailable
from dicom_node.intake import broker
from dicom_node.intake.broker import RUN_QUEUE, RUN_TASK, Level

_STEP: Final = {Urgency.STAT: 0, Urgency.HIGH: 3, Urgency.ROUTINE: 5, Urgency.LOW: 9}


class Dispatcher:
    """Hands studies to intake, and runs to the workers; never waits for either."""

    def __init__(self, client: Celery) -> None:
        self._client = client
        transport = client.connection_for_write()
        theirs = (*transport.connection_errors, *transport.channel_errors)
        self._errors = (OperationalError, OSError, *theirs)

    @classmethod
    def connect(cls, broker_url: str) -> Self:
        """Prepare a client; the first message opens the connection."""
        return cls(broker.connect(broker_url))

    def submit(self, level: Level, identifier: str, trigger: Trigger) -> None:
        """Ask intake to look at a study: where every trigger ends.

        Asking twice is harmless. Raises QueueUnavailable.
        """
        with self._translated("reconcile will dispatch"):
            broker.consider(self._client, level, identifier, trigger.value)

    def enqueue(self, run_id: str, urgency: Urgency) -> None:
        """Hand a run's id to the workers, more urgent ones first; raises QueueUnavailable."""
        with self._translated("reconcile will dispatch"):
            self._client.send_task(
                RUN_TASK, args=[run_id], queue=RUN_QUEUE, priority=_STEP[urgency]
            )

    def ping(self) -> None:
        """Raise QueueUnavailable where the broker does not answer."""
        with self._translated("is Redis up?"), self._client.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=1)

    def depth(self, queue: str) -> int:
        """Return how many messages wait in a queue; raises QueueUnavailable."""
        with self._translated("is Redis up?"), self._client.connection_for_read() as connection:
            return int(connection.default_channel.queue_declare(queue).message_count)

    def held(self) -> int:
        """Return how many runs' messages no worker has taken yet; raises QueueUnavailable."""
        return self.depth(RUN_QUEUE)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _translated(self, advice: str) -> Iterator[None]:
        """Turn the broker's errors to ours, those too that come after it has answered once."""
        try:
            yield
        except self._errors as exc:
            raise QueueUnavailable(f"the broker does not answer; {advice}") from exc
