"""The most telling faults at the most telling points, on a real node (all: `bench.faults`)."""

import pytest

from tests.faults.conftest import Try

pytestmark = [pytest.mark.node, pytest.mark.timeout(1200)]


def check(hurt: Try, fault: str, number: int) -> None:
    """Hurt the node; every promise must hold, and the film is read in the end."""
    outcome = hurt(fault, number)
    assert outcome.broken == ()
    assert outcome.state == "REPORTED", outcome.reason


@pytest.mark.parametrize("number", [5, 12, 14, 17])
def test_worker_killed(hurt: Try, number: int) -> None:
    check(hurt, "kill -9 worker", number)


@pytest.mark.parametrize("number", [3, 4, 19])
def test_intake_killed(hurt: Try, number: int) -> None:
    check(hurt, "kill -9 intake", number)


@pytest.mark.parametrize("number", [1, 14])
def test_orthanc_killed(hurt: Try, number: int) -> None:
    check(hurt, "kill -9 orthanc", number)


@pytest.mark.parametrize("number", [4, 21])
def test_redis_killed(hurt: Try, number: int) -> None:
    check(hurt, "kill -9 redis", number)


def test_api_killed(hurt: Try) -> None:
    check(hurt, "kill -9 api", 9)


def test_ledger_locked_for_longer_than_a_writer_waits(hurt: Try) -> None:
    check(hurt, "ledger locked", 17)


def test_orthanc_storage_gone_for_less_than_the_retries_last(hurt: Try) -> None:
    check(hurt, "Orthanc answers 500", 13)


def test_disk_full(hurt: Try) -> None:
    check(hurt, "disk full", 11)


def test_lease_of_a_dead_worker_that_the_clock_put_an_hour_away(hurt: Try) -> None:
    check(hurt, "kill -9 worker and clock -1 h", 7)
