"""How far a model in the shadow agrees with the one that is served, over the same studies.

Pure: two readings in, figures out. Shares have a 95 % interval after Wilson; kappa is Cohen's,
unweighted; correlation is Pearson's. A figure that the studies do not allow is None.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from dicom_node.domain import (
    Assessment,
    ModelIdentity,
    Presence,
    ReadingPair,
    ShadowState,
    Statement,
    StudyKind,
)

_LARGEST: Final = 10
_FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``n`` with a 95 % interval."""

    count: int
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FindingAgreement:
    """Agreement on one label that both models have."""

    label: str
    n: int
    presence: Share
    kappa: float | None
    mean_absolute_difference: float
    correlation: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The label of a study on which the two probabilities lie farthest apart."""

    study_instance_uid: str
    label: str
    served: float
    shadow: float


@dataclass(frozen=True, slots=True)
class Assessed:
    """Studies that a reader has assessed, by who was right; ``unclear``: the verdict tells not."""

    both: int
    served_only: int
    shadow_only: int
    neither: int
    unclear: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """One served model and one shadow.

    ``failed`` counts studies that the shadow could not read, by reason; ``not_ended`` those that
    it is reading now, or that were lost with a worker. ``top`` is the agreement on what each
    model says first: its most probable label, or the presence of the only one.
    """

    kind: StudyKind
    served: ModelIdentity
    shadow: ModelIdentity
    n: int
    failed: dict[str, int]
    not_ended: int
    top: Share | None
    top_kappa: float | None
    priority: Share | None
    median_ms: float | None
    p95_ms: float | None
    findings: tuple[FindingAgreement, ...]
    largest: tuple[Disagreement, ...]
    assessed: Assessed


def agreements(pairs: Sequence[ReadingPair]) -> tuple[Agreement, ...]:
    """Return one agreement for each pair of models that met, in the order of their meeting."""
    met: defaultdict[tuple[StudyKind, ModelIdentity, ModelIdentity], list[ReadingPair]]
    met = defaultdict(list)
    for pair in pairs:
        met[pair.kind, pair.served.model, pair.shadow.model].append(pair)
    return tuple(_agreement(of_two) for of_two in met.values())


def _agreement(pairs: Sequence[ReadingPair]) -> Agreement:
    first = pairs[0]
    read = [pair for pair in pairs if pair.shadow.state is ShadowState.READ]
    failed = (p.shadow.error for p in pairs if p.shadow.state is ShadowState.FAILED)
    tops = [(top(p.served.statements), top(p.shadow.statements)) for p in read]
    priorities = [(str(p.served.priority), str(p.shadow.priority)) for p in read]
    elapsed = [p.shadow.elapsed_ms for p in read if p.shadow.elapsed_ms is not None]
    return Agreement(
        kind=first.kind,
        served=first.served.model,
        shadow=first.shadow.model,
        n=len(read),
        failed=dict(Counter(failed).most_common()),
        not_ended=sum(p.shadow.state is ShadowState.STARTED for p in pairs),
        top=_share(tops),
        top_kappa=kappa(tops),
        priority=_share(priorities),
        median_ms=float(np.median(elapsed)) if elapsed else None,
        p95_ms=float(np.quantile(elapsed, 0.95)) if elapsed else None,
        findings=_findings(read),
        largest=_largest(read),
        assessed=_assessed(read),
    )


def top(statements: Sequence[Statement]) -> str:
    """Return what a model says first; of one label alone, whether it is there."""
    if len(statements) == 1:
        return f"{statements[0].label} {statements[0].presence}"
    return max(statements, key=lambda s: s.probability).label if statements else ""


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa; None where nobody ever said two different things."""
    if len({word for pair in pairs for word in pair}) < 2:  # noqa: PLR2004  # no choice at all
        return None
    served, shadow = zip(*pairs, strict=True)
    return float(cohen_kappa_score(served, shadow))


def _share(pairs: Sequence[tuple[str, str]]) -> Share | None:
    if not pairs:
        return None
    count, n = sum(a == b for a, b in pairs), len(pairs)
    ends = stats.binomtest(count, n).proportion_ci(method="wilson")
    return Share(count, n, count / n, float(ends.low), float(ends.high))


def _both(pair: ReadingPair) -> list[tuple[Statement, Statement]]:
    """Return the statements on labels that both models have."""
    shadow = {s.label: s for s in pair.shadow.statements}
    return [(s, shadow[s.label]) for s in pair.served.statements if s.label in shadow]


def _findings(read: Sequence[ReadingPair]) -> tuple[FindingAgreement, ...]:
    by_label: defaultdict[str, list[tuple[Statement, Statement]]] = defaultdict(list)
    for pair in read:
        for served, shadow in _both(pair):
            by_label[served.label].append((served, shadow))
    return tuple(_finding(label, said) for label, said in by_label.items())


def _finding(label: str, said: Sequence[tuple[Statement, Statement]]) -> FindingAgreement:
    presences = [(a.presence.value, b.presence.value) for a, b in said]
    share = _share(presences)
    if share is None:
        raise ValueError("a label that nobody spoke of")
    probabilities = np.array([(a.probability, b.probability) for a, b in said])
    return FindingAgreement(
        label=label,
        n=len(said),
        presence=share,
        kappa=kappa(presences),
        mean_absolute_difference=float(np.abs(np.diff(probabilities, axis=1)).mean()),
        correlation=_correlation(probabilities),
    )


def _correlation(probabilities: np.ndarray) -> float | None:
    """Return Pearson's r of (n, 2) probabilities; None for few studies or one that never moves."""
    if len(probabilities) < _FEWEST or np.ptp(probabilities, axis=0).min() == 0:
        return None
    return float(stats.pearsonr(*probabilities.T).statistic)


def _largest(read: Sequence[ReadingPair]) -> tuple[Disagreement, ...]:
    """Return the studies with the widest gap, each by its widest label."""
    found = []
    for pair in read:
        if both := _both(pair):
            served, shadow = max(both, key=_gap)
            said = (served.label, served.probability, shadow.probability)
            found.append(Disagreement(pair.study_instance_uid, *said))
    found.sort(key=lambda d: (-abs(d.served - d.shadow), d.study_instance_uid))
    return tuple(found[:_LARGEST])


def _gap(said: tuple[Statement, Statement]) -> float:
    return abs(said[0].probability - said[1].probability)


def _assessed(read: Sequence[ReadingPair]) -> Assessed:
    counted = Counter(_verdict(p, p.assessment) for p in read if p.assessment is not None)
    return Assessed(
        both=counted[True, True],
        served_only=counted[True, False],
        shadow_only=counted[False, True],
        neither=counted[False, False],
        unclear=counted[None],
    )


def _verdict(pair: ReadingPair, assessment: Assessment) -> tuple[bool, bool] | None:
    """Return whether the served model and the shadow were right, None where one cannot tell.

    A verdict on a finding is about its presence, one without is about what the model said first.
    Accepted means that the served model was right. Rejected or amended, it was wrong, and the
    shadow is right only where it said the opposite on that finding.
    """
    accepted = assessment.verdict == "accept"
    if assessment.finding is None:
        same = top(pair.served.statements) == top(pair.shadow.statements)
        if accepted:
            return True, same
        return (False, False) if same else None
    both = {served.label: (served, shadow) for served, shadow in _both(pair)}
    if assessment.finding not in both:
        return None
    served, shadow = (said.presence for said in both[assessment.finding])
    if accepted:
        return True, served is shadow
    if Presence.UNDETERMINED in {served, shadow}:
        return (False, False) if served is shadow else None
    return False, served is not shadow
