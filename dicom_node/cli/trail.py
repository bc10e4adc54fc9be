"""``dicom-node audit``: the trail on the screen, examined, and written down for others."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from rich.table import Table
from rich.text import Text

from dicom_node import private
from dicom_node.audit import message, relay
from dicom_node.cli import queries
from dicom_node.cli.console import err, out, print_json
from dicom_node.cli.edge import Exit
from dicom_node.domain import AuditEntry, AuditVerdict
from dicom_node.errors import NodeError
from dicom_node.ledger import AuditFilter
from dicom_node.settings import Settings, load

_READ: Final = "audit.read"
_HASH: Final = re.compile(r"\b[0-9a-f]{64}\b")


def in_utc(time: datetime | None) -> datetime | None:
    """Return a time of the command line as what it says it is."""
    return None if time is None else time.replace(tzinfo=UTC)


def show(wanted: AuditFilter, limit: int, *, as_json: bool) -> None:
    """Print the newest entries; that they were read is an entry too."""
    settings = load()
    with queries.ledger(settings) as book:
        entries = book.audit.find(wanted, limit)
        book.audit.append(queries.operator(), _READ, detail=f"{len(entries)} entries")
    if as_json:
        print_json([_json(entry) for entry in entries])
        return
    table = Table("entry", "when", "who", "what", "study", "detail", box=None, header_style="bold")
    for e in entries:
        when = e.at.strftime("%Y-%m-%d %H:%M:%S")
        detail = _HASH.sub(lambda found: f"{found[0][:12]}…", e.detail)
        who = f"{e.actor_name} ({e.actor})" if e.actor_name else e.actor
        cells = (str(e.audit_id), when, who, e.action, e.study_instance_uid or "", detail)
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    out.print(table)


def _printable(text: str) -> str:
    """Return text without what would steer a terminal: names come from outside."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def verify(head: str | None, *, as_json: bool) -> None:
    """Print what the chain says; exit 1 where it does not fit."""
    settings = load()
    with queries.ledger(settings) as book:
        verdict = book.audit.verify(_head(head))
        forwarded = book.studies.cursor(relay.CURSOR)
    if as_json:
        print_json({**asdict(verdict), "forwarded": forwarded})
    else:
        _print_verdict(settings, verdict, forwarded)
    if verdict.fault is not None:
        raise typer.Exit(Exit.FAILED)


def _print_verdict(settings: Settings, verdict: AuditVerdict, forwarded: int) -> None:
    if verdict.fault is not None:
        err.print(
            f"entry {verdict.fault.audit_id} does not fit: {verdict.fault.reason}; the "
            f"{verdict.entries} entries before it are sound",
            markup=False,
            soft_wrap=True,
        )
        return
    out.print(f"{verdict.entries} entries, unbroken")
    out.print(f"head {verdict.last_id}:{verdict.last_hash}", soft_wrap=True)
    if settings.audit_syslog_host:
        waiting = verdict.last_id - forwarded
        out.print(f"{waiting} entries wait for {settings.audit_syslog_host}")


def export(wanted: AuditFilter, output: Path | None, *, as_dicom: bool) -> None:
    """Write the entries down, oldest first; a file is new and the owner's alone."""
    settings = load()
    with queries.ledger(settings) as book:
        entries = book.audit.find(wanted)[::-1]
        book.audit.append(queries.operator(), _READ, detail=f"export of {len(entries)} entries")
    with _lines(output) as write:
        host = socket.gethostname()
        for entry in entries:
            text = json.dumps(_json(entry))
            write(message.xml(entry, settings.ae_title, host) if as_dicom else text)


@contextmanager
def _lines(output: Path | None) -> Iterator[Callable[[str], object]]:
    if output is None:
        yield typer.echo
        return
    try:
        file = private.create(output)
    except OSError as exc:
        raise NodeError(f"{output} cannot be written: {exc.strerror}") from exc
    with file:
        yield lambda text: file.write(f"{text}\n")


def _head(given: str | None) -> tuple[int, str] | None:
    if given is None:
        return None
    number, _, digest = given.partition(":")
    if not number.isdecimal() or not digest:
        raise typer.BadParameter("a head reads ID:HASH, as in the log or from audit verify")
    return int(number), digest


def _json(entry: AuditEntry) -> dict[str, Any]:
    return {**asdict(entry), "at": entry.at.astimezone(UTC).isoformat()}
