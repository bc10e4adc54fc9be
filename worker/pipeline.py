"""The way of one run through the worker, as a story: claim, fetch, read, report, store, confirm."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydicom.dataset import Dataset

from dicom_node import checkpoints, log, uids
from dicom_node.domain import (
    Claim,
    Failure,
    Heatmap,
    Images,
    InstanceRef,
    ObjectRef,
    Patient,
    Reason,
    Refusal,
    RefusalCode,
    Stage,
    StudyRef,
    TriageResult,
    contradictions,
    refused,
)
from dicom_node.errors import (
    ArchiveUnavailable,
    DeviceLost,
    LeaseLost,
    NodeError,
    PatientIdentityChanged,
    StudyIncomplete,
    StudyNotFound,
    StudyRefused,
    WorkerLost,
)
from dicom_node.intake.eligibility import eligible
from dicom_node.ledger import Ledger
from dicom_node.pixels.digest import image_digest
from dicom_node.pixels.load import Loaded, parse
from dicom_node.policy import Policy
from dicom_node.ports import Archive, ResultWriter, Runtime
from dicom_node.report.encode import objects
from dicom_node.report.provenance import Station
from worker.coverage import announced
from worker.fetching import Fetched, fetch
from worker.reading import Reading, evidence_digest, read, with_announced
from worker.retraction import Retraction
from worker.shadow import Shadow

_SKEW = timedelta(seconds=5)
"""By how much the archive's clock may go before ours."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a run needs; one for each worker process."""

    archive: Archive
    ledger: Ledger
    runtime: Runtime
    writers: Sequence[ResultWriter]
    policy: Policy
    worker: str
    shadow: Shadow | None = None
    station: Station = field(default_factory=lambda: Station("dicom-node"))

    @property
    def retraction(self) -> Retraction:
        """What takes back what is no longer true."""
        return Retraction(self.archive, self.ledger, self.station)

    def claim(self, run_id: str) -> Claim | None:
        """Take the run; None where another worker owns it or it has ended.

        Delivery is at least once, results are exactly once.
        """
        with checkpoints.around(Stage.CLAIM):
            return self.ledger.runs.claim(run_id, self.worker, self.policy.lease.seconds)

    def give_up(self, claim: Claim, stage: Stage, error: NodeError) -> None:
        """End the attempt FAILED, or QUEUED again where the error may pass."""
        retry = self.policy.retry
        again = error.retryable and (claim.failures < retry.attempts or not error.counts)
        delay = timedelta(seconds=retry.pause_s(claim.failures))
        retry_at = datetime.now(UTC) + delay if again else None
        if isinstance(error, StudyIncomplete):
            retry_at = error.until
        self.ledger.runs.failed(claim, Failure(stage, str(error)), retry_at, counted=error.counts)
        _log("run.retry" if again else "run.failed", claim, stage=stage.value, error=str(error))


