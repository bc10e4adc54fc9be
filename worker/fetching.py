"""Fetch what a run reads: bounded before the first byte, several files at a time."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from dicom_node.contiguity import contiguity, without_strays
from dicom_node.domain import (
    InstanceRef,
    Omission,
    Reason,
    Refusal,
    RefusalCode,
    SeriesRef,
    StudyKind,
    StudyRef,
)
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.intake.eligibility import eligible
from dicom_node.pixels.choice import WORST, by_header
from dicom_node.pixels.load import Loaded, load
from dicom_node.policy import Limits, Policy
from dicom_node.ports import Archive

_FETCHERS = 4
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """The eligible instances that could be parsed, and why others are left out, by UID."""

    loaded: list[Loaded]
    left: Mapping[str, Reason]

    def uids(self) -> tuple[str, ...]:
        """Return the SOP Instance UID of each image that the study holds to read."""
        return *(one.ref.sop_instance_uid for one in self.loaded), *self.left


def fetch(archive: Archive, study: StudyRef, policy: Policy) -> Fetched:
    """Fetch and parse the eligible instances of a study.

    Where they are too many to be read together, the series that suit best by their headers.
    Raises StudyRefused where one series is too large for itself, films are too many, or none can
    be parsed; StudyNotFound, ArchiveUnavailable.
    """
    chosen = eligible(study, policy)
    series = chosen.series
    if chosen.kind is StudyKind.CT and not _fits(series, policy.limits):
        series = _best_by_header(archive, series, policy.limits)
    refs = _instances(series)
    besides = chosen.besides() | _beyond(chosen.series, series, policy.limits)
    if why := _too_large(refs, policy.limits, is_ct=chosen.kind is StudyKind.CT):
        reason = Reason(why.code, why.reason)
        raise _refused(why, besides | {ref.sop_instance_uid: reason for ref in refs})
    with ThreadPoolExecutor(_FETCHERS) as pool:
        try:
            return _parsed(refs, pool.map(archive.instance, refs), besides)
        finally:  # a reading that is broken off must not fetch on
            pool.shutdown(wait=False, cancel_futures=True)


def _instances(series: Iterable[SeriesRef]) -> list[InstanceRef]:
    return [ref for one in series for ref in one.instances]


def _fits(series: Sequence[SeriesRef], limits: Limits) -> bool:
    refs = _instances(series)
    return len(refs) <= limits.ct_max_slices and _bytes(refs) <= limits.study_max_bytes


def _bytes(refs: Iterable[InstanceRef]) -> int:
    return sum(ref.size for ref in refs)


def _best_by_header(
    archive: Archive, series: Sequence[SeriesRef], limits: Limits
) -> tuple[SeriesRef, ...]:
    """Choose by one header of each series what may be read together, the best in any case.

    A series of several passes may hold more images than one volume has slices; one that lies at
    more places than that, or is too large for itself, comes last.
    """
    with ThreadPoolExecutor(_FETCHERS) as pool:
        headers = list(pool.map(lambda one: _rank(archive, one), series))
    pairs = sorted(
        zip(headers, series, strict=True),
        key=lambda pair: (not _may_be_read(pair[1], limits), pair[0]),
    )
    kept: list[SeriesRef] = []
    for _, one in pairs:
        if not kept or _fits([*kept, one], limits):
            kept.append(one)
    return tuple(one for one in series if one in kept)


def _may_be_read(series: SeriesRef, limits: Limits) -> bool:
    places = contiguity(without_strays(series.positions_mm)).positions_mm
    is_volume = len(places) <= limits.ct_max_slices
    return is_volume and _bytes(series.instances) <= limits.study_max_bytes


def _rank(archive: Archive, series: SeriesRef) -> tuple[object, ...]:
    """Rank a series by the header of the image in its middle; the last of all if unreadable."""
    ref = series.instances[len(series.instances) // 2]
    try:
        one = load(ref, archive.instance(ref))
        return by_header(one.dataset, series)
    except PixelError:
        return (*WORST, series.series_instance_uid)


def _beyond(
    all_series: Sequence[SeriesRef], fetched: Sequence[SeriesRef], limits: Limits
) -> dict[str, Reason]:
    reason = Reason(
        Omission.BEYOND_LIMITS,
        "Another series suits better by its header, and this node reads at most "
        f"{limits.ct_max_slices} images and {limits.study_max_bytes // _MIB} MiB together.",
    )
    left = _instances(one for one in all_series if one not in fetched)
    return {ref.sop_instance_uid: reason for ref in left}


def _too_large(refs: Sequence[InstanceRef], limits: Limits, *, is_ct: bool) -> Refusal | None:
    if len(refs) > limits.ct_max_slices and not is_ct:
        return Refusal(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The study holds {len(refs)} images; this node reads at most {limits.ct_max_slices}.",
        )
    if (total := _bytes(refs)) > limits.study_max_bytes:
        what = "The series that suits best holds" if is_ct else "The study's images hold"
        return Refusal(
            RefusalCode.IMAGE_TOO_LARGE,
            f"{what} {total // _MIB} MiB; this node reads at most "
            f"{limits.study_max_bytes // _MIB} MiB.",
        )
    return None


def _parsed(
    refs: Sequence[InstanceRef], files: Iterable[bytes], besides: Mapping[str, Reason]
) -> Fetched:
    """Parse what can be parsed and name the rest; raise the refusal where nothing can."""
    loaded: list[Loaded] = []
    left = dict(besides)
    refused: list[Refusal] = []
    for ref, content in zip(refs, files, strict=True):
        try:
            loaded.append(_load(ref, content))
        except PixelError as exc:
            refused.append(Refusal(RefusalCode(exc.code), exc.reason))
            left[ref.sop_instance_uid] = Reason(refused[-1].code, exc.reason)
    if refused and not loaded:
        raise _refused(refused[0], left)
    return Fetched(loaded, left)


def _refused(why: Refusal, left: Mapping[str, Reason]) -> StudyRefused:
    told = {uid: (one.code.value, one.reason) for uid, one in left.items()}
    return StudyRefused(why.code, why.reason, told)


def _load(ref: InstanceRef, content: bytes) -> Loaded:
    """Parse one file; the archive's listing does not tell the SOP class."""
    one = load(ref, content)
    return replace(one, ref=replace(ref, sop_class_uid=str(one.dataset.get("SOPClassUID", ""))))
