"""The shadow: a second model that reads what has been reported, for comparison only.

The pipeline hands a study over when its report has been confirmed, and goes on. What happens here
ends in a row of its own in the ledger: no run, no lease and no report is touched, whatever fails.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from dicom_node import log
from dicom_node.domain import (
    Claim,
    Sample,
    ShadowReading,
    ShadowState,
    statement,
)
from dicom_node.errors import ModelError, NodeError
from dicom_node.foreign import where
from dicom_node.policy import Policy
from dicom_node.ports import ShadowBook, ShadowReader
from worker.reading import spoken

BACKLOG_BYTES: Final = 1 << 29
"""Pixels that may wait; a study beyond that is not read, and its row says so."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    claim: Claim
    samples: tuple[Sample, ...]
    size: int


class Shadow:
    """The queue of reported studies, worked off by one thread."""

    def __init__(
        self,
        book: ShadowBook,
        reader: ShadowReader,
        policy: Policy,
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self._book = book
        self._reader = reader
        self._policy = policy
        self._backlog_bytes = backlog_bytes
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0

    def follow(self, claim: Claim, samples: Sequence[Sample]) -> None:
        """Take a reported study over; returns at once and raises nothing."""
        if claim.kind not in self._policy.shadow:
            return
        size = sum(sample.pixels.nbytes for sample in samples)
        with self._lock:
            if self._waiting_bytes and self._waiting_bytes + size > self._backlog_bytes:
                self._jobs.put(_Job(claim, (), 0))
                return
            self._waiting_bytes += size
        self._jobs.put(_Job(claim, tuple(samples), size))

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return self._jobs.empty()

    def run(self) -> None:
        """Work the queue off for ever."""
        while True:
            self.work()

    def work(self) -> None:
        """Take the next study to its row, waiting until there is one; raises nothing."""
        job = self._jobs.get()
        try:
            self._keep(job)
        except Exception as exc:  # noqa: BLE001  # an outer boundary: the thread must live on
            # The ledger is away, most likely: this comparison is lost, and nothing else.
            reason = str(exc) if isinstance(exc, NodeError) else where(exc)
            _log("shadow.not_kept", job.claim, error=reason)
        finally:
            with self._lock:
                self._waiting_bytes -= job.size

    def _keep(self, job: _Job) -> None:
        claim = job.claim
        identity = self._reader.identity(claim.kind)
        self._book.start(claim.run_id, identity)
        reading = self._read(job)
        self._book.end(claim.run_id, reading)
        if reading.state is ShadowState.FAILED:
            _log("shadow.failed", claim, model=identity.name, error=reading.error)
            return
        elapsed_ms = round(reading.elapsed_ms or 0.0)
        _log("shadow.read", claim, model=reading.model.name, elapsed_ms=elapsed_ms)

    def _read(self, job: _Job) -> ShadowReading:
        if not job.samples:
            return self._failed(job, "not read: too many studies were waiting for the shadow")
        try:
            answer = self._reader.read(job.claim.kind, job.samples)
            reading = spoken(job.samples, answer.predictions, self._policy)
        except ModelError as exc:
            return self._failed(job, str(exc))
        except Exception as exc:  # noqa: BLE001  # an outer boundary: a row tells what it was
            return self._failed(job, where(exc))
        return ShadowReading(
            model=reading.prediction.model,
            state=ShadowState.READ,
            statements=tuple(statement(finding) for finding in reading.findings),
            priority=reading.priority,
            elapsed_ms=answer.elapsed_ms,
        )

    def _failed(self, job: _Job, error: str) -> ShadowReading:
        """Return a failure, with the weights as they are known by now."""
        return ShadowReading(self._reader.identity(job.claim.kind), ShadowState.FAILED, error=error)


def _log(event: str, claim: Claim, **fields: str | int) -> None:
    log.get().info(event, study_uid=claim.study_instance_uid, run_id=claim.run_id, **fields)
