"""The state machine of runs and studies: every allowed transition, in one place."""

from collections.abc import Mapping
from typing import Final

from dicom_node.domain import RunState
from dicom_node.errors import LedgerError

RECEIVED, QUEUED, RUNNING, REPORTED, REFUSED, FAILED, SUPERSEDED = RunState

_RUN: Final[Mapping[RunState, frozenset[RunState]]] = {
    RECEIVED: frozenset({QUEUED, REFUSED, FAILED}),
    QUEUED: frozenset({RUNNING, FAILED}),
    RUNNING: frozenset({REPORTED, REFUSED, FAILED, QUEUED, SUPERSEDED}),
    REPORTED: frozenset({SUPERSEDED}),
    REFUSED: frozenset({SUPERSEDED}),
    FAILED: frozenset({QUEUED, SUPERSEDED}),
    SUPERSEDED: frozenset(),
}
"""RUNNING → QUEUED is a retry or a lost worker, RUNNING → SUPERSEDED a duplicate,
FAILED → QUEUED a retry by hand, QUEUED → FAILED a study that was deleted.
RECEIVED → REFUSED or FAILED needs no worker."""

_STUDY: Final[Mapping[RunState, frozenset[RunState]]] = {
    RECEIVED: frozenset({REFUSED, FAILED}),
    REFUSED: frozenset({REFUSED, FAILED}),
    FAILED: frozenset({REFUSED, FAILED}),
}
"""What a new look at a study without a run may make of the last one."""


def allowed(before: RunState, after: RunState) -> bool:
    """Tell whether a run may go from ``before`` to ``after``."""
    return after in _RUN[before]


def check(before: RunState, after: RunState) -> None:
    """Raise LedgerError where a run may not go from ``before`` to ``after``."""
    if not allowed(before, after):
        raise LedgerError(f"a run cannot go from {before} to {after}")


def check_without_run(before: RunState, after: RunState) -> None:
    """Raise LedgerError where a study without a run may not go from ``before`` to ``after``."""
    if after not in _STUDY.get(before, frozenset()):
        raise LedgerError(f"a study without a run cannot go from {before} to {after}")
