"""Send planned results to their destinations, each with its own state and retries."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node import checkpoints, log
from dicom_node.domain import DueDelivery
from dicom_node.errors import ArchiveError
from dicom_node.policy import Retry
from dicom_node.ports import DeliveryBook, Destination

_ATTEMPTS = 20
"""With the longest delay of the policy a destination may be away for about twenty minutes."""


def deliver_due(book: DeliveryBook, destinations: Mapping[str, Destination], retry: Retry) -> None:
    """Send what is due; a destination that fails does not hold up the others."""
    for due in book.due(datetime.now(UTC)):
        destination = destinations.get(due.destination)
        if destination is None:
            book.postponed(due.delivery_id, "this destination is no longer configured", None)
            continue
        try:
            with checkpoints.around(checkpoints.Step.DELIVER):
                destination.send(Path(due.file))
        except ArchiveError as exc:
            _postpone(book, due, exc, retry)
        else:
            if book.delivered(due.delivery_id):
                Path(due.file).unlink(missing_ok=True)
            log.get().info("delivery.done", run_id=due.run_id, destination=due.destination)


def _postpone(book: DeliveryBook, due: DueDelivery, error: ArchiveError, retry: Retry) -> None:
    attempt = due.attempts + 1
    again = error.retryable and attempt < _ATTEMPTS
    retry_at = datetime.now(UTC) + timedelta(seconds=retry.pause_s(attempt)) if again else None
    book.postponed(due.delivery_id, str(error), retry_at)
    log.get().warning(
        "delivery.postponed" if again else "delivery.failed",
        run_id=due.run_id,
        destination=due.destination,
        attempt=attempt,
        error=str(error),
    )
