"""Which images of a study are read, and why the others are not."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from dicom_node.domain import (
    Patient,
    Refusal,
    RefusalCode,
    Sample,
    StudyKind,
    contradictions,
)
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.pixels import ct, cxr, header
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.reconstruction import Look, Sharpness, is_original, look, sharpness
from dicom_node.pixels.stack import Stack, distinct, stacks
from dicom_node.policy import Limits

_MOST_LUNG = 0.6
"""A stack with less than this share of the best one's lung is of another body region."""
_NOISIER = 1.6
"""A stack of unknown kernel this much noisier than the calmest counts as sharp."""
_THIN_MM = 5.0
_THICK_MM = 10.0

_Named = tuple[str, Refusal]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The samples to read, and (SOP or Series Instance UID, refusal) of what is left out."""

    samples: tuple[Sample, ...]
    refusals: tuple[_Named, ...] = ()


def select(kind: StudyKind, instances: Sequence[Loaded], limits: Limits) -> Selection:
    """Choose what to read of a study's eligible instances.

    CXR: every film. CT: exactly one stack of axial slices. Scouts, reformats, projections,
    screen captures and series of too few slices are refused by series; of the rest the best is
    the first by this rule, each line deciding only between equals of the line before:

    1. it shows lung: at least 60 % of the volume of the stack that shows most
    2. the scanner's own slices (ORIGINAL, PRIMARY) before derived ones
    3. a soft or standard kernel, then an unknown one, then a sharp (lung, bone) one; among
       unknown ones noise tells
    4. slices up to 5 mm apart, then up to 10 mm, then wider
    5. no slice missing, then the wider coverage (to 10 mm), then fewer slices to read
    6. the lower series number, then the Series Instance UID

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
    refusals: list[_Named] = []
    for loaded in distinct(instances):
        try:
            samples.append(cxr.film(loaded, limits))
        except PixelError as exc:
            refusals.append((loaded.ref.sop_instance_uid, _refusal(exc)))
    return _selection(samples, refusals)


def _series(instances: Sequence[Loaded], limits: Limits) -> Selection:
    by_series: defaultdict[str, list[Loaded]] = defaultdict(list)
    for loaded in instances:
        by_series[loaded.ref.series_instance_uid].append(loaded)
    candidates: list[Stack] = []
    refusals: list[_Named] = []
    # The largest series first: where nothing can be read, its refusal speaks for the study.
    for uid, series in sorted(by_series.items(), key=lambda item: -len(item[1])):
        try:
            candidates += stacks(series, limits)
        except PixelError as exc:
            refusals.append((uid, _refusal(exc)))
    return _best(candidates, refusals, limits)


def _best(candidates: list[Stack], refusals: list[_Named], limits: Limits) -> Selection:
    """Read the best candidate, the next best where its pixels cannot be decoded."""
    for stack in _ranked(candidates, refusals, limits):
        try:
            sample = ct.read(stack, limits)
        except PixelError as exc:
            refusals.append((stack.series_instance_uid, _refusal(exc)))
            continue
        if len(candidates) > 1:
            note = f"Read 1 of {len(candidates)} axial series: {len(stack.slices)} slices."
            sample = replace(sample, notes=(*sample.notes, note))
        return _selection([sample], refusals)
    return _selection([], refusals)


def _ranked(candidates: list[Stack], refusals: list[_Named], limits: Limits) -> Iterable[Stack]:
    if len(candidates) < 2:  # noqa: PLR2004 (nothing to compare: nothing to decode twice)
        return candidates
    looks: list[tuple[Stack, Look]] = []
    for stack in candidates:
        try:
            looks.append((stack, look(stack, limits)))
        except PixelError as exc:
            refusals.append((stack.series_instance_uid, _refusal(exc)))
    return rank(looks)


def rank(looks: Sequence[tuple[Stack, Look]]) -> list[Stack]:
    """Order stacks by the rule of `select`, the best first."""
    if not looks:
        return []
    most_lung = max(seen.lung_ml for _, seen in looks)
    calmest = min(seen.noise_hu for _, seen in looks)

    def key(pair: tuple[Stack, Look]) -> tuple[object, ...]:
        stack, seen = pair
        ds = stack.slices[0].loaded.dataset
        kernel = sharpness(ds)
        if kernel is Sharpness.UNKNOWN and seen.noise_hu > _NOISIER * calmest:
            kernel = Sharpness.SHARP
        places = stack.contiguity.positions_mm
        return (
            seen.lung_ml < _MOST_LUNG * most_lung,
            not is_original(ds),
            kernel,
            _thickness_class(stack.contiguity.spacing_mm or 0),
            stack.contiguity.gaps > 0,
            -round((places[-1] - places[0]) / 10),
            len(stack.slices),
            header.integer(ds, "SeriesNumber") or 0,
            stack.series_instance_uid,
        )

    return [stack for stack, _ in sorted(looks, key=key)]


def _thickness_class(spacing_mm: float) -> int:
    return (spacing_mm > _THIN_MM) + (spacing_mm > _THICK_MM)


def _refusal(exc: PixelError) -> Refusal:
    return Refusal(RefusalCode(exc.code), exc.reason)


def _selection(samples: list[Sample], refusals: list[_Named]) -> Selection:
    if not samples:
        first = refusals[0][1]
        raise StudyRefused(first.code, first.reason)
    return Selection(tuple(samples), tuple(refusals))
