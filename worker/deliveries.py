"""Send planned results to their destinations, each with its own state and retries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dicom_node import checkpoints, log
from dicom_node.domain import DueDelivery
from dicom_node.errors import ArchiveAway, ArchiveError, DeliveryFailed, StoreRejected
from dicom_node.foreign import where
from dicom_node.policy import Retry
from dicom_node.ports import DeliveryBook, Destination, StoredResults
from worker.outbox import Outbox

_ATTEMPTS = 20
"""With the longest delay of the policy a destination may be away for twenty minutes at least."""

_AWAY: Final = timedelta(seconds=10)
"""Where the archive is away, nothing can be sent, and no attempt at a destination was made."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends what the ledger has planned."""

    book: DeliveryBook
    destinations: Mapping[str, Destination]
    results: StoredResults
    retry: Retry
    outbox: Outbox

    def round(self) -> None:
        """Send what is due; a place that fails is left alone until the next round."""
        self.outbox.clear()
        self.book.plan_late()
        failing: set[str] = set()
        for due in self.book.due(datetime.now(UTC)):
            if due.destination in failing:  # a silent one costs half a minute each time
                continue
            try:
                self._send(due)
            except ArchiveAway as exc:
                self.book.put_off(due.delivery_id, datetime.now(UTC) + _AWAY)
                log.get().warning("delivery.postponed", run_id=due.run_id, error=str(exc))
            except DeliveryFailed as exc:
                failing.add(due.destination)
                self._postpone(due, exc)
            except ArchiveError as exc:
                self._postpone(due, exc)
            except Exception as exc:  # noqa: BLE001  # an outer boundary: the others have their turn
                self._postpone(due, DeliveryFailed(f"the node met {where(exc)}"))
            else:
                self.book.delivered(due.delivery_id)
                log.get().info("delivery.done", run_id=due.run_id, destination=due.destination)

    def _send(self, due: DueDelivery) -> None:
        destination = self.destinations.get(due.destination)
        if destination is None:
            raise StoreRejected("this destination is no longer configured")
        posted = self.book.posted(due.sop_instance_uid)
        content = self.results.result(due.sop_instance_uid) if posted is None else posted
        with (
            self.outbox.holding(due.sop_instance_uid, content) as file,
            checkpoints.around(checkpoints.Step.DELIVER),
        ):
            destination.send(file)

    def _postpone(self, due: DueDelivery, error: ArchiveError) -> None:
        """Plan the next attempt, if there is to be one."""
        attempt = due.attempts + 1
        again = error.retryable and attempt < _ATTEMPTS
        pause = timedelta(seconds=self.retry.pause_s(attempt))
        log.get().warning(
            "delivery.postponed" if again else "delivery.failed",
            run_id=due.run_id,
            destination=due.destination,
            attempt=attempt,
            error=str(error),
        )
        retry_at = datetime.now(UTC) + pause if again else None
        self.book.postponed(due.delivery_id, str(error), retry_at)
