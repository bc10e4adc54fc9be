"""A console that asks for storage commitment is told that the node commits nothing, and by whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest
from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from dicom_node import uids
from tests.doors import Door
from tests.nodes import free_port

pytestmark = pytest.mark.node

_WAIT_S = 60


class Console:
    """A modality that asks, and hears what becomes of it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.port = free_port()
        self.heard: Queue[tuple[int | None, Dataset, str]] = Queue()

    def modality(self) -> dict[str, object]:
        """Return what the node is told of it."""
        name = self.title.lower()
        return {"name": name, "ae_title": self.title, "host": "127.0.0.1", "port": self.port}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for reports."""
        entity = AE(self.title)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        server = entity.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._hear)],
        )
        assert server is not None
        try:
            yield
        finally:
            server.shutdown()

    def _hear(self, event: Event) -> tuple[int, None]:
        caller = str(event.assoc.requestor.ae_title)
        self.heard.put((event.event_type, event.event_information, caller))
        return 0x0000, None

    @contextmanager
    def associated(self, door: Door) -> Iterator[Association]:
        """Associate with the door."""
        entity = AE(self.title)
        for context in (StorageCommitmentPushModel, Verification):
            entity.add_requested_context(context)
        entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", door.settings.dicom_port, ae_title="AITRIAGE")
        assert association.is_established
        try:
            yield association
        finally:
            association.release()


@pytest.fixture(scope="module")
def consoles() -> dict[str, Console]:
    return {title: Console(title) for title in ("CONSOLE", "SECOND")}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, consoles: dict[str, Console]) -> Iterator[Door]:
    modalities = [console.modality() for console in consoles.values()]
    with Door.at(tmp_path_factory.mktemp("door"), modalities=modalities) as opened:
        yield opened


@pytest.fixture(scope="module")
def nameless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.at(tmp_path_factory.mktemp("nameless")) as opened:
        yield opened


def request(name: str, count: int) -> Dataset:
    """Return what a console asks to be committed."""
    asked = Dataset()
    asked.TransactionUID = uids.derive("commitment", name)
    asked.ReferencedSOPSequence = []
    for index in range(count):
        one = Dataset()
        one.ReferencedSOPClassUID = ComputedRadiographyImageStorage
        one.ReferencedSOPInstanceUID = uids.derive("commitment", name, str(index))
        asked.ReferencedSOPSequence.append(one)
    return asked


def status(association: Association, asked: Dataset, *, action: int = 1,
           instance: str = StorageCommitmentPushModelInstance) -> int:  # fmt: skip
    """Return the status of the answer to an N-ACTION."""
    answer, _ = association.send_n_action(asked, action, StorageCommitmentPushModel, instance)
    return int(answer.Status)


@pytest.mark.parametrize("count", [1, 40, 3000])
def test_each_instance_fails_with_a_reason_on_a_new_association(
    door: Door, consoles: dict[str, Console], count: int
) -> None:
    console, asked = consoles["CONSOLE"], request(f"of {count}", count)
    with console.listening(), console.associated(door) as association:
        assert status(association, asked) == 0x0000
        kind, told, caller = console.heard.get(timeout=_WAIT_S)
        assert association.send_c_echo().Status == 0x0000
    assert (kind, caller, told.TransactionUID) == (2, "AITRIAGE", asked.TransactionUID)
    assert "ReferencedSOPSequence" not in told
    assert [one.ReferencedSOPInstanceUID for one in told.FailedSOPSequence] == [
        one.ReferencedSOPInstanceUID for one in asked.ReferencedSOPSequence
    ]
    assert {int(one.FailureReason) for one in told.FailedSOPSequence} == {0x0110}


def test_report_waits_for_a_console_that_does_not_listen_yet(
    door: Door, consoles: dict[str, Console]
) -> None:
    console, asked = consoles["SECOND"], request("early", 2)
    with console.associated(door) as association:
        assert status(association, asked) == 0x0000
        assert status(association, request("early too", 1)) == 0x0000
    with console.listening():
        told = {console.heard.get(timeout=_WAIT_S)[1].TransactionUID for _ in range(2)}
    assert told == {asked.TransactionUID, request("early too", 1).TransactionUID}


def test_what_is_no_request_is_refused_and_the_association_lasts(
    door: Door, consoles: dict[str, Console]
) -> None:
    console = consoles["CONSOLE"]
    nothing, nobody = request("empty", 0), request("no transaction", 1)
    del nobody.TransactionUID
    with console.associated(door) as association:
        assert status(association, nothing) == 0x0115
        assert status(association, nobody) == 0x0115
        assert status(association, request("other action", 1), action=2) == 0x0123
        assert status(association, request("other instance", 1), instance="1.2.3") == 0x0112
        assert association.send_c_echo().Status == 0x0000


def test_caller_without_an_address_is_not_authorised(
    nameless: Door, consoles: dict[str, Console]
) -> None:
    with consoles["CONSOLE"].associated(nameless) as association:
        assert status(association, request("nameless", 1)) == 0x0124
        assert association.send_c_echo().Status == 0x0000
