"""``dicom-node doctor``."""

from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from dicom_node.cli.access import login
from dicom_node.cli.console import out, print_json
from dicom_node.cli.edge import Exit
from dicom_node.settings import load
from dicom_node.supervision.checks import Outcome, run

_STYLES = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "bold red"}


def doctor(*, as_json: bool) -> None:
    """Print every check; exit 1 where one failed."""
    settings = load()
    checks = (*run(settings), *login(settings))
    sound = all(check.outcome is not Outcome.FAILED for check in checks)
    if as_json:
        print_json({"sound": sound, "checks": [asdict(check) for check in checks]})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            advice = f"\n→ {check.advice}" if check.advice else ""
            outcome = Text(check.outcome.value, style=_STYLES[check.outcome])
            table.add_row(outcome, check.name, Text(check.found + advice))
        out.print(table)
    if not sound:
        raise typer.Exit(Exit.FAILED)
