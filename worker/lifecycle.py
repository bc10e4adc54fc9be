"""What a worker process needs, built once when the process starts."""

import os
import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from dicom_node import log, policy, settings
from dicom_node.archive import destinations
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.audit.relay import Relay
from dicom_node.audit.syslog import Collector
from dicom_node.errors import NodeError
from dicom_node.intake.admission import Admission
from dicom_node.intake.departures import Departures
from dicom_node.intake.dispatch import Dispatcher
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import Policy
from dicom_node.ports import Runtime
from dicom_node.report.provenance import Station
from dicom_node.report.registry import writers
from dicom_node.settings import Settings
from dicom_node.supervision.home import Layout
from models import catalogue
from worker import inventory
from worker.deliveries import Sender
from worker.outbox import Outbox
from worker.pipeline import Pipeline
from worker.shadow import Shadow
from worker.shadow_process import Orders, ShadowProcess
from worker.signs import Signs


@dataclass(frozen=True, slots=True)
class Node:
    """The parts that both kinds of worker share."""

    settings: Settings
    policy: Policy
    archive: OrthancArchive
    ledger: Ledger
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class Intake:
    """What the intake worker works with."""

    node: Node
    admission: Admission
    reconcile: Reconcile
    departures: Departures
    relay: Relay
    sender: Sender


def open_node() -> Node:
    """Read the settings and open archive and ledger; raises SettingsError, LedgerError."""
    chosen = settings.load()
    log.configure(chosen.log_level)
    return Node(
        settings=chosen,
        policy=policy.load(chosen.policy),
        archive=OrthancArchive.connect(chosen),
        ledger=open_ledger(chosen.database, chosen.viewer_url),
        outbox=Outbox(Layout.of(chosen).outbox),
    )


def open_intake() -> Intake:
    """Build the intake worker's parts."""
    node = open_node()
    admission = Admission(
        node.archive,
        node.ledger.studies,
        node.ledger.runs,
        Dispatcher.connect(node.settings.redis),
        node.policy,
    )
    inventory.note_site(node.ledger.audit, node.settings, node.policy)
    reconcile = Reconcile(
        node.archive,
        node.ledger.studies,
        admission,
        node.policy.retry,
        backlog=timedelta(hours=node.settings.backlog),
    )
    departures = Departures(node.archive, node.ledger.studies)
    names = node.settings.ae_title, socket.gethostname()
    relay = Relay(node.ledger.audit, node.ledger.studies, _collector(node.settings), names)
    node.ledger.deliveries.want({d.name: d.wanted for d in node.settings.destinations})
    sender = Sender(
        node.ledger.deliveries,
        destinations.build(node.settings),
        node.archive,
        node.policy.retry,
        node.outbox,
    )
    return Intake(node, admission, reconcile, departures, relay, sender)


def _collector(chosen: Settings) -> Collector | None:
    """Return where the audit trail goes, if the site names a place."""
    if not chosen.audit_syslog_host:
        return None
    return Collector(
        chosen.audit_syslog_host,
        chosen.audit_syslog_port,
        chosen.audit_syslog_ca_file,
        chosen.audit_syslog_certificate_file,
        chosen.audit_syslog_key_file,
    )


@cache
def open_signs() -> Signs:
    """Return this process's signs of life; raises SettingsError, LedgerError."""
    node = reading_node()
    return Signs(node.ledger, tuple(node.policy.models), _end)


@cache
def reading_node() -> Node:
    """Return the parts of the process that reads studies, opened once."""
    return open_node()


def _end(reason: str) -> None:
    """End this process, whose device is lost; the pool starts another one."""
    log.get().error("worker.ends", error=reason)
    tell_unfit(f"{reason}; the worker starts anew")
    os._exit(os.EX_TEMPFAIL)


def tell_unfit(reason: str) -> None:
    """Say in the ledger that this worker takes no study; where the ledger is away, its log does."""
    try:
        open_signs().unfit(reason)
    except NodeError as exc:
        log.get().warning("worker.sign_of_life", error=str(exc))


def say_farewell() -> None:
    """Let the ledger forget this worker, if it ever knew it."""
    if open_signs.cache_info().currsize:
        try:
            open_signs().forget()
        except NodeError as exc:
            log.get().warning("worker.sign_of_life", error=str(exc))


def open_pipeline() -> Pipeline:
    """Build the pipeline with warm, verified models, and keep telling the ledger that it lives.

    Raises ModelError where the models cannot be trusted, SettingsError and LedgerError.
    """
    node = reading_node()
    node.outbox.clear()  # a worker of an older version kept results there
    tell_unfit("the models are being loaded")
    runtime, shadow = _models(node)
    return Pipeline(
        archive=node.archive,
        ledger=node.ledger,
        runtime=runtime,
        writers=tuple(writers(node.settings.ae_title, node.settings.time_zone).values()),
        policy=node.policy,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        station=Station(node.settings.ae_title, node.settings.time_zone),
        shadow=shadow,
    )


def _models(node: Node) -> tuple[Runtime, Shadow | None]:
    """Load what is served, then start what the policy puts in the shadow; publish all of it."""
    # Only the worker that runs models loads torch; intake and beat start fast and stay small.
    from models import runtime as model_runtime  # noqa: PLC0415

    settings, rules = node.settings, node.policy
    runtime = model_runtime.load(settings.device, rules.models, settings.site_models)
    inventory.note_models(node.ledger.audit, runtime.served())
    process = ShadowProcess(
        Orders(settings.device, rules.shadow, settings.site_models, settings.log_level)
    )
    others = catalogue.registered(catalogue.build(settings.site_models), rules)
    open_signs().ready(
        runtime.device,
        lambda: (*runtime.served(), *process.published(), *others),
        runtime.probe,
    )
    return runtime, _follower(node, process) if rules.shadow else None


def _follower(node: Node, process: ShadowProcess) -> Shadow:
    shadow = Shadow(node.ledger.shadows, process, node.policy)

    def start_and_run() -> None:
        process.start()
        shadow.run()

    threading.Thread(target=start_and_run, daemon=True, name="shadow").start()
    return shadow
