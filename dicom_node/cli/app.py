"""The commands of ``dicom-node`` and their options; each is carried out in its own module."""

# A command imports what it needs when it runs, so that `dicom-node --help` answers at once.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from dicom_node.cli import audit
from dicom_node.cli.edge import EdgeGroup
from dicom_node.cli.users import users

TlsFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

app = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="AI triage node for chest radiographs and chest CT. Research use only.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused.",
)
app.add_typer(audit.app, name="audit")
app.add_typer(users, name="users")


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave the node running in the background.")
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="With --detach: seconds to wait until ready.")
    ] = 120.0,
) -> None:
    """Start the node: Orthanc, Redis, the API, the worker, and what watches them."""
    from dicom_node.cli import lifecycle

    lifecycle.up(detach=detach, wait_s=wait_s)


@app.command()
def down() -> None:
    """End the node that NODE_HOME describes, and nothing else."""
    from dicom_node.cli import lifecycle

    lifecycle.down()


@app.command()
def status(json: Json = False) -> None:
    """Show each part with its process id; exit 0 only if all are up and ready."""
    from dicom_node.cli import lifecycle

    lifecycle.status(as_json=json)


@app.command()
def doctor(json: Json = False) -> None:
    """Check the machine, the settings and the files that the node needs."""
    from dicom_node.cli import doctor as command

    command.doctor(as_json=json)


@app.command()
def send(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="DICOM files and folders.", exists=True)
    ],
    calling_ae: Annotated[str, typer.Option(help="AE title to call as.")] = "DICOM-NODE-SEND",
    host: Annotated[str | None, typer.Option(help="Where the node is, if not here.")] = None,
    port: Annotated[int | None, typer.Option(help="Its DICOM port.", min=1, max=65535)] = None,
    tls_ca: TlsFile = None,
    tls_certificate: TlsFile = None,
    tls_key: TlsFile = None,
    json: Json = False,
) -> None:
    """Send DICOM files to the node by C-STORE, as a modality does.

    Over TLS where a CA is given, or where the node has certificates: --tls-ca, --tls-certificate
    and --tls-key default to the node's own.
    """
    from dicom_node.cli import send as command

    way = command.Way(host, port, tls_ca, tls_certificate, tls_key)
    command.send(paths, way, calling_ae=calling_ae, as_json=json)


@app.command()
def certificates(
    folder: Annotated[Path, typer.Argument(help="A folder of its own; made where it is missing.")],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name or address of the node, beside this machine's."),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", help="An AE title or host name that gets a certificate as well."),
    ] = None,
) -> None:
    """Make a private CA and certificates, to try DICOM over TLS out; see docs/network.md."""
    from dicom_node.cli import certificates as command

    command.make(folder, tuple(name or ()), tuple(peer or ()))


@app.command()
def worklist(json: Json = False) -> None:
    """Show the triage worklist in reading order."""
    from dicom_node.cli import queries

    queries.worklist(as_json=json)


@app.command()
def show(
    study_uid: Annotated[str, typer.Argument(metavar="STUDY_UID")],
    json: Json = False,
) -> None:
    """Show one study with its findings, runs, reports and timings."""
    from dicom_node.cli import queries

    queries.show(study_uid, as_json=json)


@app.command()
def retry(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The id of a run.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every failed study.")] = False,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Send once more what a destination did not get.")
    ] = False,
    json: Json = False,
) -> None:
    """Read a study again whose run failed or was refused; or send failed deliveries again."""
    if [run is not None, failed, deliveries].count(True) != 1:
        raise typer.BadParameter("give the id of a run, --failed, or --deliveries")
    from dicom_node.cli import queries

    if deliveries:
        queries.retry_deliveries(as_json=json)
    else:
        queries.retry(run, as_json=json)


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Option("--input", exists=True, help="Send this folder's DICOM files instead."),
    ] = None,
    deadline_s: Annotated[
        float, typer.Option("--deadline", min=1, help="Seconds to wait for the results.")
    ] = 180.0,
) -> None:
    """Start the node, send sample studies by C-STORE and wait for their reports."""
    from dicom_node.cli import demo as command

    command.demo(folder, deadline_s=deadline_s)


@app.command()
def export(
    study_uid: Annotated[str, typer.Argument(metavar="STUDY_UID")],
    output: Annotated[Path, typer.Option(help="The folder to write into.", file_okay=False)],
    by: Annotated[str, typer.Option(help="Who exports: for the audit, beside the login.")] = "",
    shift_dates: Annotated[
        bool,
        typer.Option("--shift-dates", help="Move dates by the patient's own offset, not remove."),
    ] = False,
    burned_in: Annotated[
        bool,
        typer.Option("--burned-in", help="Also images that may have words burned in. Look first."),
    ] = False,
    json: Json = False,
) -> None:
    """Write a study and its reports, de-identified (PS3.15 Annex E), into a folder."""
    from dicom_node.cli import export as command
    from dicom_node.cli.queries import operator

    wish = command.Wish(study_uid, output, operator(by), shift_dates, burned_in)
    command.export(wish, as_json=json)
