"""Which studies have changed, told once."""

import pytest

from dicom_node.domain import Assessment, Failure, Priority, Stage
from dicom_node.ledger import Ledger
from tests.ledgers import Clock, fill, report, start, study


def assess(ledger: Ledger, uid: str, clock: Clock) -> None:
    ledger.assessments.add(uid, Assessment("accept", None, "", "ada", "2.25.11", clock()))


def test_census_names_what_came_or_changed_and_nothing_else(ledger: Ledger, clock: Clock) -> None:
    fill(ledger)
    before = ledger.changes.census()
    assert ledger.changes.census() == before
    assert before.revision == ledger.changes.revision()
    ledger.studies.record(study("1.2.9"), "CR")
    arrived = ledger.changes.census()
    assert before.changed(arrived) == {"1.2.9"}
    assess(ledger, "1.2.2", clock)
    assess(ledger, "1.2.2", clock)
    assert arrived.changed(ledger.changes.census()) == {"1.2.2"}
    report(ledger, "images-2", uid="1.2.3", priority=Priority.LOW)
    assert arrived.changed(ledger.changes.census()) == {"1.2.2", "1.2.3"}


def test_nothing_since_the_present_revision(ledger: Ledger) -> None:
    fill(ledger)
    assert ledger.changes.since(ledger.changes.revision()) == frozenset()


def test_since_a_revision_no_change_is_lost(ledger: Ledger, clock: Clock, url: str) -> None:
    fill(ledger)
    revisions = [ledger.changes.revision()]
    ledger.studies.record(study("1.2.9"), "CR")
    revisions.append(ledger.changes.revision())
    assess(ledger, "1.2.2", clock)
    revisions.append(ledger.changes.revision())
    ledger.runs.failed(start(ledger, "images-2", "1.2.1"), Failure(Stage.INFER, "raised"), None)
    changed = [{"1.2.9", "1.2.2", "1.2.1"}, {"1.2.2", "1.2.1"}, {"1.2.1"}]
    for revision, uids in zip(revisions, changed, strict=True):
        told = ledger.changes.since(revision)
        assert told is not None
        assert told >= uids
        assert told == uids or url.startswith("postgresql")


@pytest.mark.parametrize(
    "revision", ["", "x", "1", "9-9-9-9", "1-2", "900-900-900", "-1-0-0", "²-0-0"]
)
def test_revision_of_another_ledger_may_mean_any_change(ledger: Ledger, revision: str) -> None:
    fill(ledger)
    assert ledger.changes.since(revision) is None
