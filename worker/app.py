"""The Celery application: two queues, ids only, late acknowledgement.

``intake`` looks at studies and keeps the promises of the ledger; it never loads a model.
``triage`` runs the models, one run at a time for each process.
"""

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from celery.worker.request import Request

from dicom_node import checkpoints, foreign, log, settings
from dicom_node.intake.broker import INTAKE_QUEUE, TRANSPORT_OPTIONS
from worker import lifecycle, limits, readiness
from worker.clock import Steady

SWEEP_TASK = "dicom_node.sweep"
DELIVER_TASK = "dicom_node.deliver"

_settings = settings.load()
checkpoints.enable(_settings.checkpoints)

RUN_TIME_LIMIT_S = _settings.run_time_limit_s
"""How long a worker may read one study; the pool then raises in the middle of it."""

app = Celery("dicom-node", broker=_settings.redis, include=["worker.tasks"])
app.conf.update(
    accept_content=["json"],
    beat_schedule={
        task: {
            "task": task,
            "schedule": Steady(_settings.reconcile_s),
            "options": {"queue": INTAKE_QUEUE, "expires": _settings.reconcile_s},
        }
        for task in (SWEEP_TASK, DELIVER_TASK)
    },
    # The default one keeps its times in a shelve, which is a pickle.
    beat_scheduler="celery.beat:Scheduler",
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        **TRANSPORT_OPTIONS,
        "visibility_timeout": _settings.visibility_s,
    },
    enable_utc=True,
    task_acks_late=True,
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    task_serializer="json",
    worker_consumer="worker.consumer:EagerConsumer",
    worker_prefetch_multiplier=1,
    # Loading and proving the models takes longer than Celery's four seconds.
    worker_proc_alive_timeout=180.0,
)


app.steps["consumer"].add(readiness.Consumption)


class RunRequest(Request):  # type: ignore[misc]  # Celery carries no types
    """The message of a run, with a point on each side of its acknowledgement."""

    def acknowledge(self) -> None:
        """Let the broker forget the message."""
        with checkpoints.around(checkpoints.Step.ACK):
            super().acknowledge()


@setup_logging.connect
def _keep_our_logging(**_options: object) -> None:
    """Stop Celery from logging task arguments and tracebacks in its own way."""
    log.configure(_settings.log_level)
    foreign.contain()


@worker_process_init.connect
def _warm_up(**_options: object) -> None:
    """Load the models when a pool process starts, not when the first study waits."""
    limits.confine(_settings)
    from worker import tasks  # noqa: PLC0415  # the tasks module imports this one

    tasks.reader.begin()


@worker_process_shutdown.connect
def _say_farewell(**_options: object) -> None:
    """Let the ledger forget this worker: one that was ended in good order is missed by nobody."""
    lifecycle.say_farewell()
