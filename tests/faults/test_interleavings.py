"""Admission, broker, worker and ledger in any order, with losses and crashes between any two steps.

The real ledger and the real admission and reconcile; the broker is a list from which messages get
lost, the archive a list with a change log. A crash is a step that is begun and not finished.
"""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from dicom_node import policy
from dicom_node.domain import Change, Claim, Failure, RunState, Stage, Trigger, Urgency
from dicom_node.errors import LeaseLost, QueueUnavailable
from dicom_node.intake.admission import Admission
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import open_ledger
from dicom_node.ledger.handover import HAND_OVER_AGAIN
from dicom_node.ledger.schema import RunRow
from tests.ledgers import MODEL, Clock, objects, result
from tests.listings import ListedArchive, ListedQueue, series, study

POLICY = policy.load()
LEASE_S = POLICY.lease.seconds
ROUNDS = 3
NAMES = ("one", "two")
OPEN = {RunState.RECEIVED, RunState.QUEUED, RunState.RUNNING}


class CrashError(BaseException):
    """The process died here: nothing that catches errors gets to see it."""


class CrashingQueue(ListedQueue):
    """A broker whose client dies before or after it has given a message away."""

    crash = ""

    def enqueue(self, run_id: str, urgency: Urgency) -> None:
        if self.crash == "before":
            raise CrashError
        super().enqueue(run_id, urgency)
        if self.crash == "after":
            raise CrashError


class Interleavings(RuleBasedStateMachine):
    """Two studies, one broker, any number of workers that live or die."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        file = Path(self.folder.name) / "ledger.sqlite3"
        self.ledger = open_ledger(f"sqlite:///{file}", clock=self.clock)
        self.archive, self.queue = ListedArchive(), CrashingQueue()
        studies = self.ledger.studies
        runs, clock = self.ledger.runs, self.clock
        self.admission = Admission(self.archive, studies, runs, self.queue, POLICY, clock=clock)
        self.reconcile = Reconcile(self.archive, studies, self.admission, POLICY.retry, clock=clock)
        self.claims: list[Claim] = []
        self.images = dict.fromkeys(NAMES, 0)

    def teardown(self) -> None:
        """Let nothing wait for ever: sweep and work until all is over, whatever came before."""
        try:
            self._drain()
            self._nothing_is_open()
        finally:
            self.ledger.close()
            self.folder.cleanup()

    @rule(name=st.sampled_from(NAMES), logged=st.sampled_from(["NewInstance", "StableSeries"]))
    def arrive(self, name: str, logged: str) -> None:
        """An image arrives; Orthanc may die before it calls the series stable."""
        self.images[name] += 1
        subject = study([series(name, "CR", slices=self.images[name])], name=name)
        image = subject.series[0].instances[-1].orthanc_id
        first = self.images[name] == 1
        self.archive.put(subject, *(["NewStudy"] if first else []))
        entry = image if logged == "NewInstance" else subject.series[0].orthanc_id
        log = self.archive.log
        log.append(Change(len(log) + 1, logged, entry))

    @rule(crash=st.sampled_from(["", "", "before", "after"]), down=st.booleans())
    def sweep(self, crash: str, down: bool) -> None:
        self.queue.crash, self.queue.down = crash, down
        self._survive(self.reconcile.run)
        self.queue.crash, self.queue.down = "", False

    @precondition(lambda self: any(self.images.values()))
    @rule(data=st.data(), trigger=st.sampled_from(Trigger), force=st.booleans())
    def ask(self, data: st.DataObject, trigger: Trigger, force: bool) -> None:
        """A person asks for a run, or again, or for a retry."""
        name = data.draw(st.sampled_from([n for n in NAMES if self.images[n]]))
        uid = study([], name=name).study_instance_uid
        self._survive(
            lambda: self.admission.admit(uid, trigger=trigger, actor="reader", force=force)
        )

    @precondition(lambda self: self.queue.given)
    @rule(data=st.data())
    def lose_a_message(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.queue.given) - 1))
        self.queue.given.pop(index)

    @precondition(lambda self: self.queue.given)
    @rule(data=st.data())
    def repeat_a_message(self, data: st.DataObject) -> None:
        self.queue.given.append(data.draw(st.sampled_from(self.queue.given)))

    @precondition(lambda self: self.queue.given)
    @rule()
    def claim(self) -> None:
        """A worker takes the next message; it may well die later without a word."""
        run_id, _ = self.queue.given.pop(0)
        if claim := self.ledger.runs.claim(run_id, "worker", LEASE_S):
            self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), ending=st.sampled_from(["report", "fail", "retry", "renew"]))
    def go_on(self, data: st.DataObject, ending: str) -> None:
        """Any worker that ever held a claim goes on, stale or not."""
        claim = data.draw(st.sampled_from(self.claims))
        stale = not self._holds(claim)
        try:
            self._work(claim, ending)
        except LeaseLost:
            assert stale, "a live claim was refused"
            self.claims.remove(claim)
        else:
            assert not stale, "a stale claim was let through"

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self.claims.remove(data.draw(st.sampled_from(self.claims)))

    @rule(seconds=st.sampled_from([1, LEASE_S + 1, 200]))
    def pass_time(self, seconds: float) -> None:
        self.clock.forward(seconds)

    @invariant()
    def a_study_has_one_worker_and_one_report(self) -> None:
        states: dict[str, list[RunState]] = {}
        for run in self._runs():
            states.setdefault(run.study_instance_uid, []).append(run.state)
        for of_study in states.values():
            assert of_study.count(RunState.RUNNING) <= 1
            assert of_study.count(RunState.QUEUED) <= 1
            assert of_study.count(RunState.REPORTED) <= 1

    def _work(self, claim: Claim, ending: str) -> None:
        runs = self.ledger.runs
        if ending == "renew":
            runs.renew(claim, LEASE_S)
        elif ending == "report":
            identity = f"{claim.study_instance_uid} {self.images}"
            if runs.identify(claim, identity, "input", MODEL):
                runs.save_result(claim, result(claim.study_instance_uid, identity))
                runs.reported(claim, objects(str(claim.number)))
        else:
            retry_at = self.clock() + timedelta(seconds=2) if ending == "retry" else None
            runs.failed(claim, Failure(Stage.FETCH, "Orthanc is away"), retry_at)

    def _holds(self, claim: Claim) -> bool:
        (run,) = [run for run in self._runs() if run.run_id == claim.run_id]
        return run.fence == claim.fence and run.state is RunState.RUNNING

    def _runs(self) -> list[RunRow]:
        with self.ledger.database.read() as session:
            return list(session.scalars(select(RunRow)))

    def _survive(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (CrashError, QueueUnavailable):
            return

    def _drain(self) -> None:
        """All workers have died; let time pass, sweep, and let a new worker read what it gets.

        In less time than after which a run is handed over again in any case.
        """
        assert HAND_OVER_AGAIN.total_seconds() > ROUNDS * LEASE_S
        self.queue.given.clear()
        for _ in range(ROUNDS):
            self.clock.forward(LEASE_S)
            self.reconcile.run()
            while self.queue.given:
                run_id, _ = self.queue.given.pop(0)
                if claim := self.ledger.runs.claim(run_id, "last worker", LEASE_S):
                    self._work(claim, "report")

    def _nothing_is_open(self) -> None:
        items = self.ledger.queries.worklist()
        assert len(items) == sum(count > 0 for count in self.images.values())
        assert [item.state for item in items if item.state in OPEN] == []
        assert [run.state for run in self._runs() if run.state in OPEN] == []


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
