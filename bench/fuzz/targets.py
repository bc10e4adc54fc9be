"""What is fuzzed: each part of the node that foreign bytes reach, called as the node calls it."""

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from bench.fuzz import seeds
from bench.fuzz.mutate import mutated
from dicom_node import policy
from dicom_node.domain import (
    Box,
    Heatmap,
    Presence,
    Region,
    SeriesRef,
    StudyKind,
    StudyRef,
    WorklistItem,
)
from dicom_node.intake import completeness
from dicom_node.intake.eligibility import eligible, modality
from dicom_node.pixels import decode, header
from dicom_node.pixels.digest import pixel_digest
from dicom_node.pixels.geometry import plane
from dicom_node.pixels.load import Loaded, parse, refer
from dicom_node.pixels.reconstruction import is_original, sharpness
from dicom_node.pixels.select import select
from dicom_node.report.encode import to_file
from dicom_node.report.registry import writers
from models import runtime as model_runtime
from models.gate.ct import CtGate
from models.gate.cxr import is_blank, network_inputs
from tests import builders
from worker.bench import Bench

Study = tuple[bytes, ...]
RULES: Final = policy.load(None)
LIMITS: Final = RULES.limits
_EDGE = 64
_SUFFIXES = (".dcm", "", ".png", ".jpg", ".DCM")


@dataclass(frozen=True, slots=True)
class Target:
    """One part of the node: how a study for it is made, and how it is called.

    ``call`` returns what became of the study; it may raise a `NodeError`, and nothing else.
    """

    make: Callable[[random.Random, Path], Study]
    call: Callable[[Study], str]
    share: float
    """Its share of a campaign's inputs."""


@cache
def _pool(folder: Path, kind: str) -> Study:
    return seeds.pool(folder / kind)


def _any(rng: random.Random, folder: Path) -> Study:
    files = _pool(folder, seeds.FILMS) + _pool(folder, seeds.OTHERS)
    return (mutated(rng, rng.choice(files), files),)


def _one_film(rng: random.Random, folder: Path) -> Study:
    files = _pool(folder, seeds.FILMS)
    return (mutated(rng, rng.choice(files), files),)


def _series(rng: random.Random, folder: Path) -> Study:
    """Return a CT series of which one to all slices are damaged, alike or each in its own way."""
    files, others = list(_pool(folder, seeds.SLICES)), _pool(folder, seeds.OTHERS)
    alike = rng.random() < 0.4  # noqa: PLR2004
    same = rng.randrange(2**32)
    for at in rng.sample(range(len(files)), rng.choice((1, 2, len(files)))):
        files[at] = mutated(random.Random(same) if alike else rng, files[at], others)
    return tuple(files)


def _loaded(study: Study) -> list[Loaded]:
    datasets = [parse(file) for file in study]
    return [Loaded(refer(dataset), dataset) for dataset in datasets]


def _decode(study: Study) -> str:
    for one in _loaded(study):
        pixel_digest(one.dataset)
        decode.frame(one.dataset, LIMITS)
    return "decoded"


def _film(study: Study) -> str:
    for sample in select(StudyKind.CXR, _loaded(study), LIMITS).samples:
        if not is_blank(sample.pixels):
            network_inputs(sample.pixels)
    return "prepared"


def _stack(study: Study) -> str:
    for sample in select(StudyKind.CT, _loaded(study), LIMITS).samples:
        CtGate().check(sample)
    return "passed the gate"


def _geometry(study: Study) -> str:
    for one in _loaded(study):
        sharpness(one.dataset)
        is_original(one.dataset)
        plane(one.dataset)
    return "placed"


def _eligibility(study: Study) -> str:
    """List the study with what its header says, as an archive would, and apply the rules."""
    loaded = _loaded(study)
    series = tuple(
        SeriesRef(
            one.ref.series_instance_uid,
            header.text(one.dataset, "Modality"),
            "",
            (one.ref,),
            positions_mm=header.numbers(one.dataset, "ImagePositionPatient"),
        )
        for one in loaded
    )
    patient = [header.text(one.dataset, "PatientID") for one in loaded]
    listed = StudyRef(header.text(loaded[0].dataset, "StudyInstanceUID"), "", patient[0],
                      header.text(loaded[0].dataset, "PatientName"), "", "", series)  # fmt: skip
    modality(listed)
    completeness.ready_at(eligible(listed, RULES), RULES)
    return "eligible"


def _report(study: Study) -> str:
    """Write every result object of a reading of these images, and read it back."""
    loaded = _loaded(study)
    images = [one.dataset for one in loaded]
    first = loaded[0]
    kind = StudyKind.CT if header.text(images[0], "Modality") == "CT" else StudyKind.CXR
    where = Region(first.ref.sop_instance_uid, Box(1, 2, 30, 40))
    result = replace(
        builders.result([builders.Film().build()]),
        study_instance_uid=header.text(images[0], "StudyInstanceUID"),
        kind=kind,
        evidence=tuple(one.ref for one in loaded),
        findings=tuple(
            builders.finding(label, 0.7, Presence.PRESENT, where) for label in builders.LABELS
        ),
    )
    flat = np.full((_EDGE, _EDGE), 0.5, np.float32)
    maps = [Heatmap(builders.LABELS[0], first.ref, flat, flat)]
    for writer in writers("AITRIAGE").values():
        _read_back(to_file(writer.write(result, images, maps)))
    return "reported"


def _read_back(file: bytes) -> None:
    """Decode every value of an object of ours; what pydicom cannot read must not be written."""
    written = parse(file)
    for element in written.iterall():
        str(element.value)
    if written.SpecificCharacterSet != "ISO_IR 192":
        raise AssertionError("the report's character set is not UTF-8")


@cache
def _bench(output: Path) -> Bench:
    runtime = model_runtime.load("cpu", RULES.models, ())
    return Bench(runtime, RULES, tuple(writers("AITRIAGE").values()), output)


def _analyze(study: Study) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number, content in enumerate(study):
            (folder / f"{number}{_SUFFIXES[len(content) % len(_SUFFIXES)]}").write_bytes(content)
        items = replace(_bench(Path()), output=folder / "output").analyze([folder], "CR")
    return " ".join(sorted({_end(item) for item in items}))


def _end(item: WorklistItem) -> str:
    return item.refusal.code if item.refusal else item.state.value


TARGETS: Final[dict[str, Target]] = {
    "decode": Target(_any, _decode, 0.35),
    "film": Target(_one_film, _film, 0.17),
    "stack": Target(_series, _stack, 0.06),
    "geometry": Target(_any, _geometry, 0.1),
    "eligibility": Target(_any, _eligibility, 0.1),
    "report": Target(_any, _report, 0.2),
    "analyze": Target(_any, _analyze, 0.02),
}


def study(target: str, seed: int, index: int, folder: Path) -> Study:
    """Return the input of this number: the same for the same seed and seeds' folder."""
    rng = random.Random(f"{seed} {target} {index}")
    return TARGETS[target].make(rng, folder)
