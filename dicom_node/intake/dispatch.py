"""The only module of the node that knows the broker: ids into Celery's queues.

Messages hold ids alone. A lost message loses nothing: reconcile finds the study in the
archive's change log, and the run in the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, Self

from celery import Celery
from kombu.exceptions import OperationalError

from dicom_node import checkpoints
from dicom_node.domain import Trigger, Urgency
from dicom_node.errors import QueueUnavailable

INTAKE_QUEUE: Final = "intake"
RUN_QUEUE: Final = "triage"
CONSIDER_TASK: Final = "dicom_node.consider"
RUN_TASK: Final = "dicom_node.run"

TRANSPORT_OPTIONS: Final = {
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "queue_order_strategy": "priority",
    "priority_steps": [0, 3, 5, 9],
}
"""Redis transport: a list for each step, and a worker takes from the first that holds something."""

_STEP: Final = {Urgency.STAT: 0, Urgency.HIGH: 3, Urgency.ROUTINE: 5, Urgency.LOW: 9}


class Level(StrEnum):
    """What an id names."""

    STUDY_UID = "study_uid"
    ORTHANC_STUDY = "orthanc_study"
    ORTHANC_SERIES = "orthanc_series"


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
        client = Celery("dicom-node", broker=broker_url, set_as_current=False)
        client.conf.update(
            broker_transport_options=TRANSPORT_OPTIONS,
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_timeout=1,
        )
        return cls(client)

    def submit(self, level: Level, identifier: str, trigger: Trigger) -> None:
        """Ask intake to look at a study: where every trigger ends.

        Asking twice is harmless. Raises QueueUnavailable.
        """
        with checkpoints.around(checkpoints.Step.NOTIFY):
            self._send(CONSIDER_TASK, INTAKE_QUEUE, [level.value, identifier, trigger.value])

    def enqueue(self, run_id: str, urgency: Urgency) -> None:
        """Hand a run's id to the workers, more urgent ones first; raises QueueUnavailable."""
        self._send(RUN_TASK, RUN_QUEUE, [run_id], _STEP[urgency])

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

    def _send(self, task: str, queue: str, args: list[str], priority: int = 5) -> None:
        with self._translated("reconcile will dispatch"):
            self._client.send_task(task, args=args, queue=queue, priority=priority)

    @contextmanager
    def _translated(self, advice: str) -> Iterator[None]:
        """Turn the broker's errors to ours, those too that come after it has answered once."""
        try:
            yield
        except self._errors as exc:
            raise QueueUnavailable(f"the broker does not answer; {advice}") from exc
