"""Send planned results to their destinations, each with its own state and retries."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node import checkpoints, log
from dicom_node.domain import DueDelivery
from dicom_node.errors import ArchiveError, DeliveryFailed, StoreRejected
from dicom_node.foreign import where
from dicom_node.policy import Retry
from dicom_node.ports import DeliveryBook, Destination, StoredResults
from worker import outbox

_ATTEMPTS = 20
"""With the longest delay of the policy a destination may be away for twenty minutes at least."""


def deliver_due(
    book: DeliveryBook,
    destinations: Mapping[str, Destination],
    results: StoredResults,
    retry: Retry,
) -> None:
    """Send what is due; a place that fails is left alone until the next round.

    What is no longer kept for a place, because its delivery had been given up, comes from the
    archive.
    """
    failing: set[str] = set()
    for due in book.due(datetime.now(UTC)):
        if due.is_withdrawn:
            if not book.put_away(due.delivery_id):
                Path(due.file).unlink(missing_ok=True)
            continue
        if due.destination in failing:  # a silent one costs half a minute each time
            continue
        try:
            _send(due, destinations, results)
        except DeliveryFailed as exc:
            failing.add(due.destination)
            wanted = _postpone(book, due, exc, retry)
        except ArchiveError as exc:
            wanted = _postpone(book, due, exc, retry)
        except Exception as exc:  # noqa: BLE001  # an outer boundary: the others have their turn
            wanted = _postpone(book, due, DeliveryFailed(f"the node met {where(exc)}"), retry)
        else:
            wanted = book.delivered(due.delivery_id)
            log.get().info("delivery.done", run_id=due.run_id, destination=due.destination)
        if not wanted:
            Path(due.file).unlink(missing_ok=True)


def _send(
    due: DueDelivery, destinations: Mapping[str, Destination], results: StoredResults
) -> None:
    destination = destinations.get(due.destination)
    if destination is None:
        raise StoreRejected("this destination is no longer configured")
    file = Path(due.file)
    if not file.exists():
        outbox.keep(file, results.result(due.sop_instance_uid))
    with checkpoints.around(checkpoints.Step.DELIVER):
        destination.send(file)


def _postpone(book: DeliveryBook, due: DueDelivery, error: ArchiveError, retry: Retry) -> bool:
    """Plan the next attempt, if there is to be one; tell whether the file is still wanted."""
    attempt = due.attempts + 1
    again = error.retryable and attempt < _ATTEMPTS
    retry_at = datetime.now(UTC) + timedelta(seconds=retry.pause_s(attempt)) if again else None
    log.get().warning(
        "delivery.postponed" if again else "delivery.failed",
        run_id=due.run_id,
        destination=due.destination,
        attempt=attempt,
        error=str(error),
    )
    return book.postponed(due.delivery_id, str(error), retry_at)
