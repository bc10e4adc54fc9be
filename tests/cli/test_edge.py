"""Errors at the edge: exit codes, and how much is said."""

import pytest
import typer
from typer.testing import CliRunner

from dicom_node.cli.edge import EdgeGroup, Exit, exit_code
from dicom_node.errors import ArchiveUnavailable, NodeError, PixelError, StudyRefused


def failing(error: Exception) -> typer.Typer:
    """Return commands of which one fails."""
    app = typer.Typer(cls=EdgeGroup, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None:
        """Exist, so that the first is a command with a name."""

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NodeError("x"), Exit.FAILED),
        (ArchiveUnavailable("x"), Exit.FAILED),
        (StudyRefused("NOT_CHEST", "x"), Exit.REFUSED),
        (PixelError("UNDECODABLE", "x"), Exit.REFUSED),
    ],
)
def test_each_error_has_its_exit_code(error: NodeError, code: Exit) -> None:
    assert exit_code(error) is code
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr == f"dicom-node: {error}\n"


def test_debug_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_LOG_LEVEL", "DEBUG")
    result = CliRunner().invoke(failing(NodeError("x")), ["fail"])
    assert isinstance(result.exception, NodeError)


def test_an_error_of_ours_alone_is_caught() -> None:
    result = CliRunner().invoke(failing(ZeroDivisionError()), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)
