"""The tasks: thin shells around intake and pipeline, and one of the outer boundaries."""

import threading
from collections.abc import Callable, Mapping
from functools import cache

from celery.exceptions import Reject, SoftTimeLimitExceeded

from dicom_node import log
from dicom_node.domain import Claim, Stage, Trigger
from dicom_node.errors import (
    DeviceLost,
    NodeError,
    OutOfMemory,
    StudyNotFound,
    TookTooLong,
    UnforeseenError,
)
from dicom_node.foreign import where
from dicom_node.intake.broker import CONSIDER_TASK, RUN_TASK, Level
from worker.app import DELIVER_TASK, RUN_TIME_LIMIT_S, SWEEP_TASK, RunRequest, app
from worker.lifecycle import Intake, open_intake, open_pipeline, tell_unfit
from worker.limits import HARD_AFTER_S
from worker.pipeline import Attempt
from worker.readiness import Reader

_building, _sweeping, _delivering = threading.Lock(), threading.Lock(), threading.Lock()
_opened = cache(open_intake)


def intake() -> Intake:
    """Return this process's intake, built at its first use, whichever thread that is in."""
    with _building:
        return _opened()


reader = Reader(open_pipeline, tell_unfit)
"""This process's pipeline, opened when the process starts, or as soon as it can be."""


@app.task(name=CONSIDER_TASK)
def consider(level: str, identifier: str, trigger: str) -> None:
    """Look at a study that a trigger spoke of."""
    parts = intake()
    try:
        parts.admission.consider(_study_uid(parts, Level(level), identifier), Trigger(trigger))
    except StudyNotFound:
        log.get().info("study.gone", orthanc_id=identifier)
    except NodeError as exc:  # the sweep looks again: the archive's change log names the study
        log.get().warning("consider.postponed", orthanc_id=identifier, error=str(exc))


@app.task(name=SWEEP_TASK)
def sweep() -> None:
    """Catch up with the archive and the ledger; one sweep at a time."""
    parts = intake()
    _alone(_sweeping, {"reconcile": parts.reconcile.run, "departures": parts.departures.run})


@app.task(name=DELIVER_TASK)
def deliver() -> None:
    """Send what is to leave the node; apart from the sweep, which waits for nobody outside."""
    parts = intake()
    node = parts.node
    _alone(
        _delivering,
        {
            "audit": lambda: parts.relay.run(node.policy.retry),
            "deliveries": parts.sender.round,
        },
    )


@app.task(
    name=RUN_TASK,
    Request=RunRequest,
    soft_time_limit=RUN_TIME_LIMIT_S,
    time_limit=RUN_TIME_LIMIT_S + HARD_AFTER_S,
)
def run(run_id: str) -> None:
    """Take one run to its end; an error that nobody foresaw ends it FAILED, in plain view.

    A worker that cannot read leaves the run to others.
    """
    worker = reader.pipeline
    if worker is None:
        raise Reject("no study can be read here now", requeue=True)
    claim = worker.claim(run_id)
    if claim is None:
        return
    attempt = Attempt(worker, claim)
    try:
        attempt.run()
    except DeviceLost as exc:  # the run is QUEUED again; the pool starts a process anew
        reader.end(str(exc))
    except NodeError as exc:  # the ledger is away: the lease runs out, and the run is due again
        log.get().warning("run.interrupted", run_id=run_id, error=str(exc))
    except SoftTimeLimitExceeded:
        worker.give_up(claim, attempt.stage, TookTooLong(_too_long(claim, attempt.stage)))
    except MemoryError:
        worker.give_up(claim, attempt.stage, OutOfMemory(_too_large(claim, attempt.stage)))
    except Exception as exc:  # noqa: BLE001  # the outer boundary: no run may stay RUNNING
        reason = where(exc)
        log.get().error("run.unforeseen", run_id=run_id, stage=attempt.stage.value, error=reason)
        worker.give_up(claim, attempt.stage, UnforeseenError(f"the worker met {reason}"))


def _too_long(claim: Claim, stage: Stage) -> str:
    return (
        f"study {claim.study_instance_uid} took longer than {RUN_TIME_LIMIT_S:.0f} s and was "
        f"stopped at stage {stage}; read it without AI, or raise NODE_RUN_TIME_LIMIT_S"
    )


def _too_large(claim: Claim, stage: Stage) -> str:
    return (
        f"study {claim.study_instance_uid} needs more memory at stage {stage} than a worker may "
        "have; read it without AI, or raise NODE_WORKER_MEMORY_BYTES"
    )


def _alone(lock: threading.Lock, steps: Mapping[str, Callable[[], None]]) -> None:
    """Take each step, unless another thread is at it; what fails is taken again next time."""
    if not lock.acquire(blocking=False):
        return
    try:
        for what, step in steps.items():
            _attempt(what, step)
    finally:
        lock.release()


def _attempt(what: str, step: Callable[[], None]) -> None:
    try:
        step()
    except NodeError as exc:
        log.get().warning("sweep.postponed", task=what, error=str(exc))
    except Exception as exc:  # noqa: BLE001  # an outer boundary: the other steps have their turn
        log.get().error("sweep.unforeseen", task=what, error=where(exc))


def _study_uid(parts: Intake, level: Level, identifier: str) -> str:
    archive = parts.node.archive
    if level is Level.ORTHANC_STUDY:
        return archive.study_uid(identifier)
    if level is Level.ORTHANC_SERIES:
        return archive.study_uid_of_series(identifier)
    return identifier
