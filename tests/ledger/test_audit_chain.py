"""The trail of the audit: chained in one order, and what was done to it afterwards is found."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from dicom_node.domain import (
    Assessment,
    AuditEntry,
    AuditFault,
    Failure,
    Refusal,
    RefusalCode,
    Stage,
    Trigger,
)
from dicom_node.ledger import AuditFilter, Ledger, chain, open_ledger
from dicom_node.ledger.database import connect
from dicom_node.ledger.migration import upgrade
from tests.ledgers import MODEL, STUDY, Clock, at_once, report, start, wish


def fill(ledger: Ledger, count: int = 5) -> None:
    for number in range(count):
        ledger.audit.append("dr.who", "study.open", study_instance_uid=STUDY, detail=f"{number}")


def tamper(ledger: Ledger, *statements: str) -> None:
    """Do what the database refuses, as somebody does who may lift its triggers."""
    lift = {
        "sqlite": ("DROP TRIGGER audit_write_once_update", "DROP TRIGGER audit_write_once_delete"),
        "postgresql": ("DROP TRIGGER audit_write_once ON audit",),
    }
    with ledger.database.exclusive() as connection:
        for statement in (*lift[connection.dialect.name], *statements):
            connection.execute(text(statement))


def fault(ledger: Ledger, known: tuple[int, str] | None = None) -> AuditFault | None:
    return ledger.audit.verify(known).fault


def test_a_trail_that_nobody_touched_is_sound(ledger: Ledger) -> None:
    assert ledger.audit.verify().entries == 0
    report(ledger)
    fill(ledger)
    verdict = ledger.audit.verify()
    assert verdict.fault is None
    assert (verdict.last_id, verdict.last_hash) == ledger.audit.head()
    assert verdict.entries == verdict.last_id == 7


@pytest.mark.parametrize(
    "column", ["actor", "actor_name", "action", "detail", "study_instance_uid", "run_id"]
)
def test_a_changed_row_is_named(ledger: Ledger, column: str) -> None:
    fill(ledger)
    tamper(ledger, f"UPDATE audit SET {column} = 'x' WHERE audit_id = 3")
    found = fault(ledger)
    assert found == AuditFault(3, "its content was changed")


def test_a_changed_time_is_named(ledger: Ledger, clock: Clock) -> None:
    fill(ledger, 1)
    clock.forward(0.000001)
    fill(ledger, 1)
    tamper(
        ledger, "UPDATE audit SET at = (SELECT at FROM audit WHERE audit_id = 1) WHERE audit_id = 2"
    )
    assert fault(ledger) == AuditFault(2, "its content was changed")


def test_a_row_taken_out_of_the_middle_is_found_at_the_next(ledger: Ledger) -> None:
    fill(ledger)
    tamper(ledger, "DELETE FROM audit WHERE audit_id = 2")
    found = fault(ledger)
    assert found is not None
    assert (found.audit_id, "taken out" in found.reason) == (3, True)


def test_the_first_row_taken_out_is_found(ledger: Ledger) -> None:
    fill(ledger)
    tamper(ledger, "DELETE FROM audit WHERE audit_id = 1")
    assert getattr(fault(ledger), "audit_id", None) == 2


def test_rows_cut_off_at_the_end_are_found(ledger: Ledger) -> None:
    fill(ledger)
    tamper(ledger, "DELETE FROM audit WHERE audit_id > 3")
    found = fault(ledger)
    assert found is not None
    assert (found.audit_id, "noted as entry 5" in found.reason) == (4, True)


def test_a_head_row_that_is_lost_is_found(ledger: Ledger) -> None:
    fill(ledger, 1)
    tamper(ledger, "DELETE FROM audit_head")
    assert fault(ledger) is not None


def test_a_trail_written_anew_is_sound_but_for_whoever_noted_its_head(ledger: Ledger) -> None:
    fill(ledger)
    noted = ledger.audit.head()
    entries = sorted(ledger.audit.entries(), key=lambda e: e.audit_id)
    last_id, last_hash = 0, chain.GENESIS
    statements = []
    for entry in entries:
        detail = "nothing" if entry.audit_id == 4 else entry.detail
        forged = chain.link(
            AuditEntry(
                entry.at, entry.actor, entry.action, entry.study_instance_uid, entry.run_id, detail
            ),
            last_id,
            last_hash,
        )
        last_id, last_hash = forged.audit_id, forged.hash
        statements.append(
            f"UPDATE audit SET detail = '{detail}', hash = '{forged.hash}', "
            f"previous_hash = '{forged.previous_hash}' WHERE audit_id = {forged.audit_id}"
        )
    head = f"UPDATE audit_head SET hash = '{last_hash}'"
    tamper(ledger, *statements, head)
    assert fault(ledger) is None
    found = fault(ledger, noted)
    assert found is not None
    assert "noted elsewhere" in found.reason
    assert fault(ledger, (1, entries[0].hash)) is None


def test_many_writers_make_one_chain(ledger: Ledger) -> None:
    def write(number: int) -> int:
        for _ in range(10):
            ledger.audit.append(f"writer {number}", "study.open")
        return number

    at_once(write)
    verdict = ledger.audit.verify()
    assert (verdict.entries, verdict.fault) == (80, None)


def test_rows_from_before_the_chain_are_chained(url: str) -> None:
    database = connect(url)
    upgrade(database, "0002")
    with database.exclusive() as connection:
        for number in (1, 2, 5):  # numbers that a database leaves out
            connection.exec_driver_sql(
                "INSERT INTO audit (audit_id, at, actor, action, detail) VALUES "
                f"({number}, '2026-03-01 08:00:00.12345', 'dr.who', 'report.assess', 'été')"
            )
    database.close()
    ledger = open_ledger(url)
    assert ledger.audit.verify().entries == 3
    assert fault(ledger) is None
    ledger.audit.append("dr.who", "study.open")
    assert [e.audit_id for e in ledger.audit.entries()] == [6, 5, 2, 1]
    assert fault(ledger) is None
    ledger.close()


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=2, max_size=2, unique=True))
def test_entries_that_differ_have_other_hashes(pair: list[tuple[str, str, str]]) -> None:
    at = Clock()()
    one, other = (
        chain.link(AuditEntry(at, *words[:2], None, None, words[2]), 0, "") for words in pair
    )
    assert one.hash != other.hash


def test_each_end_of_a_run_is_audited_with_model_and_policy(ledger: Ledger) -> None:
    report(ledger)
    entry = ledger.audit.entries(STUDY)[0]
    assert (entry.actor, entry.action) == ("worker-1", "run.reported")
    for known in (MODEL.name, MODEL.version, MODEL.weights_sha256, "policy-1", "run 1"):
        assert known in entry.detail


@pytest.mark.parametrize(
    ("end", "action", "word"),
    [
        (
            lambda led, c: led.runs.refused(c, Refusal(RefusalCode.SCOUT, "SECRET")),
            "refused",
            "code",
        ),
        (
            lambda led, c: led.runs.failed(c, Failure(Stage.FETCH, "SECRET"), None),
            "failed",
            "fetch",
        ),
    ],
)
def test_an_end_without_a_report_says_why_and_no_free_text(
    ledger: Ledger, end: Callable[..., None], action: str, word: str
) -> None:
    claim = start(ledger)
    end(ledger, claim)
    entry = ledger.audit.entries(STUDY)[0]
    assert entry.action == f"run.{action}"
    assert word in entry.detail
    assert "SECRET" not in entry.detail
    ledger.studies.refuse(STUDY, Refusal(RefusalCode.NOT_FRONTAL, "SECRET"))
    assert ledger.audit.entries(STUDY)[0].action == "run.refused"


def test_a_retry_and_a_verdict_are_audited(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, Failure(Stage.FETCH, "away"), None)
    ledger.runs.request(wish(trigger=Trigger.RETRY))
    ledger.assessments.add(STUDY, Assessment("amend", None, "SECRET", "dr.who", "2.25.1", clock()))
    actions = [entry.action for entry in ledger.audit.entries(STUDY)]
    assert actions == ["report.assess", "run.retry", "run.failed", "run.request"]


def test_looking_again_and_again_is_one_entry(ledger: Ledger, clock: Clock) -> None:
    quarter = timedelta(minutes=15)
    looks = [ledger.audit.append_at_most("dr.who", "study.open", STUDY, quarter) for _ in range(3)]
    assert looks == [True, False, False]
    assert ledger.audit.append_at_most("dr.no", "study.open", STUDY, quarter)
    clock.forward(901)
    assert ledger.audit.append_at_most("dr.who", "study.open", STUDY, quarter)
    assert len(ledger.audit.entries(STUDY)) == 3


def test_looks_are_noted_after_the_clock_was_set_back(ledger: Ledger, clock: Clock) -> None:
    quarter = timedelta(minutes=15)
    assert ledger.audit.append_at_most("dr.who", "study.open", STUDY, quarter)
    clock.forward(-86400)
    assert ledger.audit.append_at_most("dr.who", "study.open", STUDY, quarter)
    assert not ledger.audit.append_at_most("dr.who", "study.open", STUDY, quarter)


def test_looks_at_the_same_moment_are_one_entry(ledger: Ledger) -> None:
    hour = timedelta(hours=1)
    added = at_once(lambda _: ledger.audit.append_at_most("dr.who", "study.fetch", STUDY, hour))
    assert sum(added) == len(ledger.audit.entries(STUDY)) == 1


def test_what_is_in_use_is_written_down_when_it_changes(ledger: Ledger) -> None:
    told = [ledger.audit.append_if_changed("node", "policy.use", d) for d in ("1", "1", "2", "1")]
    assert told == [True, False, True, True]


def test_find_takes_all_conditions_together(ledger: Ledger, clock: Clock) -> None:
    fill(ledger, 2)
    clock.forward(60)
    ledger.audit.append("dr.no", "study.open", study_instance_uid=STUDY)
    ledger.audit.append("dr.who", "login")
    find = ledger.audit.find
    assert len(find(AuditFilter(STUDY))) == 3
    assert len(find(AuditFilter(STUDY, "dr.who", "study.open"))) == 2
    assert len(find(AuditFilter(since=clock()))) == 2
    assert len(find(AuditFilter(), 1)) == 1
    assert [e.audit_id for e in ledger.audit.after(1, 2)] == [2, 3]
