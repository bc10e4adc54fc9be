"""``dicom-node export``: a study and its reports, de-identified, as files."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset
from rich.progress import track

from dicom_node import policy
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.cli.console import err, out, print_json
from dicom_node.cli.queries import ledger
from dicom_node.damage import UNREADABLE
from dicom_node.deidentify import choice, pixels
from dicom_node.deidentify.clean import Profile, cleaned
from dicom_node.deidentify.keys import Pseudonyms
from dicom_node.domain import StudyDetail
from dicom_node.errors import ExportError, NodeError, PixelError
from dicom_node.pixels import decode
from dicom_node.pixels.load import parse, refer
from dicom_node.policy import Limits
from dicom_node.settings import Settings, load
from dicom_node.supervision.home import Layout

_UNREADABLE: Final = "it cannot be read, so it cannot be cleaned"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, and by whom."""

    study_instance_uid: str
    output: Path
    person: str
    shift_dates: bool = False
    burned_in_too: bool = False


@dataclass(slots=True)
class Exported:
    """What was written, and why other objects were not; UIDs are the pseudonymous ones."""

    study_instance_uid: str
    files: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def export(wish: Wish, *, as_json: bool) -> None:
    """Write the study into a folder; the audit names the person before anything is written.

    Raises NodeError where the node does not know the study, ExportError where nothing of it
    can be cleaned.
    """
    settings = load()
    with ledger(settings) as book, closing(OrthancArchive.connect(settings)) as archive:
        study = book.queries.detail(wish.study_instance_uid)
        if study is None:
            raise NodeError(f"the worklist has no study {wish.study_instance_uid}")
        profile = Profile(_pseudonyms(settings), wish.shift_dates)
        told = Exported(profile.pseudonyms.uid(wish.study_instance_uid))
        book.audit.append(
            wish.person,
            "study.export",
            study_instance_uid=wish.study_instance_uid,
            detail=f"de-identified as {told.study_instance_uid}",
        )
        limits = policy.load(settings.policy).limits
        instances = _ours_last(_instances(archive, wish), study)
        _write(wish, profile, limits, instances, told)
    if not told.files:
        raise ExportError(
            f"nothing of study {wish.study_instance_uid} was exported: "
            + "; ".join(sorted({reason for _, reason in told.left_out}))
        )
    _tell(wish, told, as_json=as_json)


def _pseudonyms(settings: Settings) -> Pseudonyms:
    return Pseudonyms.of_site(Layout.of(settings).home / "secrets" / "export.key")


def _instances(archive: OrthancArchive, wish: Wish) -> Iterator[Dataset | None]:
    """Yield every object that the archive holds of the study; None for one that is damaged."""
    study = archive.study(wish.study_instance_uid)
    refs = [ref for series in study.series for ref in series.instances]
    for ref in track(refs, "exporting", console=err, transient=True):
        try:
            instance = parse(archive.instance(ref))
            refer(instance)
            yield instance
        except PixelError:
            yield None


def _ours_last(
    instances: Iterator[Dataset | None], study: StudyDetail
) -> Iterator[tuple[Dataset | None, bool]]:
    """Yield objects with whether they are this node's results, those after what they show."""
    ours = {ref.sop_instance_uid for ref in (*study.reports, *study.heatmaps)}
    results = []
    for instance in instances:
        if instance is not None and str(instance.get("SOPInstanceUID")) in ours:
            results.append(instance)
        else:
            yield instance, False
    yield from ((result, True) for result in results)


def _write(
    wish: Wish,
    profile: Profile,
    limits: Limits,
    instances: Iterator[tuple[Dataset | None, bool]],
    told: Exported,
) -> None:
    folder = wish.output / told.study_instance_uid
    images: set[str] = set()
    for instance, is_ours in instances:
        if instance is None:
            told.left_out.append(("", _UNREADABLE))
            continue
        original = str(instance.get("SOPInstanceUID", ""))
        reason = _reason(instance, wish, images, is_ours=is_ours) or _unpack(instance, limits)
        if reason is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = folder / f"{profile.pseudonyms.uid(original)}.dcm"
            file.write_bytes(_encoded(cleaned(instance, profile)))
            told.files.append(str(file))
            images.add(original)
        else:
            told.left_out.append((profile.pseudonyms.uid(original), reason))


def _reason(instance: Dataset, wish: Wish, images: set[str], *, is_ours: bool) -> str | None:
    try:
        if not is_ours:
            return choice.left_out(instance, burned_in_too=wish.burned_in_too)
        return None if choice.shown(instance) <= images else choice.SHOWS_LEFT_OUT
    except UNREADABLE:
        return _UNREADABLE


def _unpack(instance: Dataset, limits: Limits) -> str | None:
    """Decode the pixels within the node's limits and store them plain; say why not, else None."""
    if "PixelData" not in instance:
        return None
    try:
        pixels.store(instance, decode.stored(instance, limits))
    except PixelError as exc:
        return f"{choice.UNDECODED}: {exc.reason}"
    except ExportError as exc:
        return str(exc)
    return None


def _encoded(dataset: Dataset) -> bytes:
    target = BytesIO()
    try:
        dcmwrite(target, dataset, enforce_file_format=True)
    except UNREADABLE as exc:
        raise ExportError(f"an object cannot be written: {type(exc).__name__}") from exc
    return target.getvalue()


def _tell(wish: Wish, told: Exported, *, as_json: bool) -> None:
    if as_json:
        left_out = [{"sop_instance_uid": uid, "reason": why} for uid, why in told.left_out]
        print_json(
            {
                "study_instance_uid": told.study_instance_uid,
                "exported_by": wish.person,
                "files": told.files,
                "left_out": left_out,
            }
        )
        return
    _print_reasons([why for _, why in told.left_out])
    out.print(f"{len(told.files)} objects in {wish.output / told.study_instance_uid}",
              markup=False, soft_wrap=True)  # fmt: skip


def _print_reasons(reasons: Sequence[str]) -> None:
    for reason in dict.fromkeys(reasons):
        err.print(f"not exported, {reasons.count(reason)}: {reason}", markup=False, soft_wrap=True)
