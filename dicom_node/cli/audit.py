"""The commands under ``dicom-node audit``; carried out in `dicom_node.cli.trail`."""

# A command imports what it needs when it runs, so that `dicom-node --help` answers at once.
# ruff: noqa: PLC0415

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How the trail is written down."""

    JSON = "json"
    DICOM = "dicom"


Study = Annotated[str | None, typer.Option("--study", metavar="UID", help="Of this study only.")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", help="Not older than this, in UTC: 2026-03-01 or 2026-03-01T08:00:00."),
]

app = typer.Typer(help="Show, verify and export the audit trail.", invoke_without_command=True)


@app.callback()
def show(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    context: typer.Context,
    study: Study = None,
    actor: Annotated[
        str | None, typer.Option(help="Of this person or process only: by name, or by its subject.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Of this action only: study.open.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show who did what, newest first."""
    if context.invoked_subcommand is not None:
        return
    from dicom_node.cli import trail
    from dicom_node.ledger import AuditFilter

    wanted = AuditFilter(study, action=action, since=trail.in_utc(since), who=actor)
    trail.show(wanted, limit, as_json=json)


@app.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="ID:HASH", help="A head that was noted elsewhere, as in the log."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Examine the chain; exit 1 and name the first entry that does not fit."""
    from dicom_node.cli import trail

    trail.verify(head, as_json=json)


@app.command()
def export(
    format_: Annotated[Format, typer.Option("--format", help="json, or DICOM audit messages.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file, instead of standard output.")
    ] = None,
    study: Study = None,
    since: Since = None,
) -> None:
    """Write the trail down, oldest first: one entry in each line."""
    from dicom_node.cli import trail
    from dicom_node.ledger import AuditFilter

    wanted = AuditFilter(study, since=trail.in_utc(since))
    trail.export(wanted, output, as_dicom=format_ is Format.DICOM)
