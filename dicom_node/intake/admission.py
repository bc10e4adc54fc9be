"""From a study that was seen to a run that was asked for."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dicom_node import checkpoints, log, uids
from dicom_node.domain import (
    Failure,
    InstanceRef,
    Reason,
    Refusal,
    RefusalCode,
    RunRequest,
    RunState,
    RunTicket,
    Stage,
    StudyRef,
    Trigger,
    Urgency,
    contradictions,
    most_urgent,
    refused,
    turn,
)
from dicom_node.errors import QueueUnavailable, StudyNotFound, StudyRefused
from dicom_node.intake.completeness import ready_at, settled_at
from dicom_node.intake.eligibility import Eligible, eligible, modality
from dicom_node.policy import Policy
from dicom_node.ports import Archive, Queue, RunBook, StudyBook

_SKEW = timedelta(seconds=5)
"""By how much the archive's clock may go before ours."""

_ASKERS = 4
_LOOKED_AT = 5
"""Images, each of another series, whose arrival tells when that of the study began."""


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class Admission:
    """Admits studies: eligible, complete, asked for once."""

    def __init__(
        self,
        archive: Archive,
        studies: StudyBook,
        runs: RunBook,
        queue: Queue,
        policy: Policy,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._archive = archive
        self._studies = studies
        self._runs = runs
        self._queue = queue
        self._policy = policy
        self._clock = clock
        self._longest_wait = timedelta(seconds=policy.completeness.longest_s) + _SKEW

    def consider(self, study_instance_uid: str, trigger: Trigger) -> RunTicket | None:
        """Look at a study that the archive spoke of; ask for a run once it is complete.

        Gives the study its row in the worklist in any case. Returns None where it must wait,
        was refused, or is gone. Raises ArchiveUnavailable, LedgerUnavailable.
        """
        asked_at = self._clock()
        try:
            study = self._known(study_instance_uid)
            if self._may_be_corrected(study):
                return None
            chosen = self._chosen(study, asked_at)
        except StudyNotFound as exc:
            failure = Failure(Stage.FETCH, str(exc))
            self._studies.fail(study_instance_uid, failure, looked_at=asked_at)
            return None
        except StudyRefused:
            return None
        due, now = ready_at(chosen, self._policy), self._clock()
        if now < due <= now + self._longest_wait:  # later still: the clock was set back since
            self._studies.wait(study_instance_uid, due)
            return None
        ticket = self._request(study, chosen, trigger, "node", force=False)
        self._studies.looked_at(study_instance_uid, asked_at)  # not before the run stands
        if ticket.created and ticket.state is RunState.QUEUED:
            self._hand_over_later_if_need_be(ticket, trigger)
        return ticket

    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        """Ask for a run at once because a person wants it, complete or not.

        Raises StudyNotFound, StudyRefused (the refusal is in the worklist), ArchiveUnavailable,
        LedgerUnavailable, and QueueUnavailable, after which the run stands and is handed over
        by itself.
        """
        asked_at = self._clock()
        study = self._known(study_instance_uid)
        chosen = self._chosen(study, asked_at)
        ticket = self._request(study, chosen, trigger, actor, force=force)
        self._studies.looked_at(study_instance_uid, asked_at)
        if ticket.created and ticket.state is RunState.QUEUED:
            self._hand_over(ticket, trigger)
        return ticket

    def hand_over_due(self, now: datetime) -> int:
        """Hand over runs that the broker has not got, or whose worker fell silent."""
        if recalled := self._runs.recall(self._queue.held()):
            log.get().warning("queue.lost", count=recalled)
        due = self._runs.due(now)
        for ticket in due:
            self._hand_over(ticket, Trigger.RECONCILE)
        return len(due)

    def _known(self, study_instance_uid: str) -> StudyRef:
        study = self._archive.study(study_instance_uid)
        if self._studies.record(study, modality(study)):
            log.get().info("study.received", study_uid=study_instance_uid)
            self._count_from_arrival(study)
        return study

    def _count_from_arrival(self, study: StudyRef) -> None:
        """See that a study that nobody looked at for a while is not thought to be fresh."""
        refs = [ref for series in study.series for ref in series.instances[:1]]
        times = [self._archive.arrived_at(ref) for ref in refs[:_LOOKED_AT]]
        known = [time for time in times if time is not None]
        if known and min(known) < self._clock() - _SKEW:  # told in whole seconds
            self._studies.arrived(study.study_instance_uid, min(known))

    def _may_be_corrected(self, study: StudyRef) -> bool:
        """Look again a little later where two identities meet and images still come."""
        if not contradictions((study.patient, *study.others)):
            return False
        due, now = settled_at(study, self._policy), self._clock()
        if not now < due <= now + self._longest_wait:
            return False
        self._studies.wait(study.study_instance_uid, due)
        return True

    def _chosen(self, study: StudyRef, asked_at: datetime) -> Eligible:
        try:
            return eligible(study, self._policy)
        except StudyRefused as exc:
            refusal = Refusal(RefusalCode(exc.code), exc.reason)
            left_out = refused(tuple(exc.left_out), Reason(refusal.code, exc.reason), exc.left_out)
            uid = study.study_instance_uid
            self._studies.refuse(uid, refusal, left_out, looked_at=asked_at)
            raise

    def _request(
        self, study: StudyRef, chosen: Eligible, trigger: Trigger, actor: str, *, force: bool
    ) -> RunTicket:
        served = self._studies.served_model(chosen.kind)
        refs = [ref for series in chosen.series for ref in series.instances]
        request = RunRequest(
            study_instance_uid=study.study_instance_uid,
            kind=chosen.kind,
            archive_digest=self._archive_digest(refs),
            model=served.identity if served else None,
            policy_hash=self._policy.hash,
            patient_id=study.patient_id,
            trigger=trigger,
            actor=actor,
            force=force,
            resend=self._policy.resent.policy,
            urgency=self._urgency(study, chosen, trigger),
            stored_digest=uids.unordered_digest(
                (ref.sop_instance_uid, ref.revision) for ref in refs
            ),
        )
        ticket = self._runs.request(request)
        if ticket.report is None or self._archive.holds(ticket.report):
            return ticket
        ids = {"study_uid": study.study_instance_uid, "run_id": ticket.run_id}
        log.get().warning("report.lost", **ids)
        return self._runs.request(replace(request, lost_run=ticket.run_id))

    def _archive_digest(self, refs: Sequence[InstanceRef]) -> str:
        """Return what tells whether a study is as it was: what its files hold."""
        with ThreadPoolExecutor(_ASKERS) as pool:
            sums = pool.map(self._archive.checksum, refs)
            return uids.unordered_digest(
                (ref.sop_instance_uid, checksum or ref.revision)
                for ref, checksum in zip(refs, sums, strict=True)
            )

    def _urgency(self, study: StudyRef, chosen: Eligible, trigger: Trigger) -> Urgency:
        """Return how soon to read: at once where a person waits, else as order and policy say."""
        if not trigger.is_automatic:
            return Urgency.HIGH if trigger is Trigger.RETRY else Urgency.STAT
        origin = self._archive.origin(chosen.series[0].instances[0])
        by_policy = self._policy.urgency.of(
            origin.sender, chosen.series[0].modality, study.study_description
        )
        return most_urgent(Urgency.of_order(origin.requested_priority), by_policy)

    def _hand_over_later_if_need_be(self, ticket: RunTicket, trigger: Trigger) -> None:
        try:
            self._hand_over(ticket, trigger)
        except QueueUnavailable as exc:  # the sweep finds the run in the ledger
            log.get().warning("queue.unavailable", run_id=ticket.run_id, error=str(exc))

    def _hand_over(self, ticket: RunTicket, trigger: Trigger) -> None:
        now_turn = turn(ticket.urgency, ticket.asked_at, self._clock(), self._policy.urgency.rise_s)
        with checkpoints.around(checkpoints.Step.DISPATCH):
            self._queue.enqueue(ticket.run_id, now_turn.urgency)
        self._runs.handed_over(ticket, now_turn.rises_at)
        log.get().info(
            "run.queued",
            study_uid=ticket.study_instance_uid,
            run_id=ticket.run_id,
            trigger=trigger.value,
            priority=now_turn.urgency.value,
        )
