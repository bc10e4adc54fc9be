"""Studies read straight from files: what ``analyze`` does between reading and printing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydicom.dataset import Dataset

from dicom_node import log, policy, settings, uids
from dicom_node.domain import (
    RESULT_MODALITIES,
    Failure,
    FindingItem,
    Images,
    ObjectRef,
    Presence,
    Reason,
    Refusal,
    RefusalCode,
    RunState,
    SeriesRef,
    Stage,
    StudyKind,
    StudyRef,
    TriageResult,
    WorklistItem,
    filled,
    refused,
)
from dicom_node.errors import NodeError, PixelError, StudyRefused
from dicom_node.intake.eligibility import eligible
from dicom_node.intake.eligibility import modality as modality_of
from dicom_node.pixels import folder, header
from dicom_node.pixels.digest import image_digest
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.select import patient
from dicom_node.policy import Policy
from dicom_node.ports import ResultWriter, Runtime
from dicom_node.report.encode import objects
from dicom_node.report.registry import writers
from models import runtime as model_runtime
from worker.coverage import announced
from worker.fetching import Fetched
from worker.reading import Reading, read, with_announced

_PRESENT = {Presence.PRESENT: True, Presence.ABSENT: False, Presence.UNDETERMINED: None}


@dataclass(frozen=True, slots=True)
class Bench:
    """Warm models and result writers, and where the results go."""

    runtime: Runtime
    policy: Policy
    writers: Sequence[ResultWriter]
    output: Path | None

    @classmethod
    def open(cls, output: Path | None) -> Self:
        """Load settings, policy and models; raises SettingsError, ModelError."""
        chosen = settings.load()
        log.configure("WARNING" if chosen.log_level == "INFO" else chosen.log_level)
        rules = policy.load(chosen.policy)
        runtime = model_runtime.load(chosen.device, rules.models, chosen.site_models)
        return cls(
            runtime, rules, tuple(writers(chosen.ae_title, chosen.time_zone).values()), output
        )

    def analyze(
        self, paths: Sequence[Path], modality_of_pictures: str | None
    ) -> tuple[WorklistItem, ...]:
        """Read every study among the files, each to a worklist item.

        Where no file can be read at all there is one item, refused.
        """
        found = folder.read(paths, modality_of_pictures)
        if not found.loaded:
            return (_unreadable(found),)
        studies: defaultdict[str, list[Loaded]] = defaultdict(list)
        for one in found.loaded:
            studies[_text(one.dataset, "StudyInstanceUID")].append(one)
        return tuple(self._study(uid, loaded) for uid, loaded in studies.items())

    def _study(self, uid: str, loaded: Sequence[Loaded]) -> WorklistItem:
        study = _listed(uid, loaded)
        blank = _blank(study, datetime.now(UTC))
        stage = _Stage()
        fetched = Fetched([], {})
        try:
            chosen = eligible(study, self.policy)
            wanted = {ref.sop_instance_uid for s in chosen.series for ref in s.instances}
            readable = [one for one in loaded if one.ref.sop_instance_uid in wanted]
            fetched = Fetched(readable, chosen.besides())
            reading = read(chosen.kind, fetched, self.runtime, self.policy, stage.during)
            reading = with_announced(reading, announced(study, readable))
            with stage.during(Stage.REPORT):
                result = self._result(study, chosen.kind, readable, reading)
                report = self._write(result, reading, readable)
        except StudyRefused as exc:
            refusal = Refusal(RefusalCode(exc.code), exc.reason)
            images = _left_out(fetched, exc)
            return replace(blank, state=RunState.REFUSED, refusal=refusal, images=images)
        except NodeError as exc:
            return replace(blank, state=RunState.FAILED, error=Failure(stage.now, str(exc)))
        return _reported(blank, result, report)

    def _result(
        self, study: StudyRef, kind: StudyKind, loaded: Sequence[Loaded], reading: Reading
    ) -> TriageResult:
        digest = uids.unordered_digest(
            (one.ref.sop_instance_uid, image_digest(one.dataset)) for one in loaded
        )
        model = reading.prediction.model
        return TriageResult(
            run_identity=uids.digest(
                [study.study_instance_uid, digest, model.key, self.policy.hash]
            ),
            study_instance_uid=study.study_instance_uid,
            kind=kind,
            model=model,
            policy_hash=self.policy.hash,
            findings=reading.findings,
            priority=reading.priority,
            priority_reason=reading.priority_reason,
            evidence=reading.evidence,
            completed_at=datetime.now(UTC).replace(microsecond=0),
            notes=reading.notes,
            parameters=dict(reading.prediction.parameters),
            measurements=reading.prediction.measurements,
            images=reading.images,
            incomplete=reading.incomplete,
        )

    def _write(
        self, result: TriageResult, reading: Reading, loaded: Sequence[Loaded]
    ) -> ObjectRef | None:
        """Write each result object into the output folder; return the report's reference."""
        if self.output is None:
            return None
        datasets: dict[str, Dataset] = {one.ref.sop_instance_uid: one.dataset for one in loaded}
        sources = [datasets[ref.sop_instance_uid] for ref in result.evidence]
        self.output.mkdir(parents=True, exist_ok=True)
        for writer in self.writers:
            for ref, content in objects(writer, result, sources, reading.heatmaps):
                (self.output / f"{writer.name}-{ref.sop_instance_uid}.dcm").write_bytes(content)
        return self.writers[0].reference(result)


