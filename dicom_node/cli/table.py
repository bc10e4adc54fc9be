"""The worklist as a table in a terminal."""

from collections.abc import Iterable
from unicodedata import category

from rich.table import Table
from rich.text import Text

from dicom_node.domain import FindingItem, RunState, WorklistItem

_STATES = {
    RunState.REPORTED: "green",
    RunState.REFUSED: "yellow",
    RunState.FAILED: "bold red",
}
_PRIORITIES = {"STAT": "bold red", "HIGH": "bold yellow"}
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MINUTE_S = 60
_HOUR_S = 3600


def worklist(items: Iterable[WorklistItem]) -> Table:
    """Return one row for each study, in the order given."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("priority", "state", "mod", "patient", "accession", "what the node says"):
        table.add_column(column)
    table.add_column("waits", justify="right")
    for item in items:
        priority = item.priority.value if item.priority else "–"
        table.add_row(
            Text(priority, style=_PRIORITIES.get(priority, "")),
            Text(item.state.value, style=_STATES.get(item.state, "cyan")),
            plain(item.modality),
            plain(item.patient_name or item.patient_id),
            plain(item.accession_number),
            plain(verdict(item)),
            duration(item.wait_s),
        )
    return table


def plain(words: str) -> Text:
    """Return a sender's words as text for a terminal: no markup, and no control characters.

    Escape sequences would move the cursor, retitle the window or rewrite other lines; overrides
    of direction (U+202E and its kin) would show a name backwards.
    """
    return Text("".join("�" if category(c) in _UNPRINTABLE else c for c in words))


def verdict(item: WorklistItem) -> str:
    """Say in one line what became of a study."""
    if item.refusal:
        return f"{item.refusal.code}: {item.refusal.reason}"
    if item.error:
        return f"{item.error.stage}: {item.error.message}"
    said = [finding for finding in item.findings if finding.present is not False]
    return ", ".join(_finding(finding) for finding in said or item.findings)


def _finding(finding: FindingItem) -> str:
    doubt = " (undetermined)" if finding.present is None else ""
    return f"{finding.label} {finding.probability:.0%}{doubt}"


def duration(seconds: float | None) -> str:
    """Return a duration as a reader says it."""
    if seconds is None:
        return ""
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
