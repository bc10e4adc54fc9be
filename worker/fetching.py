"""Fetch what a run reads: bounded before the first byte, several files at a time."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from dicom_node.domain import InstanceRef, RefusalCode, StudyRef
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.intake.eligibility import eligible
from dicom_node.pixels.load import Loaded, load
from dicom_node.policy import Limits, Policy
from dicom_node.ports import Archive

_FETCHERS = 4
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """The eligible instances that could be parsed, and a note for each reason that kept others."""

    loaded: list[Loaded]
    notes: tuple[str, ...]


def fetch(archive: Archive, study: StudyRef, policy: Policy) -> Fetched:
    """Fetch and parse the eligible instances of a study.

    Raises StudyRefused where there are too many, they are too large together, or none can be
    parsed; StudyNotFound, ArchiveUnavailable.
    """
    refs = [ref for series in eligible(study, policy).series for ref in series.instances]
    _check_sizes(refs, policy.limits)
    with ThreadPoolExecutor(_FETCHERS) as pool:
        try:
            return _parsed(refs, pool.map(archive.instance, refs))
        finally:  # a reading that is broken off must not fetch on
            pool.shutdown(wait=False, cancel_futures=True)


def _check_sizes(refs: Sequence[InstanceRef], limits: Limits) -> None:
    if len(refs) > limits.ct_max_slices:
        raise StudyRefused(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The study holds {len(refs)} images; this node reads at most {limits.ct_max_slices}.",
        )
    total = sum(ref.size for ref in refs)
    if total > limits.study_max_bytes:
        raise StudyRefused(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The study's images hold {total // _MIB} MiB; this node reads at most "
            f"{limits.study_max_bytes // _MIB} MiB.",
        )


def _parsed(refs: Sequence[InstanceRef], files: Iterable[bytes]) -> Fetched:
    """Parse what can be parsed and note the rest; raise the refusal where nothing can."""
    loaded: list[Loaded] = []
    refused: list[PixelError] = []
    for ref, content in zip(refs, files, strict=True):
        try:
            loaded.append(_load(ref, content))
        except PixelError as exc:
            refused.append(exc)
    if refused and not loaded:
        raise refused[0]
    return Fetched(loaded, tuple(dict.fromkeys(f"Not read: {exc.reason}" for exc in refused)))


def _load(ref: InstanceRef, content: bytes) -> Loaded:
    """Parse one file; the archive's listing does not tell the SOP class."""
    one = load(ref, content)
    return replace(one, ref=replace(ref, sop_class_uid=str(one.dataset.get("SOPClassUID", ""))))
