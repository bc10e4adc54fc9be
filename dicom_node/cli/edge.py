"""The outer edge of the command line: an error of the node is one line and an exit code."""

from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from dicom_node.errors import NodeError, SettingsError, StudyRefused


class Exit(IntEnum):
    """What a command tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3


class EdgeGroup(TyperGroup):
    """Runs a command and turns a `NodeError` into one line on standard error.

    NODE_LOG_LEVEL=DEBUG lets the traceback through.
    """

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # typer vendors its context type
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except NodeError as exc:
            if _debug():
                raise
            typer.echo(f"dicom-node: {exc}", err=True)
            raise typer.Exit(exit_code(exc)) from exc


def exit_code(exc: NodeError) -> Exit:
    """Return the exit code for an error."""
    return Exit.REFUSED if isinstance(exc, StudyRefused) else Exit.FAILED


def _debug() -> bool:
    from dicom_node.settings import load  # noqa: PLC0415  # slow to import, wanted on error only

    try:
        return load().log_level == "DEBUG"
    except SettingsError:
        return False
