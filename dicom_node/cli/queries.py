"""``dicom-node worklist``, ``show`` and ``retry``: the ledger, with or without a running node."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import typer
from rich.pretty import Pretty

from dicom_node import jsonform, policy
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.cli import table
from dicom_node.cli.console import err, out, print_json
from dicom_node.cli.edge import Exit
from dicom_node.domain import RunTicket, StudyDetail, Trigger, WorklistItem
from dicom_node.errors import NodeError
from dicom_node.intake.admission import Admission
from dicom_node.intake.dispatch import Dispatcher
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.settings import Settings, load
from dicom_node.worklist.order import order

_LIST_EVERY = timedelta(hours=1)


@contextmanager
def ledger(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger and close it again."""
    opened = open_ledger(settings.database, settings.viewer_url)
    try:
        yield opened
    finally:
        opened.close()


def operator(person: str = "") -> str:
    """Return who sits at the command line, as the audit trail names him.

    The login goes before the person whom he says he is: anybody can say a name.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        name = f"uid {os.getuid()}"
    return f"{name} (command line){f' as {person.strip()}' if person.strip() else ''}"


def in_reading_order(settings: Settings, book: Ledger) -> tuple[WorklistItem, ...]:
    """Return the worklist as the page shows it."""
    rules = policy.load(settings.policy)
    return order(book.queries.worklist(), rules, datetime.now(UTC))


def worklist(*, as_json: bool) -> None:
    """Print the worklist in reading order."""
    settings = load()
    with ledger(settings) as book:
        items = in_reading_order(settings, book)
        book.audit.append_at_most(operator(), "worklist.open", None, _LIST_EVERY)
    if as_json:
        rows = [jsonform.item(item) for item in items]
        print_json({"items": rows, "generated_at": datetime.now(UTC).isoformat()})
    else:
        out.print(table.worklist(items))


def show(study_uid: str, *, as_json: bool) -> None:
    """Print one study in full; raise NodeError where the ledger does not know it."""
    settings = load()
    with ledger(settings) as book:
        study = book.queries.detail(study_uid)
        if study is not None:
            book.audit.append(operator(), "study.open", study_instance_uid=study_uid)
    if study is None:
        raise NodeError(f"the worklist has no study {study_uid}")
    if as_json:
        print_json(jsonform.detail(study))
    else:
        _print_detail(study)


def _print_detail(study: StudyDetail) -> None:
    out.print(table.worklist([study.item]))
    body = jsonform.detail(study)
    for name in ("runs", "reports", "heatmaps", "deliveries", "timings"):
        if body[name]:
            out.print(f"[bold]{name}[/bold]")
            out.print(Pretty(body[name]))


def retry(run: str | None, *, as_json: bool) -> None:
    """Ask for a new run of one study, or of all that failed; exit 1 where one was not taken."""
    settings = load()
    with ledger(settings) as book:
        admission = Admission(
            OrthancArchive.connect(settings),
            book.studies,
            book.runs,
            Dispatcher.connect(settings.redis),
            policy.load(settings.policy),
        )
        uids = book.queries.failed_studies() if run is None else (_study_of(book, run),)
        asked, errors = [], []
        for uid in uids:
            try:
                asked.append(admission.admit(uid, trigger=Trigger.RETRY, actor=operator()))
            except NodeError as exc:
                errors.append((uid, str(exc)))
    _print_retried(asked, errors, as_json=as_json)
    if errors:
        raise typer.Exit(Exit.FAILED)


def retry_deliveries(*, as_json: bool) -> None:
    """Plan all deliveries that failed anew; the node sends them in its next round."""
    with ledger(load()) as book:
        revived = book.deliveries.revive_failed(operator())
    if as_json:
        print_json({"deliveries": [asdict(one) for one in revived]})
        return
    for one in revived:
        out.print(f"PENDING {one.study_instance_uid} to {one.destination}", markup=False)
    if not revived:
        out.print("no delivery of a standing report has failed")


def _study_of(book: Ledger, run_id: str) -> str:
    return book.queries.run(run_id).study_instance_uid


def _print_retried(asked: list[RunTicket], errors: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "run_id": ticket.run_id,
                        "study_instance_uid": ticket.study_instance_uid,
                        "number": ticket.number,
                        "state": ticket.state.value,
                    }
                    for ticket in asked
                ],
                "errors": [{"study_instance_uid": uid, "message": text} for uid, text in errors],
            }
        )
        return
    for ticket in asked:
        out.print(f"{ticket.state} {ticket.study_instance_uid} run {ticket.number}")
    for uid, text in errors:
        err.print(f"{uid}: {text}", markup=False, soft_wrap=True)
    if not asked and not errors:
        out.print("nothing has failed")
