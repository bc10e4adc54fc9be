"""Which images of a study are read, and why the others are not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from dicom_node.domain import (
    Omission,
    Patient,
    Reason,
    Refusal,
    RefusalCode,
    Sample,
    StudyKind,
    contradictions,
)
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.pixels import ct, cxr, header
from dicom_node.pixels.choice import Ranking, ranked
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.stack import Stack, distinct, sort_out
from dicom_node.policy import Limits


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The samples to read, and why each other image is left out, by SOP Instance UID."""

    samples: tuple[Sample, ...]
    left: Mapping[str, Reason] = field(default_factory=dict)


def select(kind: StudyKind, instances: Sequence[Loaded], limits: Limits) -> Selection:
    """Choose what to read of a study's eligible instances.

    CXR: every film. CT: exactly one stack of axial slices, of one pass over the patient. Scouts,
    reformats, projections, screen captures and series of too few slices are left out; of the
    rest the best is the first by this rule, each line deciding only between equals of the line
    before:

    1. it shows lung: at least 60 % of the volume of the stack that shows most
    2. the scanner's own slices (ORIGINAL, PRIMARY) before derived ones
    3. a soft or standard kernel, then an unknown one, then a sharp (lung, bone) one; among
       unknown ones noise tells
    4. slices up to 5 mm apart, then up to 10 mm, then wider
    5. no slice missing, then the deeper breath, then the wider coverage (to 10 mm), then fewer
       slices to read
    6. the lower series number, then the Series Instance UID, then the earlier pass

    Raises StudyRefused where nothing can be read: PATIENT_MISMATCH, DUPLICATE_SOP_INSTANCE_UID,
    NO_ELIGIBLE_SERIES, or the refusal of the images themselves.
    """
    if not instances:
        raise StudyRefused(RefusalCode.NO_ELIGIBLE_SERIES, "The study holds no images to read.")
    if differing := contradictions(patient(one.dataset) for one in instances):
        raise StudyRefused(
            RefusalCode.PATIENT_MISMATCH,
            "The study holds images of more than one patient: they differ in "
            f"{', '.join(differing)}.",
        )
    return _films(instances, limits) if kind is StudyKind.CXR else _series(instances, limits)


def patient(dataset: Dataset) -> Patient:
    """Return whose an image is, as its header says; what is unreadable counts as it is stored."""
    return Patient(
        patient_id=_identity(dataset, "PatientID"),
        name=_identity(dataset, "PatientName"),
        birth_date=_identity(dataset, "PatientBirthDate"),
        sex=_identity(dataset, "PatientSex"),
        issuer=_identity(dataset, "IssuerOfPatientID"),
    )


def _identity(dataset: Dataset, keyword: str) -> str:
    try:
        return header.text(dataset, keyword)
    except PixelError:
        return repr(dataset.get_item(keyword).value)


def _films(instances: Sequence[Loaded], limits: Limits) -> Selection:
    samples: list[Sample] = []
    left: dict[str, Reason] = {}
    refusals: list[Refusal] = []
    for loaded in distinct(instances):
        try:
            samples.append(cxr.film(loaded, limits))
        except PixelError as exc:
            refusals.append(_refusal(exc))
            left[loaded.ref.sop_instance_uid] = _reason(refusals[-1])
    return _selection(samples, left, refusals)


def _series(instances: Sequence[Loaded], limits: Limits) -> Selection:
    by_series: defaultdict[str, list[Loaded]] = defaultdict(list)
    for loaded in instances:
        by_series[loaded.ref.series_instance_uid].append(loaded)
    candidates: list[Stack] = []
    left: dict[str, Reason] = {}
    refusals: list[Refusal] = []
    # The largest series first: where nothing can be read, its refusal speaks for the study.
    for _, series in sorted(by_series.items(), key=lambda item: -len(item[1])):
        found = sort_out(series, limits)
        candidates += found.stacks
        left |= found.left
        refusals += [found.refusal] if found.refusal else []
    ranking = ranked(candidates, limits)
    broken = dict(ranking.broken)
    read, sample = _first_readable(ranking, broken, limits)
    for stack in candidates:
        left |= stack.left
        if stack is not read:
            uids = [one.loaded.ref.sop_instance_uid for one in stack.slices]
            if read is None or id(stack) in broken:
                left |= dict.fromkeys(uids, _reason(broken[id(stack)]))
            else:
                left |= dict.fromkeys(uids, _beside(ranking, read, stack))
    samples = [sample] if sample else []
    return _selection(samples, left, [*refusals, *broken.values()])


def _first_readable(
    ranking: Ranking, broken: dict[int, Refusal], limits: Limits
) -> tuple[Stack | None, Sample | None]:
    """Read the best candidate, the next best where its pixels cannot be decoded."""
    for stack in ranking.stacks:
        try:
            sample = ct.read(stack, limits)
        except PixelError as exc:
            broken[id(stack)] = _refusal(exc)
        else:
            return stack, replace(sample, notes=sample.notes + _choice(ranking, stack))
    return None, None


def _choice(ranking: Ranking, read: Stack) -> tuple[str, ...]:
    """Tell which of several series is read, and what decided against the next best."""
    others = [s for s in ranking.stacks if s.series_instance_uid != read.series_instance_uid]
    if not others:
        return ()
    series = {stack.series_instance_uid for stack in ranking.stacks}
    why = ranking.why(read, others[0])
    return (
        f"Read 1 of {len(series)} axial series: {len(read.slices)} slices"
        f"{f', because {why}' if why else ''}.",
    )


def _beside(ranking: Ranking, read: Stack, other: Stack) -> Reason:
    """Tell why a sound stack is not read."""
    if other.series_instance_uid != read.series_instance_uid:
        why = ranking.why(read, other)
        return Reason(
            Omission.OTHER_SERIES,
            f"Another series was read{f', because {why}' if why else ''}.",
        )
    if other.field != read.field:
        return Reason(
            Omission.OTHER_GEOMETRY,
            "Another field of view or orientation of the same series was read.",
        )
    return Reason(Omission.OTHER_ACQUISITION, "Another pass of the same series was read.")


def _refusal(exc: PixelError) -> Refusal:
    return Refusal(RefusalCode(exc.code), exc.reason)


def _reason(refusal: Refusal) -> Reason:
    return Reason(refusal.code, refusal.reason)


def _selection(
    samples: list[Sample], left: Mapping[str, Reason], refusals: Sequence[Refusal]
) -> Selection:
    if not samples:
        first = refusals[0]
        reasons = {uid: (str(why.code), why.reason) for uid, why in left.items()}
        raise StudyRefused(first.code, first.reason, reasons)
    return Selection(tuple(samples), left)
