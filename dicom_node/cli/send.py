"""``dicom-node send``: files and folders, by real C-STORE."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import track

from dicom_node.archive.dimse import Peer, SendOutcome, StoreScu, tls_context
from dicom_node.cli.console import err, out, print_json
from dicom_node.cli.edge import Exit
from dicom_node.errors import NodeError
from dicom_node.settings import Settings, load


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach the node; what is not given comes from its settings."""

    host: str | None = None
    port: int | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def send(paths: Sequence[Path], way: Way, *, calling_ae: str, as_json: bool) -> None:
    """Send everything below ``paths``; exit 1 unless the node has taken all of it."""
    outcomes = store(load(), files_below(paths), calling_ae, way)
    lost = [outcome for outcome in outcomes if not outcome.stored]
    if as_json:
        print_json(
            [
                {"file": str(o.path), "stored": o.stored, "status": o.status, "message": o.message}
                for o in outcomes
            ]
        )
    else:
        for outcome in lost:
            err.print(f"{outcome.path}: {outcome.message}", markup=False, soft_wrap=True)
        out.print(f"{len(outcomes) - len(lost)} of {len(outcomes)} files stored")
    if lost:
        raise typer.Exit(Exit.FAILED)


_OWN_WAY = Way()


def _peer(settings: Settings, calling_ae: str, way: Way) -> Peer:
    """Return the node as a peer; where it asks for a certificate, its own will do."""
    tls = tls_context(
        way.ca or settings.dicom_tls_ca_file,
        way.certificate or settings.dicom_tls_certificate_file,
        way.key or settings.dicom_tls_key_file,
    )
    host = way.host or str(settings.own_address)
    port = way.port or settings.dicom_port
    return Peer(host, port, settings.ae_title, calling_ae, tls=tls)


def files_below(paths: Sequence[Path]) -> list[Path]:
    """Return the files named by ``paths`` and in folders below them, sorted; none is an error."""
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise NodeError(f"no file in {', '.join(map(str, paths))}")
    return files


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    hidden = (".", "DICOMDIR")
    return sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(hidden))


def store(
    settings: Settings, files: Sequence[Path], calling_ae: str, way: Way = _OWN_WAY
) -> list[SendOutcome]:
    """Send the files to this node with a progress bar; raise DeliveryFailed if it is down."""
    sent = StoreScu(_peer(settings, calling_ae, way)).send(files)
    return list(track(sent, "sending", total=len(files), console=err, transient=True))
