"""What a worker process needs, built once when the process starts."""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dicom_node import log, policy, settings
from dicom_node.archive import destinations
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.audit.relay import Relay
from dicom_node.audit.syslog import Collector
from dicom_node.domain import ServedModel, StudyKind
from dicom_node.errors import ModelError, NodeError
from dicom_node.intake.admission import Admission
from dicom_node.intake.dispatch import Dispatcher
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import Policy
from dicom_node.ports import Classifier, Destination, Gate, Runtime, StudyBook
from dicom_node.report.provenance import Station
from dicom_node.report.registry import writers
from dicom_node.settings import Settings
from models import catalogue
from worker import inventory
from worker.outbox import Outbox
from worker.pipeline import Pipeline
from worker.shadow import Shadow
from worker.shadow_process import Orders, ShadowProcess

_SIGN_OF_LIFE_S = 10.0


@dataclass(frozen=True, slots=True)
class Node:
    """The parts that both kinds of worker share."""

    settings: Settings
    policy: Policy
    archive: OrthancArchive
    ledger: Ledger
    destinations: Mapping[str, Destination]


@dataclass(frozen=True, slots=True)
class Intake:
    """What the intake worker works with."""

    node: Node
    admission: Admission
    reconcile: Reconcile
    relay: Relay


def open_node() -> Node:
    """Read the settings and open archive and ledger; raises SettingsError, LedgerError."""
    chosen = settings.load()
    log.configure(chosen.log_level)
    return Node(
        settings=chosen,
        policy=policy.load(chosen.policy),
        archive=OrthancArchive.connect(chosen),
        ledger=open_ledger(chosen.database, chosen.viewer_url),
        destinations=destinations.build(chosen),
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
    reconcile = Reconcile(node.archive, node.ledger.studies, admission, node.policy.retry)
    names = node.settings.ae_title, socket.gethostname()
    relay = Relay(node.ledger.audit, node.ledger.studies, _collector(node.settings), names)
    return Intake(node, admission, reconcile, relay)


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


def open_pipeline() -> Pipeline:
    """Build the pipeline with warm, verified models, and keep telling the ledger that it lives.

    Models that cannot be trusted do not stop the worker: each run then FAILS with the reason,
    in plain view, and the health check says why.
    """
    node = open_node()
    runtime, shadow = _models(node)
    return Pipeline(
        archive=node.archive,
        ledger=node.ledger,
        runtime=runtime,
        writers=tuple(writers(node.settings.ae_title, node.settings.time_zone).values()),
        policy=node.policy,
        outbox=Outbox(
            Path(node.settings.root) / "outbox",
            tuple((d.name, d.wanted) for d in node.settings.destinations),
        ),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        station=Station(node.settings.ae_title, node.settings.zone),
        shadow=shadow,
    )


class BrokenRuntime:
    """Stands where no trusted models could be loaded; every use raises the reason."""

    def __init__(self, reason: ModelError) -> None:
        self._reason = reason

    def gate(self, kind: StudyKind) -> Gate:
        """Raise why there is no gate."""
        raise self._error(kind)

    def classifier(self, kind: StudyKind) -> Classifier:
        """Raise why there is no model."""
        raise self._error(kind)

    def _error(self, kind: StudyKind) -> ModelError:
        return type(self._reason)(f"no trusted {kind} model: {self._reason}")


def _models(node: Node) -> tuple[Runtime, Shadow | None]:
    """Load what is served, then start what the policy puts in the shadow; publish all of it."""
    # Only the worker that runs models loads torch; intake and beat start fast and stay small.
    from models import runtime as model_runtime  # noqa: PLC0415

    settings, rules = node.settings, node.policy
    _withdraw(node, "the models are being loaded")
    try:
        runtime = model_runtime.load(settings.device, rules.models, settings.site_models)
    except ModelError as exc:
        log.get().error("models.refused", error=str(exc))
        withdrawn = _withdraw(node, str(exc))
        _keep_publishing(node.ledger.studies, lambda: withdrawn)
        return BrokenRuntime(exc), None
    inventory.note_models(node.ledger.audit, runtime.served())
    process = ShadowProcess(
        Orders(settings.device, rules.shadow, settings.site_models, settings.log_level)
    )
    others = catalogue.registered(catalogue.build(settings.site_models), rules)
    _keep_publishing(
        node.ledger.studies, lambda: (*runtime.served(), *process.published(), *others)
    )
    return runtime, _follower(node, process) if rules.shadow else None


def _follower(node: Node, process: ShadowProcess) -> Shadow:
    shadow = Shadow(node.ledger.shadows, process, node.policy)

    def start_and_run() -> None:
        process.start()
        shadow.run()

    threading.Thread(target=start_and_run, daemon=True, name="shadow").start()
    return shadow


def _withdraw(node: Node, reason: str) -> tuple[ServedModel, ...]:
    """Say of each model that was ever served that it is not fit now; return what was said."""
    withdrawn = tuple(
        replace(served, ready=False, message=reason, seen_at=datetime.now(UTC))
        for kind in node.policy.models
        if (served := node.ledger.studies.served_model(kind)) is not None
    )
    node.ledger.studies.publish(withdrawn)
    return withdrawn


def _keep_publishing(studies: StudyBook, models: Callable[[], Sequence[ServedModel]]) -> None:
    """Publish the models now, and again while this process lives."""

    def publish() -> None:
        studies.publish([replace(model, seen_at=datetime.now(UTC)) for model in models()])

    def repeat() -> None:
        pause = threading.Event()
        while not pause.wait(_SIGN_OF_LIFE_S):
            try:
                publish()
            except NodeError as exc:  # the ledger is away: the next sign of life will tell
                log.get().warning("worker.sign_of_life", error=str(exc))

    publish()
    threading.Thread(target=repeat, daemon=True, name="sign-of-life").start()
