"""``dicom-node demo``: from nothing to a worklist with reports, by the way that real studies go."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dicom_node.cli import table
from dicom_node.cli.console import err, out
from dicom_node.cli.edge import Exit
from dicom_node.cli.lifecycle import addresses, up
from dicom_node.cli.queries import in_reading_order, ledger
from dicom_node.cli.send import files_below, store
from dicom_node.domain import RunState, WorklistItem
from dicom_node.errors import NodeError
from dicom_node.ledger import Ledger
from dicom_node.phantom.samples import demo_studies
from dicom_node.settings import Settings, load

_SEED = 1
_POLL_S = 0.2
_START_DEADLINE_S = 180.0
_CALLING_AE = "DEMO-MODALITY"


@dataclass(frozen=True, slots=True)
class Expected:
    """What should become of one study; any end is right where ``state`` is None."""

    name: str
    state: RunState | None = None
    refusals: frozenset[str] = frozenset()


def demo(folder: Path | None, *, deadline_s: float) -> None:
    """Start the node, send samples or the files of ``folder``, wait; exit 1 if one went wrong."""
    settings = load()
    up(detach=True, wait_s=_START_DEADLINE_S)
    with tempfile.TemporaryDirectory(prefix="dicom-node-demo-") as scratch:
        files, expected = _samples(Path(scratch)) if folder is None else _given(folder)
        outcomes = store(settings, files, _CALLING_AE)
    for outcome in outcomes:
        if not outcome.stored:
            err.print(f"{outcome.path.name}: {outcome.message}", markup=False, soft_wrap=True)
    with ledger(settings) as book:
        items = _wait(book, expected, deadline_s)
        out.print(table.worklist(in_reading_order(settings, book)))
    wrong = [fault for uid, want in expected.items() if (fault := _fault(want, items.get(uid)))]
    _conclude(settings, wrong, len(expected))
    if wrong or not all(outcome.stored for outcome in outcomes):
        raise typer.Exit(Exit.FAILED)


def _samples(folder: Path) -> tuple[list[Path], Mapping[str, Expected]]:
    with err.status("rendering sample studies"):
        studies = demo_studies(folder, seed=_SEED)
    files = [file for study in studies for file in study.files]
    return files, {
        study.study_instance_uid: Expected(
            study.name, study.expected, frozenset(study.refusals or ())
        )
        for study in studies
    }


def _given(folder: Path) -> tuple[list[Path], Mapping[str, Expected]]:
    """Return the DICOM files below a folder and their studies; other files are passed over."""
    files, expected = [], {}
    for file in files_below([folder]):
        try:
            header = dcmread(file, specific_tags=["StudyInstanceUID"], stop_before_pixels=True)
        except (InvalidDicomError, EOFError):
            continue
        files.append(file)
        uid = str(header.get("StudyInstanceUID", ""))
        if uid:
            expected[uid] = Expected(uid)
    if not expected:
        raise NodeError(f"no DICOM file in {folder}")
    return files, expected


def _wait(
    book: Ledger, expected: Mapping[str, Expected], deadline_s: float
) -> Mapping[str, WorklistItem]:
    """Wait until every study has come to an end, or the deadline passes."""
    columns = (TextColumn("waiting for the results"), BarColumn(), MofNCompleteColumn())
    end = time.monotonic() + deadline_s
    with Progress(*columns, TimeElapsedColumn(), console=err) as progress:
        task = progress.add_task("", total=len(expected))
        while True:
            items = {item.study_instance_uid: item for item in book.queries.worklist()}
            done = sum(1 for uid in expected if uid in items and items[uid].state.is_final)
            progress.update(task, completed=done)
            if done == len(expected) or time.monotonic() > end:
                return items
            time.sleep(_POLL_S)


def _fault(want: Expected, item: WorklistItem | None) -> str | None:
    """Say what is wrong with how a study ended; None where it is as it should be."""
    if item is None:
        return f"{want.name}: the node does not know it"
    said = table.verdict(item)
    if not item.state.is_final:
        return f"{want.name}: still {item.state} at the deadline"
    if want.state is not None and item.state is not want.state:
        return f"{want.name}: {item.state} instead of {want.state} ({said})"
    if want.state is None and item.state is RunState.FAILED:
        return f"{want.name}: FAILED ({said})"
    if want.refusals and item.refusal and item.refusal.code not in want.refusals:
        return f"{want.name}: refused for another reason than {sorted(want.refusals)}: {said}"
    return None


def _conclude(settings: Settings, wrong: Sequence[str], count: int) -> None:
    out.print()
    for line in addresses(settings):
        out.print(line, soft_wrap=True)
    for fault in wrong:
        err.print(f"wrong: {fault}", markup=False, soft_wrap=True, style="bold red")
    if not wrong:
        out.print(f"all {count} studies ended as they should")
