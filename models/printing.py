"""What the ``models`` commands print: JSON for programs, tables for people."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from models.card import Figure

_LOG_WIDTH = 180
"""Where nobody looks at a terminal, lines stay whole."""

out: Final = Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]


def print_json(value: object) -> None:
    """Print a value as JSON."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def number(figure: Figure) -> str:
    """Return a figure's value, with its interval where there is one."""
    ends = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends}"


def titled(title: str, *heads: str) -> Table:
    """Return an empty table with its title above it."""
    return Table(*heads, title=title, title_justify="left", title_style="bold", box=box.SIMPLE)


def figures_table(title: str, figures: Sequence[Figure]) -> Table:
    """Return the figures of a card as a table."""
    table = titled(title, "figure", "on", "value (95 %)", "n")
    table.columns[-1].justify = "right"
    for figure in figures:
        table.add_row(figure.name, figure.on, number(figure), str(figure.n))
    return table
