"""``dicom-node up``, ``down`` and ``status``."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from dicom_node import policy
from dicom_node.cli import queries
from dicom_node.cli.access import require_users
from dicom_node.cli.console import err, out, print_json
from dicom_node.cli.edge import Exit
from dicom_node.errors import LedgerError, NodeError
from dicom_node.settings import Settings, load
from dicom_node.supervision import health, lifecycle, opening
from dicom_node.supervision.home import Layout

_PLAIN = "DICOM is open to other machines, plain and without any proof (NODE_DICOM_PLAIN)"
_STYLES = {"RUNNING": "green", "STARTING": "yellow"}


def up(*, detach: bool, wait_s: float) -> None:
    """Start the node unless it runs already."""
    settings = load()
    policy.load(settings.policy)
    if lifecycle.is_running(settings):
        out.print(f"already running in {settings.root}", soft_wrap=True)
    else:
        configuration = lifecycle.prepare(settings)
        require_users(settings)
        _note(settings, "node.start")
        if not detach:
            _print_addresses(settings)
            lifecycle.start_in_foreground(
                configuration, lambda lives: _tell_start(settings, wait_s, lives)
            )
        lifecycle.start_detached(configuration)
    if opening.is_plain_and_open(settings):
        err.print(_PLAIN, style="bold red", soft_wrap=True)
    if wait_s > 0:
        wait_ready(settings, wait_s)
    _print_addresses(settings)


def wait_ready(settings: Settings, deadline_s: float) -> None:
    """Wait with a spinner; raise NodeError that says what is amiss at the deadline.

    Where a part dies at its start, that is said at once.
    """
    start = time.monotonic()
    with err.status("starting") as spinner:
        ready, amiss = lifecycle.wait_ready(
            settings, deadline_s, lambda text: spinner.update(f"starting: {text}")
        )
    if not ready:
        raise NodeError(
            f"the node is not ready after {time.monotonic() - start:.0f} s: {amiss}; "
            f"see {Layout.of(settings).logs}"
        )


def _tell_start(settings: Settings, deadline_s: float, lives: Callable[[], bool]) -> None:
    """Say on one line that the node is ready, or what is amiss; nothing where it ends before."""

    def go_on(_: str) -> None:
        if not lives():
            raise KeyboardInterrupt

    try:
        ready, amiss = lifecycle.wait_ready(settings, deadline_s, go_on)
    except KeyboardInterrupt:
        return
    except NodeError as exc:
        ready, amiss = False, str(exc)
    if ready:
        err.print("the node is ready", soft_wrap=True)
    elif lives():
        err.print(f"the node is not ready: {amiss}", markup=False, soft_wrap=True)


def _print_addresses(settings: Settings) -> None:
    for line in addresses(settings):
        out.print(line, soft_wrap=True)


def addresses(settings: Settings) -> tuple[str, ...]:
    """Return one line for each way into the node."""
    port = f"port {settings.dicom_port} of {settings.listen_address}"
    return (
        f"worklist   {settings.public}/ai/",
        f"viewer     {settings.public}/ohif/",
        f"Orthanc    {settings.public}/app/explorer.html",
        f"DICOM      {settings.ae_title} on {port}",
        f"logs       {Layout.of(settings).logs}",
        "stop it    script/stop  (dicom-node down)",
    )


def _note(settings: Settings, action: str) -> None:
    """Bring the ledger up to date and write down who starts or ends the node."""
    with queries.ledger(settings) as book:
        book.audit.append(queries.operator(), action)


def _note_stop(settings: Settings) -> None:
    """Write down who ends the node, where the ledger can still be written."""
    try:
        _note(settings, "node.stop")
    except LedgerError as exc:
        err.print(f"the audit has no entry of this stop: {exc}", markup=False, soft_wrap=True)


def down() -> None:
    """End the node."""
    settings = load()
    if lifecycle.is_running(settings):
        _note_stop(settings)
    with err.status("stopping"):
        ended = lifecycle.stop(settings)
    out.print("stopped" if ended else f"nothing runs in {settings.root}", soft_wrap=True)


def status(*, as_json: bool) -> None:
    """Show the parts and the node's own answer; exit 1 unless it is ready."""
    settings = load()
    parts = lifecycle.state(settings)
    answer = health.ask(settings) if parts else health.Health(False, "the node is down")
    ready, told = lifecycle.verdict(parts, answer)
    if strays := lifecycle.strays(settings, parts):
        ready, told = False, f"Orthanc listens on {', '.join(strays)}: end the node"
    kept = _files_in(Layout.of(settings).outbox)
    if as_json:
        body: dict[str, Any] = {
            "home": str(settings.root),
            "ready": ready,
            "message": told,
            "parts": [{**asdict(part), "up": part.is_up} for part in parts],
            "outbox": {"files": kept},
            "health": json.loads(answer.answer) if answer.answer else None,
        }
        print_json(body)
    else:
        table = Table("part", "state", "pid", "up for", box=None, header_style="bold")
        for part in parts:
            state = Text(part.state, style=_STYLES.get(part.state, "red"))
            pid = "" if part.pid is None else str(part.pid)
            since = "" if part.uptime_s is None else f"{part.uptime_s} s"
            table.add_row(part.name, state, pid, since)
        out.print(table)
        out.print(f"{kept} results of patients lie in the outbox, on their way to a destination")
        out.print(told if ready else f"not ready: {told}", markup=False, soft_wrap=True)
    if not ready:
        raise typer.Exit(Exit.FAILED)


def _files_in(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
