"""``dicom-node analyze``: gate and model in process, no server at all."""

# A command imports what it needs when it runs, so that `dicom-node --help` answers at once.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.cli.edge import Exit

if TYPE_CHECKING:
    from dicom_node.domain import WorklistItem

_EXIT = {"REPORTED": Exit.OK, "REFUSED": Exit.REFUSED, "FAILED": Exit.FAILED}
_GRAVEST = (Exit.FAILED, Exit.REFUSED, Exit.OK)


def analyze(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", exists=True, help="DICOM files, folders, JPEG or PNG."),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Write the report and the heatmap into this folder.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="What a JPEG or PNG is: CR or DX. DICOM files say it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Read DICOM files without any server; exit 0 reported, 3 refused, 1 failed."""
    from dicom_node import jsonform
    from dicom_node.cli import console, table
    from worker.bench import Bench

    with console.err.status("Loading the models"):
        bench = Bench.open(output)
    items = bench.analyze(paths, modality)
    if json:
        plain = [jsonform.item(item) for item in items]
        console.print_json(plain[0] if len(plain) == 1 else {"items": plain})
    else:
        console.out.print(table.worklist(items))
    raise typer.Exit(_exit_code(items))


def _exit_code(items: "tuple[WorklistItem, ...]") -> Exit:
    codes = {_EXIT[item.state] for item in items}
    return next(code for code in _GRAVEST if code in codes)
