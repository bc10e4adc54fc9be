"""Several threads and processes on one ledger."""

import subprocess
import sys

from dicom_node.domain import RunState
from dicom_node.errors import LeaseLost
from dicom_node.ledger import Ledger, open_ledger
from tests.ledgers import STUDY, THREADS, Clock, at_once, finish, start, study, wish


def test_many_claims_of_one_run_have_one_winner(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    run_id = ledger.runs.request(wish()).run_id
    for round_number in range(1, 6):
        claims = at_once(lambda n: ledger.runs.claim(run_id, f"worker-{n}", -1))
        fences = sorted(claim.fence for claim in claims if claim is not None)
        assert fences[0] == (round_number - 1) * THREADS + 1
        assert len(set(fences)) == len(fences)


def test_one_winner_where_the_lease_holds(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    run_id = ledger.runs.request(wish()).run_id
    claims = at_once(lambda n: ledger.runs.claim(run_id, f"worker-{n}", 60))
    assert len([claim for claim in claims if claim is not None]) == 1


def test_many_takeovers_of_a_lost_run_have_one_winner(ledger: Ledger, clock: Clock) -> None:
    lost = start(ledger)
    clock.forward(61)
    claims = at_once(lambda n: ledger.runs.claim(lost.run_id, f"worker-{n}", 60))
    assert [claim.fence for claim in claims if claim is not None] == [lost.fence + 1]


def test_many_requests_for_one_study_make_one_run(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    tickets = at_once(lambda _: ledger.runs.request(wish()))
    assert len({ticket.run_id for ticket in tickets}) == 1
    assert [ticket.created for ticket in tickets].count(True) == 1


def test_many_requests_with_other_images_make_one_run(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    at_once(lambda n: ledger.runs.request(wish(f"images-{n}")))
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert len(detail.runs) == 1


def test_many_records_of_one_study_make_one_row(ledger: Ledger) -> None:
    news = at_once(lambda _: ledger.studies.record(study(), "CR"))
    assert news.count(True) == 1
    assert len(ledger.queries.worklist()) == 1


def test_old_and_new_owner_end_a_run_once(ledger: Ledger, clock: Clock) -> None:
    stale = start(ledger)
    clock.forward(61)
    held = ledger.runs.claim(stale.run_id, "other", 60)
    assert held is not None

    def end(number: int) -> bool:
        try:
            finish(ledger, held if number == 0 else stale)
        except LeaseLost:
            return False
        return True

    assert at_once(end) == [True] + [False] * (THREADS - 1)
    assert ledger.queries.run(stale.run_id).state is RunState.REPORTED


def test_writers_on_many_studies_do_not_deadlock(ledger: Ledger) -> None:
    uids = [f"1.2.3.{n}" for n in range(5)]

    def work(number: int) -> int:
        for uid in uids[number % 5 :] + uids[: number % 5]:
            ledger.studies.record(study(uid), "CR")
            ticket = ledger.runs.request(wish(uid=uid))
            claim = ledger.runs.claim(ticket.run_id, f"worker-{number}", 60)
            if claim is not None:
                finish(ledger, claim)
        return number

    assert at_once(work) == list(range(THREADS))
    assert [item.state for item in ledger.queries.worklist()] == [RunState.REPORTED] * 5


_OPEN_AND_RECORD = """
import sys
from dicom_node.ledger import open_ledger
from tests.ledgers import study
ledger = open_ledger(sys.argv[1])
for number in range(10):
    ledger.studies.record(study(f"1.2.{sys.argv[2]}.{number}"), "CR")
ledger.close()
"""


def test_processes_that_start_at_once_on_an_empty_database_all_succeed(url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _OPEN_AND_RECORD, url, str(number)])
        for number in range(6)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 6
    ledger = open_ledger(url)
    assert len(ledger.queries.worklist()) == 60
    ledger.close()
