"""The tasks of the intake worker: what leaves the node holds up nothing that comes in."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from dicom_node import log, policy
from dicom_node.archive import destinations
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.audit.relay import Relay
from dicom_node.destination import DestinationSettings
from dicom_node.domain import RunState
from dicom_node.intake.admission import Admission
from dicom_node.intake.broker import INTAKE_QUEUE
from dicom_node.intake.departures import Departures
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.pixels.wrap import encode
from dicom_node.settings import Settings
from tests.builders import Film
from tests.ledgers import finish, start
from tests.listings import ListedArchive, ListedQueue, series, study
from tests.pacs import SilentPacs
from worker import tasks
from worker.app import app
from worker.deliveries import Sender
from worker.lifecycle import Intake, Node
from worker.outbox import Outbox

POLICY = policy.load()
PATIENCE_S = 60


@dataclass
class Desk:
    archive: ListedArchive
    ledger: Ledger
    pacs: SilentPacs
    parts: Intake

    def deliver(self) -> None:
        """Plan a delivery to the silent PACS."""
        finish(self.ledger, start(self.ledger))

    def state(self, uid: str) -> RunState:
        detail = self.ledger.queries.detail(uid)
        assert detail is not None
        return detail.item.state


class Report:
    """An archive that has every result."""

    def result(self, sop_instance_uid: str) -> bytes:
        del sop_instance_uid
        return encode(Film().build())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    pacs = SilentPacs()
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    url = f"http://127.0.0.1:{pacs.port}"
    place = DestinationSettings(name="pacs", kind="stow", url=url, timeout_s=PATIENCE_S)
    settings = Settings(home=tmp_path, destinations=(place,))
    archive = ListedArchive()
    admission = Admission(archive, ledger.studies, ledger.runs, ListedQueue(), POLICY)
    reconcile = Reconcile(archive, ledger.studies, admission, POLICY.retry)
    relay = Relay(ledger.audit, ledger.studies, None, ("A", "h"))
    orthanc = cast("OrthancArchive", archive)
    node = Node(settings, POLICY, orthanc, ledger, Outbox(tmp_path / "outbox"))
    ledger.deliveries.want({"pacs": {"sr"}})
    sender = Sender(
        ledger.deliveries, destinations.build(settings), Report(), POLICY.retry, node.outbox
    )
    departures = Departures(archive, ledger.studies)
    parts = Intake(node, admission, reconcile, departures, relay, sender)
    monkeypatch.setattr(tasks, "intake", lambda: parts)
    yield Desk(archive, ledger, pacs, parts)
    pacs.close()
    ledger.close()


def aside(task: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    return thread


def test_silent_destination_holds_up_no_study(desk: Desk) -> None:
    desk.deliver()
    delivering = aside(tasks.deliver)
    assert desk.pacs.called.wait(PATIENCE_S)
    film = study([series("film", "CR")], name="film")
    desk.archive.put(film, "StableStudy")
    tasks.sweep()
    assert desk.state(film.study_instance_uid) is RunState.QUEUED
    tasks.deliver()  # another one is at it: returns at once
    assert delivering.is_alive()
    desk.pacs.hang_up()
    delivering.join()


def test_step_that_nobody_foresaw_leaves_the_others_their_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unforeseen(*_arguments: object) -> None:
        raise ValueError("SECRET^PATIENT")

    monkeypatch.setattr(Relay, "run", unforeseen)
    monkeypatch.setattr(Reconcile, "run", unforeseen)
    log.configure("INFO")
    tasks.sweep()
    tasks.deliver()
    told = capsys.readouterr().err
    assert told.count("event=sweep.unforeseen") == 2
    assert "SECRET" not in told


def test_clock_starts_every_task_of_intake() -> None:
    scheduled = {entry["task"]: entry["options"] for entry in app.conf.beat_schedule.values()}
    assert set(scheduled) == {tasks.sweep.name, tasks.deliver.name}
    assert {options["queue"] for options in scheduled.values()} == {INTAKE_QUEUE}
