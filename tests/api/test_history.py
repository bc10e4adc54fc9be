"""The history that the page draws."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dicom_node.api.history import midnights
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import STUDY, Clock, finish, start

HOUR_S = 3600


def test_days_are_told_oldest_first_with_today(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    claim = start(ledger)
    clock.forward(4)
    finish(ledger, claim)
    client.post(f"/ai/studies/{STUDY}/assessments", json={"verdict": "accept"})
    answer = client.get("/ai/history?days=3")
    *before, today = answer.json()["days"]
    assert today == {
        "start": "2026-03-01T00:00:00Z",
        "arrivals": 1,
        "reported": 1,
        "refused": 0,
        "failed": 0,
        "turnaround_median_s": 4.0,
        "turnaround_p95_s": 4.0,
        "verdicts": {"accept": 1},
    }
    assert [(day["start"][:10], day["arrivals"]) for day in before] == [
        ("2026-02-27", 0),
        ("2026-02-28", 0),
    ]
    assert answer.headers["cache-control"] == "no-store"


def test_days_begin_at_the_readers_midnight(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    clock.forward(-7 * HOUR_S)  # 01:00 in London, 20:00 of the day before in New York
    start(ledger)
    *_, today = client.get("/ai/history?days=1&offset_min=-300").json()["days"]
    assert (today["start"], today["arrivals"]) == ("2026-02-28T05:00:00Z", 1)


@pytest.mark.parametrize("query", ["days=0", "days=93", "offset_min=900", "days=many"])
def test_days_that_make_no_sense_are_a_problem(client: AsgiClient, query: str) -> None:
    answer = client.get(f"/ai/history?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_bounds_are_the_midnights_around_the_days() -> None:
    zone = timezone(timedelta(hours=9))
    now = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)  # half past midnight there
    assert midnights(now, 2, zone) == (
        datetime(2026, 2, 28, 15, tzinfo=UTC),
        datetime(2026, 3, 1, 15, tzinfo=UTC),
        datetime(2026, 3, 2, 15, tzinfo=UTC),
    )