class Attempt:
    """One worker's attempt at one run."""

    def __init__(self, pipeline: Pipeline, claim: Claim) -> None:
        self.stage = Stage.CLAIM
        self._node = pipeline
        self._claim = claim
        self._fetched: Fetched | None = None

    def run(self) -> None:
        """Take the run to its end: REPORTED, REFUSED, FAILED, or QUEUED for another attempt.

        Where another worker has taken the run over, that worker's word counts. Raises
        LedgerUnavailable, after which the lease runs out and the run is due again, and DeviceLost,
        after which this process can read no study any more.
        """
        try:
            self._come_to_an_end()
        except LeaseLost as exc:
            _log("run.lease_lost", self._claim, error=str(exc))

    def _come_to_an_end(self) -> None:
        node, claim = self._node, self._claim
        try:
            self._refuse_poison()
            with self._kept_alive():
                self._read_and_report()
        except LeaseLost:
            raise
        except StudyRefused as exc:
            refusal = Refusal(RefusalCode(exc.code), exc.reason)
            node.ledger.runs.refused(claim, refusal, self._left_out(exc))
            _log("run.refused", claim, code=exc.code)
        except DeviceLost as exc:
            node.give_up(claim, self.stage, exc)
            raise
        except NodeError as exc:
            node.give_up(claim, self.stage, exc)

    def _left_out(self, exc: StudyRefused) -> Images:
        """Account for the images of a study that is refused."""
        uids = self._fetched.uids() if self._fetched else tuple(exc.left_out)
        told = {uid: (why.code.value, why.reason) for uid, why in self._left().items()}
        reason = Reason(RefusalCode(exc.code), exc.reason)
        return refused(uids, reason, {**told, **exc.left_out})

    def _left(self) -> Mapping[str, Reason]:
        return self._fetched.left if self._fetched else {}

    def _refuse_poison(self) -> None:
        """Raise WorkerLost for a study that took as many workers with it as the policy allows."""
        deaths = self._claim.deaths
        if deaths >= self._node.policy.retry.worker_deaths:
            raise WorkerLost(
                f"the worker was lost {deaths} times while it read this study; "
                "see its log, then retry by hand"
            )

    def _read_and_report(self) -> None:
        node, claim = self._node, self._claim
        with self._during(Stage.FETCH):
            study = node.archive.study(claim.study_instance_uid)
            fetched = self._fetched = fetch(node.archive, study, node.policy)
            node.retraction.correct_identity(claim, study, fetched.loaded, datetime.now(UTC))
        model = node.runtime.classifier(claim.kind).identity
        digests = [(one.ref.sop_instance_uid, image_digest(one.dataset)) for one in fetched.loaded]
        input_digest = uids.unordered_digest(digests)
        identity = self._identity(input_digest, model.key)
        if not node.ledger.runs.identify(claim, identity, input_digest, model):
            _log("run.duplicate", claim)
            return
        reading = read(
            claim.kind,
            fetched,
            node.runtime,
            node.policy,
            self._during,
            lambda cut_off: self._wait_for_more(study, cut_off),
        )
        reading = with_announced(reading, announced(study, fetched.loaded))
        if node.ledger.runs.repeats(
            claim, evidence_digest(reading, dict(digests)), reading.images, reading.incomplete
        ):
            _log("run.repeats", claim)
            return
        with self._during(Stage.RECORD):
            result = self._recorded(identity, reading)
        with self._during(Stage.REPORT):
            sources = self._sources_now(study, fetched.loaded, result.evidence)
            files = self._encode(result, sources, reading.heatmaps)
        self._store(files)
        superseded = node.ledger.runs.superseded(claim)
        node.retraction.reject(claim, superseded, sources[0], result.completed_at)
        with checkpoints.around(checkpoints.Step.CONCLUDE):
            node.ledger.runs.reported(claim, [(name, ref) for name, ref, _ in files])
        _log("run.reported", claim, priority=result.priority.value)
        if node.shadow is not None:
            node.shadow.follow(claim, reading.samples)

    def _wait_for_more(self, study: StudyRef, cut_off: str) -> None:
        """Raise StudyIncomplete while the rest of a CT may still come: as long as for a gap.

        A person who asks for a study wants it read as it is.
        """
        if not self._claim.trigger.is_automatic:
            return
        wait = timedelta(seconds=self._node.policy.completeness.ct_deadline_s)
        series = eligible(study, self._node.policy).series
        seen, now = [s.last_update for s in series if s.last_update], datetime.now(UTC)
        until = max(seen, default=now - wait) + wait
        if now < until <= now + wait + _SKEW:  # later still: the clock was set back since
            raise StudyIncomplete(f"{cut_off} The node waits for the rest of it.", until)

    @contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Prolong the lease while the attempt lasts, so that only a dead worker loses it."""
        done = threading.Event()
        lease_s = self._node.policy.lease.seconds

        def prolong() -> None:
            while not done.wait(lease_s / 3):
                try:
                    self._node.ledger.runs.renew(self._claim, lease_s)
                except NodeError as exc:  # the attempt itself meets LeaseLost at its next step
                    _log("run.renew_failed", self._claim, error=str(exc))

        keeper = threading.Thread(target=prolong, daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    @contextmanager
    def _during(self, stage: Stage) -> Iterator[None]:
        self.stage = stage
        with checkpoints.around(stage):
            yield
        self._node.ledger.runs.mark(self._claim, stage)

    def _identity(self, input_digest: str, model_key: str) -> str:
        """Name what is read by what; a second report on it gets a name of its own.

        That is one asked for although nothing changed, and one on images that came back to
        what an older, superseded report was on: under its UIDs they would succeed each other.
        """
        claim = self._claim
        parts = [claim.study_instance_uid, input_digest, model_key, self._node.policy.hash]
        if claim.forced or self._node.ledger.runs.is_spent(claim, uids.digest(parts)):
            parts.append(f"run {claim.number}")
        return uids.digest(parts)

    def _recorded(self, identity: str, reading: Reading) -> TriageResult:
        """Persist the result, or return the one that an earlier attempt persisted.

        Objects with the same UIDs must have the same content, whatever a second inference
        on another device would say.
        """
        runs, claim = self._node.ledger.runs, self._claim
        earlier = runs.result(claim.run_id)
        if earlier is not None and earlier.run_identity == identity:
            return earlier
        result = TriageResult(
            run_identity=identity,
            study_instance_uid=claim.study_instance_uid,
            kind=claim.kind,
            model=reading.prediction.model,
            policy_hash=self._node.policy.hash,
            findings=reading.findings,
            priority=reading.priority,
            priority_reason=reading.priority_reason,
            evidence=reading.evidence,
            completed_at=datetime.now(UTC).replace(microsecond=0),
            notes=reading.notes,
            parameters=dict(reading.prediction.parameters),
            predecessor=self._predecessor(identity),
            measurements=reading.prediction.measurements,
            images=reading.images,
            incomplete=reading.incomplete,
            number=claim.number,
        )
        runs.save_result(claim, result)
        return result

    def _predecessor(self, identity: str) -> ObjectRef | None:
        """Return the report that this one replaces.

        A run that failed after its report was stored, or an earlier attempt at this one on
        images that have changed since, left one behind of which no run tells.
        """
        node, runs = self._node, self._node.ledger.runs
        for draft in runs.drafts(self._claim):
            left = node.writers[0].reference(draft)
            if draft.run_identity != identity and node.archive.holds(left):
                return left
        return runs.predecessor(self._claim)

    def _sources_now(
        self, before: StudyRef, loaded: Sequence[Loaded], evidence: Sequence[InstanceRef]
    ) -> list[Dataset]:
        """Return the evidence as the archive holds it now: corrected demographics count.

        Raises PatientIdentityChanged where the study is another patient's by now, and
        StudyNotFound where an image that was read is gone.
        """
        study = self._node.archive.study(before.study_instance_uid)
        claimed = Patient(self._claim.patient_id)
        if contradictions((claimed, study.patient, *study.others)):
            raise PatientIdentityChanged(
                f"study {before.study_instance_uid} changed patients while it was read; check the "
                "identity in the PACS, then run again"
            )
        held = {i.sop_instance_uid: i for s in study.series for i in s.instances}
        known = {(one.ref.sop_instance_uid, one.ref.revision): one.dataset for one in loaded}
        sources = []
        for ref in evidence:
            uid = ref.sop_instance_uid
            now = held.get(uid)
            if now is None:
                raise StudyNotFound(f"instance {uid} was deleted while it was read")
            dataset = known.get((now.sop_instance_uid, now.revision))
            found = parse(self._node.archive.instance(now)) if dataset is None else dataset
            sources.append(found)
        return sources

    def _encode(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> list[tuple[str, ObjectRef, bytes]]:
        return [
            (writer.name, *written)
            for writer in self._node.writers
            for written in objects(writer, result, sources, heatmaps)
        ]

    def _store(self, files: Sequence[tuple[str, ObjectRef, bytes]]) -> None:
        """Store, and read back; intake plans the deliveries once the run is REPORTED."""
        with self._during(Stage.STORE):
            for _, _, content in files:
                self._node.archive.store(content)
        with self._during(Stage.CONFIRM):
            for name, ref, _ in files:
                if not self._node.archive.holds(ref):
                    raise ArchiveUnavailable(f"the archive does not hold the {name} it was given")


def _log(event: str, claim: Claim, **fields: str) -> None:
    ids = {"study_uid": claim.study_instance_uid, "run_id": claim.run_id}
    log.get().info(event, attempt=claim.attempt, **ids, **fields)
