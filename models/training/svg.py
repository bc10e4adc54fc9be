"""Charts as inline SVG whose colours are the page's own, so that they follow light and dark."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#0a0b01"
QUIET: Final = "#0a0b02"
_GRID: Final = "#0a0b03"
_SERIES: Final = tuple(f"#0a0c0{number}" for number in range(1, 7))
_LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
LineStyle = str | tuple[float, tuple[float, ...]]

_VARIABLES: Final = {INK: "ink", QUIET: "quiet", _GRID: "line"} | {
    colour: f"series-{number}" for number, colour in enumerate(_SERIES, 1)
}
"""Stand-in colours for matplotlib, and the style sheet's names that take their place."""
_NOISE: Final = re.compile(
    r"""<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<style.*?</style>"""
    r"""|\ id="[\w.]+_\d+"|\ (?:width|height)="[\d.]+pt"|font-family:[^;"]*;?\ ?""",
    re.DOTALL | re.VERBOSE,
)
"""What a page does not need of matplotlib's SVG, or must not have twice."""


def colours(n: int) -> list[str]:
    """Return ``n`` colours that colour-blind readers tell apart; they repeat after the sixth."""
    return list(islice(cycle(_SERIES), n))


def lines(n: int) -> list[LineStyle]:
    """Return ``n`` line styles, so that no chart needs its colours."""
    return list(islice(cycle(_LINES), n))


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of ``width`` x ``height`` inches in the report's style."""
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "font.size": 9,
            "text.parse_math": False,
            "text.color": INK,
            "axes.edgecolor": QUIET,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": _GRID,
            "grid.linewidth": 0.6,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "legend.handlelength": 2.6,
            "lines.linewidth": 1.7,
        }
    ):
        yield Figure(figsize=(width, height), layout="constrained")


def inline(drawn: Figure, alt: str) -> str:
    """Return a figure as an SVG element that says ``alt`` to those who do not see it.

    Call it inside `figure`'s context. Names inside the SVG derive from ``alt``, so that those of
    two charts on one page differ.
    """
    out = io.StringIO()
    mpl.rcParams["svg.hashsalt"] = alt
    drawn.patch.set_alpha(0)
    for axes in drawn.axes:
        axes.patch.set_alpha(0)
    drawn.savefig(out, format="svg", metadata={"Date": None})
    text = _NOISE.sub("", out.getvalue())
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    head = f'<svg class="chart" role="img" aria-label="{html.escape(alt)}" '
    return head + text.partition("<svg ")[2]


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Give both axes 0 to 1 and a name."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=x, ylabel=y, aspect="equal")
