"""Studies that were deleted in the archive itself leave the list, and come back when sent again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.domain import StudyRef
from dicom_node.intake.departures import Departures
from dicom_node.ledger import Ledger, open_ledger
from tests.ledgers import Clock, study, viewer_url


def sent(number: int) -> StudyRef:
    """Return a study as the archive lists it."""
    return replace(study(f"1.{number}"), orthanc_id=f"orthanc-{number}")


class Holdings:
    """An archive that holds these studies, by the archive's id."""

    def __init__(self) -> None:
        self.held = {"orthanc-1": "1.1", "orthanc-2": "1.2"}
        self.asked = 0

    def study_count(self) -> int:
        return len(self.held)

    def study_ids(self) -> frozenset[str]:
        self.asked += 1
        return frozenset(self.held)

    def has_study(self, study_instance_uid: str) -> bool:
        return study_instance_uid in self.held.values()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger'}", viewer_url, clock=Clock())
    for number in (1, 2):
        opened.studies.record(sent(number), "CR")
    yield opened
    opened.close()


def listed(ledger: Ledger) -> set[str]:
    return {head.study_instance_uid for head in ledger.queries.heads()}


def test_deleted_study_leaves_and_comes_back_when_sent_again(ledger: Ledger) -> None:
    archive, seconds = Holdings(), [0.0]
    departures = Departures(archive, ledger.studies, timer=lambda: seconds[0])
    departures.run()
    assert listed(ledger) == {"1.1", "1.2"}
    before = ledger.changes.revision()
    del archive.held["orthanc-1"]
    seconds[0] += 10
    departures.run()
    assert listed(ledger) == {"1.2"}
    assert ledger.changes.revision() != before
    assert [e.action for e in ledger.audit.entries("1.1")] == ["study.deleted"]
    ledger.studies.record(sent(1), "CR")
    assert listed(ledger) == {"1.1", "1.2"}


def test_study_that_another_patient_still_has_stays(ledger: Ledger) -> None:
    archive = Holdings()
    archive.held = {"orthanc-other": "1.1", "orthanc-2": "1.2"}
    Departures(archive, ledger.studies).run()
    assert listed(ledger) == {"1.1", "1.2"}


def test_study_that_came_and_went_between_two_counts_leaves(ledger: Ledger) -> None:
    archive, seconds = Holdings(), [0.0]
    departures = Departures(archive, ledger.studies, timer=lambda: seconds[0])
    departures.run()
    ledger.studies.record(sent(3), "CR")  # and the archive holds two again
    seconds[0] += 10
    departures.run()
    assert listed(ledger) == {"1.1", "1.2"}


def test_list_is_compared_only_where_the_count_has_changed(ledger: Ledger) -> None:
    archive, seconds = Holdings(), [0.0]
    departures = Departures(archive, ledger.studies, timer=lambda: seconds[0])
    for _ in range(10):
        departures.run()
        seconds[0] += 10
    assert archive.asked == 1
