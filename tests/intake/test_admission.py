"""Admission and reconcile on a real ledger: nothing lost, nothing twice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.domain import (
    Failure,
    Images,
    LeftOut,
    Origin,
    Patient,
    RunState,
    SeriesRef,
    Stage,
    StudyRef,
    Trigger,
    Urgency,
)
from dicom_node.errors import LedgerError, QueueUnavailable, StudyNotFound, StudyRefused
from dicom_node.intake.admission import Admission
from dicom_node.intake.beginning import CURSOR
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import UrgencyRule, UrgencyRules
from tests.listings import ListedArchive, ListedQueue, series, study

POLICY = policy.load()


@dataclass
class Desk:
    archive: ListedArchive
    queue: ListedQueue
    ledger: Ledger
    admission: Admission
    reconcile: Reconcile

    def state(self, subject: StudyRef) -> RunState:
        detail = self.ledger.queries.detail(subject.study_instance_uid)
        assert detail is not None
        return detail.item.state

    def consider(self, subject: StudyRef) -> None:
        self.admission.consider(subject.study_instance_uid, Trigger.STABLE)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    archive, queue = ListedArchive(), ListedQueue()
    admission = Admission(archive, ledger.studies, ledger.runs, queue, POLICY)
    yield Desk(
        archive,
        queue,
        ledger,
        admission,
        Reconcile(archive, ledger.studies, admission, POLICY.retry),
    )
    ledger.close()


def film(name: str = "film", *, quiet_s: float = 3600) -> StudyRef:
    return study([series(name, "CR", quiet_s=quiet_s)], name=name)


def test_consider_complete_film_is_queued_once_however_often_it_is_seen(desk: Desk) -> None:
    subject = film()
    desk.archive.put(subject)
    for _ in range(3):
        desk.consider(subject)
    assert desk.state(subject) is RunState.QUEUED
    assert len({run_id for run_id, _ in desk.queue.given}) == 1


@pytest.mark.parametrize(("late_s", "counted"), [(100, True), (2, False), (-7200, False)])
def test_clock_of_a_study_starts_when_its_images_came(
    desk: Desk, late_s: float, counted: bool
) -> None:
    subject = film()
    desk.archive.put(subject)
    desk.archive.arrived = datetime.now(UTC) - timedelta(seconds=late_s)
    for _ in range(2):
        desk.consider(subject)
    detail = desk.ledger.queries.detail(subject.study_instance_uid)
    assert detail is not None
    assert (detail.item.received_at == desk.archive.arrived) is counted


def test_consider_fresh_film_has_its_row_at_once_and_waits(desk: Desk) -> None:
    subject = film(quiet_s=-5)
    desk.archive.put(subject)
    desk.consider(subject)
    assert desk.state(subject) is RunState.RECEIVED
    assert not desk.queue.given
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert list(desk.ledger.studies.due(later)) == [subject.study_instance_uid]


def test_consider_film_waits_as_long_as_the_policy_says_be_it_longer_than_for_a_ct(
    desk: Desk,
) -> None:
    slow = POLICY.completeness.model_copy(update={"cxr_quiet_s": 600})
    rules = POLICY.model_copy(update={"completeness": slow})
    subject = film(quiet_s=5)
    desk.archive.put(subject)
    admission = Admission(desk.archive, desk.ledger.studies, desk.ledger.runs, desk.queue, rules)
    admission.consider(subject.study_instance_uid, Trigger.STABLE)
    assert desk.state(subject) is RunState.RECEIVED


def test_consider_queue_down_keeps_the_run_for_the_sweep(desk: Desk) -> None:
    subject = film()
    desk.archive.put(subject)
    desk.queue.down = True
    desk.consider(subject)
    assert desk.state(subject) is RunState.QUEUED
    desk.queue.down = False
    desk.reconcile.run()
    assert len(desk.queue.given) == 1


def test_consider_other_modality_is_refused_in_plain_view(desk: Desk) -> None:
    subject = study([series("brain", "MR")])
    desk.archive.put(subject)
    desk.consider(subject)
    assert desk.state(subject) is RunState.REFUSED


def test_consider_images_after_a_lone_report_are_read(desk: Desk) -> None:
    report = series("report", "SR")
    desk.archive.put(study([report], name="mixed"))
    subject = study([report, series("film", "CR")], name="mixed")
    desk.consider(subject)
    assert desk.state(subject) is RunState.REFUSED
    desk.archive.put(subject)
    desk.consider(subject)
    assert desk.state(subject) is RunState.QUEUED


def test_consider_deleted_study_ends_failed_not_waiting(desk: Desk) -> None:
    subject = film(quiet_s=-5)
    desk.archive.put(subject)
    desk.consider(subject)
    desk.archive.delete(subject)
    desk.consider(subject)
    assert desk.state(subject) is RunState.FAILED


def test_consider_study_that_nobody_knows_leaves_no_row(desk: Desk) -> None:
    with pytest.raises(LedgerError):
        desk.admission.consider("1.2.3", Trigger.STABLE)
    assert desk.ledger.queries.detail("1.2.3") is None


def test_admit_unknown_study_is_not_found(desk: Desk) -> None:
    with pytest.raises(StudyNotFound):
        desk.admission.admit("1.2.3", trigger=Trigger.VIEWER, actor="reader")


def test_admit_incomplete_study_is_queued_because_a_person_asked(desk: Desk) -> None:
    subject = film(quiet_s=-5)
    desk.archive.put(subject)
    ticket = desk.admission.admit(
        subject.study_instance_uid, trigger=Trigger.VIEWER, actor="reader"
    )
    assert ticket.created
    assert desk.queue.given == [(ticket.run_id, Urgency.STAT)]


def test_admit_queue_down_says_so_and_the_run_stands(desk: Desk) -> None:
    subject = film()
    desk.archive.put(subject)
    desk.queue.down = True
    with pytest.raises(QueueUnavailable):
        desk.admission.admit(subject.study_instance_uid, trigger=Trigger.VIEWER, actor="reader")
    assert desk.state(subject) is RunState.QUEUED


def test_admit_refused_study_raises_and_shows_the_refusal(desk: Desk) -> None:
    listed = [series("film", "CR", slices=2), series("head", "MR")]
    subject = study(listed, others=(Patient("P2"),))
    desk.archive.put(subject)
    with pytest.raises(StudyRefused):
        desk.admission.admit(subject.study_instance_uid, trigger=Trigger.VIEWER, actor="reader")
    assert desk.state(subject) is RunState.REFUSED
    (item,) = desk.ledger.queries.worklist()
    assert item.refusal is not None
    assert item.images == Images(2, 0, (LeftOut(2, item.refusal.code, item.refusal.reason),))


@dataclass
class SlowArchive(ListedArchive):
    """An archive in which something happens while it is asked, once it has listed the study."""

    meanwhile: Callable[[], None] = lambda: None

    def study(self, study_instance_uid: str) -> StudyRef:
        listed = super().study(study_instance_uid)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return listed


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(series("ct", "CT", slices=2), id="read"),
        pytest.param(series("report", "SR"), id="refused"),
    ],
)
def test_image_that_comes_while_the_study_is_listed_is_waited_for(
    desk: Desk, first: SeriesRef
) -> None:
    archive = SlowArchive()
    admission = Admission(archive, desk.ledger.studies, desk.ledger.runs, desk.queue, POLICY)
    subject = study([first], name="late")
    archive.put(subject)
    uid = subject.study_instance_uid

    def one_more() -> None:
        archive.put(study([first, series("ct", "CT", slices=3, quiet_s=-1)], name="late"))
        admission.consider(uid, Trigger.STABLE)

    archive.meanwhile = one_more
    admission.consider(uid, Trigger.RECONCILE)
    assert list(desk.ledger.studies.due(datetime(2100, 1, 1, tzinfo=UTC))) == [uid]


def test_reconcile_finds_what_the_trigger_missed_and_moves_its_cursor(desk: Desk) -> None:
    subjects = [film(f"film{i}") for i in range(3)]
    for subject in subjects:
        desk.archive.put(subject, "NewStudy", "StableStudy")
    desk.reconcile.run()
    assert all(desk.state(s) is RunState.QUEUED for s in subjects)
    assert desk.ledger.studies.cursor(CURSOR) == len(desk.archive.log)


def test_reconcile_wiped_archive_begins_again(desk: Desk) -> None:
    desk.ledger.studies.move_cursor(CURSOR, 1_000)
    subject = film()
    desk.archive.put(subject, "StableStudy")
    desk.reconcile.run()
    assert desk.state(subject) is RunState.QUEUED


def test_reconcile_deleted_study_in_the_log_is_passed_over(desk: Desk) -> None:
    gone, kept = film("gone"), film("kept")
    desk.archive.put(gone, "StableStudy")
    desk.archive.put(kept, "StableStudy")
    desk.archive.delete(gone)
    desk.reconcile.run()
    assert desk.state(kept) is RunState.QUEUED


def test_reconcile_empty_archive_ends(desk: Desk) -> None:
    desk.reconcile.run()
    assert desk.ledger.studies.cursor(CURSOR) == 0


@pytest.mark.parametrize(
    ("origin", "urgency"),
    [
        (Origin(), Urgency.ROUTINE),
        (Origin(requested_priority="STAT"), Urgency.STAT),
        (Origin(sender="SCREENING"), Urgency.LOW),
        (Origin(sender="SCREENING", requested_priority="HIGH"), Urgency.HIGH),
    ],
)
def test_study_waits_as_urgent_as_order_and_sender_say(
    tmp_path: Path, origin: Origin, urgency: Urgency
) -> None:
    rule = UrgencyRule(sender="SCREENING", urgency=Urgency.LOW)
    rules = POLICY.model_copy(update={"urgency": UrgencyRules(rules=(rule,))})
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    archive, queue = ListedArchive(came_from=origin), ListedQueue()
    subject = film()
    archive.put(subject)
    admission = Admission(archive, ledger.studies, ledger.runs, queue, rules)
    admission.consider(subject.study_instance_uid, Trigger.STABLE)
    assert [given for _, given in queue.given] == [urgency]
    ledger.close()


def test_failed_study_that_is_stored_again_is_tried_again(desk: Desk) -> None:
    subject = film()
    desk.archive.put(subject)
    desk.consider(subject)
    claim = desk.ledger.runs.claim(desk.queue.given[0][0], "worker", 60)
    assert claim is not None
    desk.ledger.runs.failed(claim, Failure(Stage.FETCH, "gone"), None)
    desk.consider(subject)
    assert desk.state(subject) is RunState.FAILED
    desk.archive.put(stored_anew(subject))
    desk.consider(subject)
    assert desk.state(subject) is RunState.QUEUED


def stored_anew(subject: StudyRef) -> StudyRef:
    (listed,) = subject.series
    instances = tuple(replace(one, revision=f"again {one.revision}") for one in listed.instances)
    return replace(subject, series=(replace(listed, instances=instances),))


def test_two_identities_wait_while_images_come_and_are_refused_then(desk: Desk) -> None:
    """A film that is sent again under a corrected Patient ID comes image by image."""
    fresh = study([series("film", "CR", quiet_s=0)], others=(Patient("P2"),))
    desk.archive.put(fresh)
    assert desk.admission.consider(fresh.study_instance_uid, Trigger.STABLE) is None
    assert desk.state(fresh) is RunState.RECEIVED
    desk.archive.put(study([series("film", "CR")], others=(Patient("P2"),)))
    assert desk.admission.consider(fresh.study_instance_uid, Trigger.STABLE) is None
    assert desk.state(fresh) is RunState.REFUSED


def test_identities_that_contradict_nothing_are_read(desk: Desk) -> None:
    one = study([series("film", "CR")], others=(Patient("", "TEST PATIENT"), Patient("p1")))
    desk.archive.put(one)
    assert desk.admission.consider(one.study_instance_uid, Trigger.STABLE) is not None
