"""The outcomes as a table: a row for each point, a column for each fault."""

import statistics
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from bench.faults.trial import Trial


def cell(trial: Trial) -> str:
    """Return how a trial ended, in a few characters."""
    if trial.broken:
        return "BROKEN"
    return f"{trial.state} {trial.recovery_s:.0f} s"


def matrix(trials: Sequence[Trial]) -> list[list[str]]:
    """Return header, a row for each point, then median and longest of each fault."""
    faults = list(dict.fromkeys(trial.fault for trial in trials))
    points = sorted({trial.point for trial in trials})
    known = {(trial.fault, trial.point): cell(trial) for trial in trials}
    rows = [["point", *faults]]
    rows += [[point, *(known.get((fault, point), "") for fault in faults)] for point in points]
    seconds = {f: [t.recovery_s for t in trials if t.fault == f] for f in faults}
    rows.append(["median", *(f"{statistics.median(seconds[f]):.1f} s" for f in faults)])
    rows.append(["longest", *(f"{max(seconds[f]):.1f} s" for f in faults)])
    return rows


def drawn(trials: Sequence[Trial]) -> Table:
    """Return the table for a terminal."""
    header, *rows = matrix(trials)
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    return table


def markdown(trials: Sequence[Trial]) -> str:
    """Return the table for a document."""
    header, *rows = matrix(trials)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(trials: Sequence[Trial]) -> str:
    """Return the figures in one line."""
    seconds = [trial.recovery_s for trial in trials if not trial.broken]
    if not seconds:
        return "no trial ended well"
    ends = Counter(trial.state for trial in trials)
    told = ", ".join(f"{count} {state or 'without an end'}" for state, count in ends.items())
    broken = sum(bool(trial.broken) for trial in trials)
    return (
        f"{len(trials)} trials: {told}; {broken} broke a promise; recovery: median "
        f"{statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s"
    )
