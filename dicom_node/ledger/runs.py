"""The life of a run: one writer for each transition; implements `ports.RunBook`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dicom_node.domain import (
    Claim,
    Failure,
    Images,
    ModelIdentity,
    ObjectRef,
    Refusal,
    RunRequest,
    RunState,
    RunTicket,
    Stage,
    TriageResult,
)
from dicom_node.ledger import handover, results, tickets, twins, wishes
from dicom_node.ledger.audit import note, note_ending
from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import RunRow, StudyRow
from dicom_node.ledger.steps import (
    Act,
    clean,
    lock_claim,
    lock_run,
    mark,
    move,
    newest,
    put_ending,
    reason_of,
    settle,
    state_of,
    supersede,
)


class RunBook:
    """The ledger's side of a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, request: RunRequest) -> RunTicket:
        """Answer with the run for this request, making one only where none stands.

        Raises LedgerError where the study has not been recorded.
        """
        with self._database.write() as session:
            return tickets.answer(session, request, self._database.now())

    def claim(self, run_id: str, worker: str, lease_s: float) -> Claim | None:
        """Take a QUEUED run, or one whose lease ran out; None where there is nothing to do.

        A run waits for its retry time, and for another RUNNING run of the same study; then
        `due` names it again. One whose worker fell silent ends FAILED where a newer one is
        QUEUED. Raises RunNotFound.
        """
        now = self._database.now()
        with self._database.write() as session:
            study, run = lock_run(session, run_id)
            if run.state is RunState.RUNNING and run.lease_until and run.lease_until <= now:
                self._take_back(session, study, run)
            if not _is_ready(session, run, now):
                return None
            move(session, run, RunState.RUNNING, Act(now, worker))
            run.attempts += 1
            run.fence += 1
            run.worker = clean(worker)
            run.retry_at = None
            run.lease_until = now + timedelta(seconds=lease_s)
            put_ending(run, None)
            mark(session, run, Stage.CLAIM, now)
            settle(session, study)
            return _claim(run)

    def renew(self, claim: Claim, lease_s: float) -> None:
        """Prolong the lease, counted from now."""
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            run.lease_until = self._database.now() + timedelta(seconds=lease_s)

    def mark(self, claim: Claim, stage: Stage) -> None:
        """Write down when ``stage`` ended."""
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            mark(session, run, stage, self._database.now())

    def identify(
        self, claim: Claim, identity: str, input_digest: str, model: ModelIdentity
    ) -> bool:
        """Give the run its identity; False where a finished run of the study read the same.

        The same: equal identity, or equal images, model and policy, as of a forced run. Then
        this run ends SUPERSEDED as a duplicate, and the older one is current again. A forced
        run is never a duplicate.
        """
        now = self._database.now()
        with self._database.write() as session:
            study, run = lock_claim(session, claim)
            run.input_digest, run.model = input_digest, model
            twin = None if run.forced else twins.of(session, run, identity)
            if twin is not None and twin.state is not RunState.FAILED:
                run.duplicate_of = twin.run_id
                supersede(session, run, now, above=twin.number)
                act = Act(now, "node", f"the same images as run {twin.number}")
                move(session, run, RunState.SUPERSEDED, act)
            else:
                if twin is not None:
                    act = Act(now, "node", f"run {run.number} reads the same images again")
                    move(session, twin, RunState.SUPERSEDED, act)
                run.identity = identity
            settle(session, study)
            return run.state is RunState.RUNNING

    def repeats(self, claim: Claim, evidence_digest: str, images: Images, incomplete: str) -> bool:
        """Tell whether the standing report rests on the same images, read by the same model.

        Images came that are not read: nothing is reported anew. Then this run ends SUPERSEDED as a
        duplicate, and the older one is current again, with the account of the images that there
        are now. A forced run repeats nothing, nor does one for which more, or less, has not come.
        """
        now = self._database.now()
        with self._database.write() as session:
            study, run = lock_claim(session, claim)
            run.evidence_digest = evidence_digest
            twin = (
                None if run.forced else newest(session, study.study_instance_uid, RunState.REPORTED)
            )
            if twin is None or not twins.rests_on_the_same(run, twin):
                return False
            said = results.get(session, twin.run_id)
            if said is None or said.incomplete != incomplete:
                return False
            results.put_images(twin, images)
            run.duplicate_of = twin.run_id
            supersede(session, run, now, above=twin.number)
            act = Act(now, "node", f"what came since run {twin.number} is not read")
            move(session, run, RunState.SUPERSEDED, act)
            settle(session, study)
            return True

    def is_spent(self, claim: Claim, identity: str) -> bool:
        """Tell whether an older run of the study reported under this identity and is over."""
        with self._database.read() as session:
            return results.is_spent(session, claim, identity)

    def drafts(self, claim: Claim) -> Sequence[TriageResult]:
        """Return results of the study that no REPORTED run stands for, newest first."""
        with self._database.read() as session:
            return results.drafts(session, claim)

    def predecessor(self, claim: Claim) -> ObjectRef | None:
        """Return the newest report of the study's older runs."""
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            return results.report_before(session, run)

    def superseded(self, claim: Claim) -> Sequence[ObjectRef]:
        """Return all objects of the study's newest older run that reported."""
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            return results.objects_before(session, run)

    def save_result(self, claim: Claim, result: TriageResult) -> None:
        """Persist the result before anything is encoded; a second one replaces the first."""
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            results.put(session, run, result)

    def result(self, run_id: str) -> TriageResult | None:
        """Return the persisted result, so that a second attempt encodes the same."""
        with self._database.read() as session:
            return results.get(session, run_id)

    def reported(self, claim: Claim, objects: Sequence[tuple[str, ObjectRef]]) -> None:
        """End the run REPORTED with its (writer name, object) pairs; supersede older ones.

        Its deliveries are planned by what the destinations want.
        """
        now = self._database.now()
        with self._database.write() as session:
            study, run = lock_claim(session, claim)
            results.put_objects(session, run, objects)
            supersede(session, run, now)
            act = Act(now, run.worker or "worker")
            move(session, run, RunState.REPORTED, act)
            wishes.plan(session, run, now)
            start = study.received_at if run.number == 1 else run.created_at
            run.turnaround_s = (now - start).total_seconds()
            settle(session, study)
            note(session, act, "run.reported", run)

    def refused(self, claim: Claim, refusal: Refusal, images: Images | None = None) -> None:
        """End the run REFUSED, with the account of its images; supersede older ones."""
        with self._database.write() as session:
            study, run = lock_claim(session, claim)
            results.put_images(run, images)
            supersede(session, run, self._database.now())
            self._end(session, study, run, refusal)

    def failed(
        self, claim: Claim, failure: Failure, retry_at: datetime | None, *, counted: bool = True
    ) -> None:
        """End the run FAILED, or, with ``retry_at``, put it back to QUEUED until then.

        Unless ``counted``, the attempt is forgotten: it said nothing about the study.
        Where a newer run of the study is QUEUED already there is no retry: it reads the study.
        """
        with self._database.write() as session:
            study, run = lock_claim(session, claim)
            if retry_at is None or newest(session, run.study_instance_uid, RunState.QUEUED):
                self._end(session, study, run, failure)
                return
            act = Act(self._database.now(), run.worker or "worker", reason_of(failure))
            move(session, run, RunState.QUEUED, act)
            run.retry_at, run.handed_over_at, run.again_at = retry_at, None, None
            run.attempts -= 0 if counted else 1
            put_ending(run, failure)
            settle(session, study)

    def due(self, now: datetime) -> Sequence[RunTicket]:
        """Return runs that the broker should be given, oldest first.

        QUEUED ones whose retry time has come, or that were never handed over, or that are to be
        handed over again, unless another run of the study is RUNNING; and RUNNING ones whose
        lease ran out.
        """
        with self._database.read() as session:
            return handover.due(session, now)

    def recall(self, held: int) -> int:
        """Forget hand-overs that the broker lost, which has this many messages left; `due` names
        those runs again. Return how many they are."""
        with self._database.write() as session:
            return handover.recall(session, held, self._database.now())

    def handed_over(self, given: RunTicket, rises_at: datetime | None = None) -> None:
        """Write down that the broker has the run; it is due again when its turn rises.

        Also after `handover.HAND_OVER_AGAIN`, then after pauses that double. A ticket that has
        been overtaken, by a claim for example, says nothing any more. Raises RunNotFound.
        """
        with self._database.write() as session:
            handover.note(session, given, rises_at, self._database.now())

    def _take_back(self, session: Session, study: StudyRow, run: RunRow) -> None:
        """Queue a run whose worker fell silent, unless a newer one will read the study."""
        run.deaths += 1
        if newest(session, run.study_instance_uid, RunState.QUEUED):
            self._end(session, study, run, Failure(Stage.CLAIM, "the worker fell silent"))
        else:
            act = Act(self._database.now(), "node", "the lease ran out")
            move(session, run, RunState.QUEUED, act)

    def _end(
        self, session: Session, study: StudyRow, run: RunRow, ending: Refusal | Failure
    ) -> None:
        act = Act(self._database.now(), run.worker or "worker", reason_of(ending))
        move(session, run, state_of(ending), act)
        put_ending(run, ending)
        settle(session, study)
        note_ending(session, act, ending, run)


def _is_ready(session: Session, run: RunRow, now: datetime) -> bool:
    if run.state is not RunState.QUEUED or (run.retry_at is not None and run.retry_at > now):
        return False
    if newest(session, run.study_instance_uid, RunState.RUNNING):
        run.handed_over_at = run.again_at = (
            None  # so that `due` names it when the other one has ended
        )
        return False
    return True


def _claim(run: RunRow) -> Claim:
    return Claim(
        run_id=run.run_id,
        study_instance_uid=run.study_instance_uid,
        kind=run.kind,
        number=run.number,
        attempt=run.attempts,
        deaths=run.deaths,
        fence=run.fence,
        patient_id=run.patient_id,
        forced=run.forced,
        trigger=run.trigger,
    )
