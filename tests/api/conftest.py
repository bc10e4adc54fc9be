"""The real application on a real ledger; only admission and catalogue are fakes."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.archive.catalogue import OrthancCatalogue
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.domain import ModelIdentity, ServedModel, StudyKind, WorkerSign
from dicom_node.intake.reconcile import SWEPT
from dicom_node.intake.room import Room
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.settings import Settings
from tests.asgi import AsgiClient
from tests.databases import postgres_server, url
from tests.fakes import FakeAdmission, FakeCatalogue
from tests.ledgers import Clock, viewer_url
from tests.orthancs import LiveOrthanc, Site, running_orthanc

__all__ = [
    "admission",
    "catalogue",
    "client",
    "clock",
    "ledger",
    "postgres_server",
    "services",
    "url",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(url, viewer_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def admission(ledger: Ledger) -> FakeAdmission:
    return FakeAdmission(ledger)


@pytest.fixture
def catalogue() -> FakeCatalogue:
    return FakeCatalogue()


@pytest.fixture
def services(
    ledger: Ledger,
    admission: FakeAdmission,
    catalogue: FakeCatalogue,
    clock: Clock,
    tmp_path: Path,
) -> Services:
    return Services(
        ledger=ledger,
        admission=admission,
        catalogue=catalogue,
        probes={"orthanc": lambda: "version 1.10.1", "redis": lambda: "answers"},
        settings=Settings(home=tmp_path, viewer=tmp_path / "viewer"),
        policy=policy.load(),
        room=Room((tmp_path,), 0, lambda: 0, 1),
        token="the node's token",
        look_up=lambda _path, _body: b"",
        clock=clock,
    )


@pytest.fixture
def client(services: Services) -> AsgiClient:
    return AsgiClient(create(services))


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveOrthanc]:
    """Start one Orthanc for the whole session."""
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as live:
        yield live


@pytest.fixture
def site(services: Services, orthanc: LiveOrthanc) -> Iterator[Site]:
    """Return the application before an Orthanc that holds nothing yet."""
    orthanc.clear()
    with (
        closing(OrthancArchive.connect(orthanc.settings)) as archive,
        closing(OrthancCatalogue.connect(orthanc.settings)) as catalogue,
    ):
        real = replace(
            services,
            settings=orthanc.settings,
            catalogue=catalogue,
            look_up=archive.look_up,
        )
        yield Site(orthanc, real, AsgiClient(create(real)))
    assert orthanc.is_alive()


@pytest.fixture
def serving(ledger: Ledger, clock: Clock) -> None:
    """Let a worker serve both models, and intake sweep."""
    ledger.studies.move_cursor(SWEPT, int(clock().timestamp()))
    ledger.studies.publish([served(kind, clock) for kind in StudyKind])
    ledger.workers.sign_of_life(sign("here:1", clock))


def sign(name: str, clock: Clock, *, ready: bool = True, message: str = "") -> WorkerSign:
    """Return what a worker said of itself ten seconds ago."""
    return WorkerSign(name, ready, message, "cpu", clock() - timedelta(seconds=10))


def served(kind: StudyKind, clock: Clock) -> ServedModel:
    """Return a model that a worker published ten seconds ago."""
    identity = ModelIdentity(f"{kind.value.lower()}-lite", "1", "ab" * 32)
    seen_at = clock() - timedelta(seconds=10)
    return ServedModel(kind, identity, '{"limits": ["adults"]}', True, "", "cpu", seen_at)
