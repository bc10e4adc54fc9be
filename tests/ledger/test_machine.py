"""The state machine, and a ledger that is driven at random."""

import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from dicom_node.domain import (
    Claim,
    Failure,
    ModelIdentity,
    Refusal,
    RefusalCode,
    RunState,
    Stage,
    Trigger,
)
from dicom_node.errors import LeaseLost, LedgerError
from dicom_node.ledger import machine, open_ledger
from dicom_node.ledger.schema import RunRow, StudyRow, TransitionRow
from tests.ledgers import MODEL, STUDY, Clock, objects, result, study, wish

STATES = st.sampled_from(RunState)
ENDED = {RunState.REPORTED, RunState.REFUSED, RunState.FAILED}


@given(STATES, STATES)
def test_check_agrees_with_allowed(before: RunState, after: RunState) -> None:
    if machine.allowed(before, after):
        machine.check(before, after)
    else:
        with pytest.raises(LedgerError):
            machine.check(before, after)


@given(STATES)
def test_nothing_leaves_superseded_and_nothing_enters_received(state: RunState) -> None:
    assert not machine.allowed(RunState.SUPERSEDED, state)
    assert not machine.allowed(state, RunState.RECEIVED)
    assert not machine.allowed(state, state)


@given(STATES)
def test_every_state_can_reach_an_end(state: RunState) -> None:
    reached, frontier = {state}, {state}
    while frontier:
        frontier = {b for a in frontier for b in RunState if machine.allowed(a, b)} - reached
        reached |= frontier
    assert state.is_final or reached & ENDED


@given(STATES)
def test_only_a_failure_comes_back_from_an_end(state: RunState) -> None:
    ways_back = [after for after in RunState if machine.allowed(state, after)]
    if state in ENDED:
        assert set(ways_back) - {RunState.SUPERSEDED} <= {RunState.QUEUED}
        assert (RunState.QUEUED in ways_back) == (state is RunState.FAILED)


@given(STATES, STATES)
def test_study_without_a_run_only_ends_refused_or_failed(before: RunState, after: RunState) -> None:
    fits = before in {RunState.RECEIVED, RunState.REFUSED, RunState.FAILED}
    if fits and after in {RunState.REFUSED, RunState.FAILED}:
        machine.check_without_run(before, after)
    else:
        with pytest.raises(LedgerError):
            machine.check_without_run(before, after)


class RandomLedger(RuleBasedStateMachine):
    """Drives one study through anything that callers may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        file = Path(self.folder.name) / "ledger.sqlite3"
        self.ledger = open_ledger(f"sqlite:///{file}", clock=self.clock)
        self.ledger.studies.record(study(), "CR")
        self.claims: list[Claim] = []

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @rule(
        digest=st.sampled_from("ab"),
        trigger=st.sampled_from(Trigger),
        force=st.booleans(),
        model=st.sampled_from([None, MODEL]),
    )
    def request(
        self, digest: str, trigger: Trigger, force: bool, model: ModelIdentity | None
    ) -> None:
        request = wish(digest, trigger=trigger, force=force, model=model)
        ticket = self.ledger.runs.request(request)
        assert ticket.state is not RunState.SUPERSEDED

    @rule()
    def claim_what_is_due(self) -> None:
        for ticket in self.ledger.runs.due(self.clock()):
            self.ledger.runs.handed_over(ticket)
            if claim := self.ledger.runs.claim(ticket.run_id, "worker", 60):
                self.claims.append(claim)

    @rule(seconds=st.sampled_from([1, 61, 200]))
    def pass_time(self, seconds: float) -> None:
        self.clock.forward(seconds)

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        ending=st.sampled_from(["report", "refuse", "fail", "retry"]),
        identity=st.sampled_from("xy"),
    )
    def end(self, data: st.DataObject, ending: str, identity: str) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        runs = self.ledger.runs
        failure = Failure(Stage.INFER, "the network raised")
        try:
            if not runs.identify(claim, identity, "input", MODEL):
                return
            if ending == "report":
                runs.save_result(claim, result(identity=identity))
                runs.reported(claim, objects(str(claim.number)))
            elif ending == "refuse":
                runs.refused(claim, Refusal(RefusalCode.NOT_CHEST, "Not a chest."))
            else:
                later = self.clock() + timedelta(seconds=5)
                runs.failed(claim, failure, later if ending == "retry" else None)
        except LeaseLost:
            self.claims.remove(claim)

    @rule(refused=st.booleans())
    def end_without_a_worker(self, refused: bool) -> None:
        if refused:
            refusal = Refusal(RefusalCode.PATIENT_MISMATCH, "Two patients.")
            self.ledger.studies.refuse(STUDY, refusal)
        else:
            failure = Failure(Stage.RECEIVE, "The study is gone.")
            self.ledger.studies.fail(STUDY, failure)

    @invariant()
    def rows_agree(self) -> None:
        with self.ledger.database.read() as session:
            runs = session.scalars(select(RunRow).order_by(RunRow.number)).all()
            row = session.get_one(StudyRow, STUDY)
        standing = [run for run in runs if run.state is not RunState.SUPERSEDED]
        assert not runs or standing, "a study with runs has a current one"
        if standing:
            assert row.state is standing[-1].state
        states = [run.state for run in runs]
        assert states.count(RunState.QUEUED) <= 1
        assert states.count(RunState.RUNNING) <= 1
        assert states.count(RunState.REPORTED) <= 1
        assert [run.number for run in runs] == list(range(1, len(runs) + 1))

    @invariant()
    def transitions_are_a_chain(self) -> None:
        with self.ledger.database.read() as session:
            rows = session.scalars(select(TransitionRow).order_by(TransitionRow.transition_id))
            chains: dict[str | None, list[TransitionRow]] = {}
            for row in rows:
                chains.setdefault(row.run_id, []).append(row)
            finals = {run.run_id: run.state for run in session.scalars(select(RunRow))}
        for run_id, chain in chains.items():
            assert chain[0].from_state is RunState.RECEIVED
            assert all(a.to_state is b.from_state for a, b in pairwise(chain))
            if run_id is not None:
                assert chain[-1].to_state is finals[run_id]
                assert all(machine.allowed(step.from_state, step.to_state) for step in chain)

    @invariant()
    def item_is_honest(self) -> None:
        (item,) = self.ledger.queries.worklist()
        if item.state in {RunState.REFUSED, RunState.FAILED}:
            assert item.refusal or item.error
            assert not item.findings
            assert item.priority is None
        if item.state is RunState.REPORTED:
            assert item.report
            assert item.findings
            assert item.error is None


TestRandomLedger = RandomLedger.TestCase
TestRandomLedger.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
