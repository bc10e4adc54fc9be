"""The gate's figures as the table of ``docs/models/gate.md``."""

from collections.abc import Iterator, Sequence
from typing import Final

from models.card import Figure

_ASKED: Final = {"passed": "pass", "refused": "refuse", "refused, either is right": "either"}
_HEAD: Final = (
    "| what | from | wanted | passed | refused | of | as wanted (95 %) |",
    "|---|---|---|---|---|---|---|",
)


def _row(figure: Figure) -> str:
    says, _, kind = figure.name.partition(": ")
    hits = round(figure.value * figure.n)
    passed, refused = (hits, figure.n - hits) if says == "passed" else (figure.n - hits, hits)
    share = "" if says not in {"passed", "refused"} else f"{100 * figure.value:.1f} %"
    if share and figure.low is not None and figure.high is not None:
        share += f" ({100 * figure.low:.0f} to {100 * figure.high:.0f})"
    return (
        f"| {kind} | {figure.on} | {_ASKED[says]} | {passed} | {refused} | {figure.n} | {share} |"
    )


def _rows(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _HEAD
    yield from map(_row, figures)


def markdown(figures: Sequence[Figure]) -> str:
    """Return one row for each figure of the gate's card."""
    return "\n".join(_rows(figures)) + "\n"
