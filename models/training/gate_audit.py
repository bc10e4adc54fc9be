"""The gates measured: how often each kind of image or series is refused, and how often wrongly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import StudyRefused
from dicom_node.policy import load as load_policy
from models.card import Figure
from models.gate import cxr
from models.gate.ct import CtGate
from models.gate.cxr import Limits
from models.gate.features import GateNetwork
from models.imaging import Float
from models.training import (
    alterations,
    bodyparts,
    ct_strangers,
    gate_cases,
    gate_fit,
    metrics,
    negatives,
    strangers,
    volumes,
)
from models.training.alterations import Wanted
from models.training.ct_strangers import Stranger
from models.training.gate_cases import Case
from models.training.job import Job

_MADE_BY: Final = (alterations, bodyparts, cxr, gate_cases, negatives, strangers)
_CT_MADE: Final = 5
_SAYS: Final = {
    Wanted.PASS: "passed",
    Wanted.REFUSE: "refused",
    Wanted.EITHER: "refused, either is right",
}


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Everything the film gate is measured on.

    ``raw`` (n, 2, features) half precision: each image as it is and with its greys inverted.
    """

    raw: NDArray[np.float16]
    blank: NDArray[np.bool_]
    kind: NDArray[np.str_]
    on: NDArray[np.str_]
    wanted: NDArray[np.str_]
    group: NDArray[np.str_]
    source: NDArray[np.str_]


def cohort(job: Job, network: GateNetwork) -> Cohort:
    """Return features of all cases, part by part from the cache where they lie there."""
    print_of_code = gate_fit.fingerprint(_MADE_BY)
    found = []
    for name, cases in gate_cases.parts(job.data, load_policy().limits):
        file = job.cache / f"gate-cases-{name}-{network.grid}-{print_of_code}.npz"
        if not file.is_file():
            job.progress.say(f"computing features of what the gate is measured on: {name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            part = _seen(network, cases)
            np.savez(file, **{key: getattr(part, key) for key in Cohort.__slots__})
        stored = np.load(file)
        found.append(Cohort(**{key: stored[key] for key in stored.files}))
    columns = {key: [getattr(part, key) for part in found] for key in Cohort.__slots__}
    return Cohort(**{key: np.concatenate(column) for key, column in columns.items()})


def _seen(network: GateNetwork, cases: Iterator[Case]) -> Cohort:
    met: list[tuple[str, str, str, str, str]] = []
    blank: list[bool] = []

    def inputs() -> Iterator[Float]:
        for case in cases:
            pixels = np.ascontiguousarray(case.pixels, dtype=np.float32)
            met.append((case.kind, case.on, case.wanted.value, case.group, case.source))
            blank.append(cxr.is_blank(pixels))
            yield from cxr.network_inputs(pixels)

    raw = gate_fit.raw_features(network, inputs())
    kind, on, wanted, group, source = (np.array(column) for column in zip(*met, strict=True))
    return Cohort(raw.reshape(len(met), 2, -1), np.array(blank), kind, on, wanted, group, source)


def codes(network: GateNetwork, limits: Limits, met: Cohort) -> NDArray[np.str_]:
    """Return the refusal code of each case, empty where it passes."""
    as_it_is = gate_fit.judge(network, met.raw[:, 0])
    inverted = gate_fit.judge(network, met.raw[:, 1])
    found = []
    for first, second, blank in zip(as_it_is, inverted, met.blank, strict=True):
        code = cxr.verdict(first, second, limits).code
        found.append("BLANK_IMAGE" if blank else "" if code is None else code.value)
    return np.array(found)


def figures(network: GateNetwork, limits: Limits, met: Cohort) -> tuple[Figure, ...]:
    """Return how often each kind of image is passed or refused."""
    said = codes(network, limits, met) != ""
    found = []
    for on, kind in dict.fromkeys(zip(met.on.tolist(), met.kind.tolist(), strict=True)):
        mine = (met.on == on) & (met.kind == kind)
        wanted = Wanted(met.wanted[mine][0])
        hit = ~said[mine] if wanted is Wanted.PASS else said[mine]
        name = f"{_SAYS[wanted]}: {kind}"
        found.append(metrics.figure(name, on, metrics.rate(hit), met.group[mine]))
    return tuple(found)


def unseen_figures(
    others: Mapping[str, GateNetwork], limits: Limits, met: Cohort
) -> tuple[Figure, ...]:
    """Return how often films are passed by gates that were fitted without their source."""
    found = []
    for source, network in others.items():
        mine = met.source == source
        part = Cohort(**{key: getattr(met, key)[mine] for key in Cohort.__slots__})
        passed = codes(network, limits, part) == ""
        name = "passed: frontal film, fitted without its source"
        found.append(metrics.figure(name, source, metrics.rate(passed), part.group))
    return tuple(found)


def _series(job: Job) -> Iterator[tuple[str, Stranger]]:
    for name in volumes.names(job.data):
        for stranger in ct_strangers.of_volume(volumes.read(job.data, name).sample):
            yield name, stranger
    for index, stranger in enumerate(ct_strangers.made(_CT_MADE)):
        yield str(index), stranger


def series_figures(job: Job) -> tuple[Figure, ...]:
    """Return how often the CT gate passes or refuses each kind of series."""
    gate = CtGate()
    hits: dict[tuple[str, Wanted], list[bool]] = {}
    for _, stranger in _series(job):
        try:
            gate.check(stranger.sample)
            refused = False
        except StudyRefused:
            refused = True
        right = refused if stranger.wanted is not Wanted.PASS else not refused
        hits.setdefault((stranger.kind, stranger.wanted), []).append(right)
    return tuple(
        metrics.figure(
            f"{_SAYS[wanted]}: {kind}",
            "CT series",
            metrics.rate(np.array(right)),
            np.arange(len(right)).astype(str),
        )
        for (kind, wanted), right in hits.items()
    )
