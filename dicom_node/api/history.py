"""The route of the history: arrivals, turnaround, refusals and failures, agreement, by day."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from dicom_node.api.answers import HistoryAnswer
from dicom_node.api.services import Node

_HISTORY: TypeAdapter[HistoryAnswer] = TypeAdapter(HistoryAnswer)

router = APIRouter(tags=["worklist"])


@router.get("/ai/history", response_model=HistoryAnswer)
def history(
    node: Node,
    days: Annotated[int, Query(ge=1, le=92)] = 14,
    offset_min: Annotated[
        int, Query(ge=-840, le=840, description="minutes that the reader's clock is before UTC")
    ] = 0,
) -> Response:
    """Tell what happened on each of the last days, today included, oldest first."""
    now = node.clock()
    bounds = midnights(now, days, timezone(timedelta(minutes=offset_min)))
    answer = HistoryAnswer(days=node.ledger.queries.history(bounds), generated_at=now)
    return Response(
        _HISTORY.dump_json(answer),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def midnights(now: datetime, days: int, zone: timezone) -> tuple[datetime, ...]:
    """Return the bounds of the last days up to the next midnight, in UTC."""
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days - 1)
    return tuple((first + timedelta(days=n)).astimezone(UTC) for n in range(days + 1))
