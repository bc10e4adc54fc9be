"""Images from files and folders, for ``dicom-node analyze``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_node.domain import Refusal, RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import wrap
from dicom_node.pixels.load import Loaded, parse, refer

_PICTURES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not read, and why."""

    path: Path
    refusal: Refusal


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a set of files and folders holds, in the order of their paths."""

    loaded: tuple[Loaded, ...]
    skipped: tuple[Skipped, ...]


def read(paths: Sequence[Path], modality: str | None = None) -> Reading:
    """Read DICOM files, folders of them (with sub-folders), and pictures.

    A JPEG or PNG is read only where ``modality`` says what it is. What cannot be read is
    skipped with a refusal; nothing raises but OSError from the file system itself.
    """
    loaded: list[Loaded] = []
    skipped: list[Skipped] = []
    for path in _files(paths):
        try:
            loaded.append(_one(path, modality))
        except PixelError as exc:
            skipped.append(Skipped(path, Refusal(RefusalCode(exc.code), exc.reason)))
    return Reading(tuple(loaded), tuple(skipped))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file())
        else:
            yield path


def _one(path: Path, modality: str | None) -> Loaded:
    if path.suffix.lower() in _PICTURES:
        if modality is None:
            raise PixelError(
                RefusalCode.MODALITY_NOT_SUPPORTED,
                "A picture is read only with a modality given for it.",
            )
        dataset = wrap.radiograph(path, modality)
    else:
        dataset = parse(path.read_bytes())
    return Loaded(refer(dataset), dataset)