class _Stage:
    """Remembers the stage, so that a failure can be told by it."""

    def __init__(self) -> None:
        self.now = Stage.FETCH

    @contextmanager
    def during(self, stage: Stage) -> Iterator[None]:
        self.now = stage
        yield


def _listed(uid: str, loaded: Sequence[Loaded]) -> StudyRef:
    """List the study as an archive would."""
    by_series: defaultdict[tuple[str, str], list[Loaded]] = defaultdict(list)
    for one in loaded:
        # What an instance is, it says itself: a report may lie in the series of its images.
        of = one.ref.series_instance_uid, _text(one.dataset, "Modality")
        by_series[of].append(one)
    patients = dict.fromkeys(
        patient(one.dataset)
        for one in loaded
        if _text(one.dataset, "Modality") not in RESULT_MODALITIES
    )
    known = filled(patients)
    first = loaded[0].dataset
    return StudyRef(
        study_instance_uid=uid,
        orthanc_id="",
        patient_id=known.patient_id,
        patient_name=known.name,
        accession_number=_text(first, "AccessionNumber"),
        study_description=_text(first, "StudyDescription"),
        series=tuple(
            SeriesRef(
                series_instance_uid=series_uid,
                modality=modality,
                orthanc_id="",
                instances=tuple(one.ref for one in series),
            )
            for (series_uid, modality), series in by_series.items()
        ),
        birth_date=known.birth_date,
        sex=known.sex,
        issuer=known.issuer,
        others=tuple(patients),
    )


def _left_out(fetched: Fetched, exc: StudyRefused) -> Images:
    told = {uid: (why.code.value, why.reason) for uid, why in fetched.left.items()}
    reason = Reason(RefusalCode(exc.code), exc.reason)
    uids_of_images = fetched.uids() or tuple(exc.left_out)
    return refused(uids_of_images, reason, {**told, **exc.left_out})


def _unreadable(found: folder.Reading) -> WorklistItem:
    """Return the item of a study of which nothing can be read, not even its UID."""
    nothing = Refusal(RefusalCode.NO_ELIGIBLE_SERIES, "There are no files to read.")
    refusal = found.skipped[0].refusal if found.skipped else nothing
    nobody = StudyRef("", "", "", "", "", "")
    return replace(_blank(nobody, datetime.now(UTC)), state=RunState.REFUSED, refusal=refusal)


def _text(dataset: Dataset, keyword: str) -> str:
    """Return what the worklist shows; what cannot be read is shown empty, and refused later."""
    try:
        return header.text(dataset, keyword)
    except PixelError:
        return ""


def _blank(study: StudyRef, received_at: datetime) -> WorklistItem:
    return WorklistItem(
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
        patient_name=study.patient_name,
        modality=modality_of(study),
        study_description=study.study_description,
        state=RunState.RECEIVED,
        priority=None,
        priority_reason=None,
        findings=(),
        model=None,
        refusal=None,
        error=None,
        received_at=received_at,
        reported_at=None,
        wait_s=None,
        assessment=None,
        viewer_url="",
        report=None,
        images=None,
    )


def _reported(blank: WorklistItem, result: TriageResult, report: ObjectRef | None) -> WorklistItem:
    now = datetime.now(UTC)
    return replace(
        blank,
        state=RunState.REPORTED,
        priority=result.priority,
        priority_reason=result.priority_reason,
        findings=tuple(
            FindingItem(f.label, f.code, f.probability, f.threshold, _PRESENT[f.presence])
            for f in result.findings
        ),
        model=result.model,
        reported_at=now,
        wait_s=(now - blank.received_at).total_seconds() if blank.received_at else None,
        report=report,
        images=result.images,
    )
