"""What the node does when one of its parts is killed, and when a destination is away."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from dicom_node.domain import RunState
from dicom_node.phantom.samples import demo_studies
from tests.nodes import LiveNode, NotYetError, eventually
from tests.pacs import Pacs, SilentPacs
from tests.resending import Studies

pytestmark = pytest.mark.node


@pytest.mark.parametrize("part", ["beat", "relay", "haproxy", "nginx"])
def test_killed_clock_or_door_comes_back_and_a_study_is_read(
    node: LiveNode, demo_folder: Path, part: str
) -> None:
    """The other parts are killed in tests/faults, at every turn."""
    before = node.parts()[part]
    os.kill(before, signal.SIGKILL)
    for attempt in eventually():
        with attempt:
            if node.parts().get(part, before) == before:
                raise NotYetError(f"{part} has not been started again")
    node.healthy()
    film = Studies(demo_folder / f"without {part}").film(f"after {part} died")
    (outcome,) = node.send(film.files())
    assert outcome.stored
    assert node.final(film.uid)["state"] == "REPORTED"


@pytest.mark.parametrize("part", ["relay", "haproxy"])
def test_dicom_door_that_is_shut_is_told(node: LiveNode, part: str) -> None:
    with node.without(part):
        answer = node.get("/ai/health")
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        told = {one["name"]: one for one in answer.json()["parts"]}
        assert not told["dicom"]["ok"]
        assert "does not listen" in told["dicom"]["message"]


def test_destination_that_hangs_holds_up_no_study(node: LiveNode, demo_folder: Path) -> None:
    studies = Studies(demo_folder / "silence")
    first, second = studies.film("sent to a silent PACS"), studies.film("sent meanwhile")
    silent = SilentPacs(node.destination_port)
    try:
        node.send(first.files())
        node.final(first.uid)
        assert silent.called.wait(60)
        node.send(second.files())
        assert node.final(second.uid)["state"] == "REPORTED"
        for film in (first, second):
            assert [one["state"] for one in node.study(film.uid)["deliveries"]] == ["PENDING"]
    finally:
        silent.close()


@pytest.fixture
def pacs(node: LiveNode) -> Iterator[Pacs]:
    site = Pacs(node.destination_port)
    yield site
    site.off()


def test_report_that_a_destination_refused_is_sent_again_when_asked_for(
    node: LiveNode, demo_folder: Path, pacs: Pacs
) -> None:
    film = Studies(demo_folder / "refused").film("whose report is refused")
    pacs.status = 0xC000
    pacs.on()
    node.send(film.files())
    report = node.final(film.uid)["report"]["sop_instance_uid"]
    _until_delivery_is(node, film.uid, "FAILED")
    _until_nothing_is_kept(node.home / "outbox" / f"{report}.dcm")

    pacs.status = 0x0000
    told = json.loads(node.run("retry", "--deliveries", "--json").stdout)

    assert film.uid in {one["study_instance_uid"] for one in told["deliveries"]}
    _until_delivery_is(node, film.uid, "DELIVERED")
    assert report in {ds.SOPInstanceUID for ds in pacs.received}


def _until_nothing_is_kept(file: Path) -> None:
    """Wait for the file to go; it goes behind the state. Other studies may have files there."""
    for attempt in eventually():
        with attempt:
            if file.exists():
                raise NotYetError(f"{file.name} is kept")


def _until_delivery_is(node: LiveNode, uid: str, state: str) -> None:
    for attempt in eventually():
        with attempt:
            states = {d["state"] for d in node.study(uid)["deliveries"]}
            if states != {state}:
                raise NotYetError(f"{states}\n{node.logs()}")


def test_report_reaches_a_destination_that_was_away(
    node: LiveNode, demo_folder: Path, pacs: Pacs
) -> None:
    rendered = demo_studies(demo_folder / "delivery", seed=4)
    sample = next(s for s in rendered if s.expected is RunState.REPORTED and s.kind == "CXR")
    node.send(sample.files)
    told = node.final(sample.study_instance_uid)
    assert told["state"] == "REPORTED"
    assert [d["state"] for d in told["deliveries"]] != ["DELIVERED"]
    pacs.on()
    _until_delivery_is(node, sample.study_instance_uid, "DELIVERED")
    sent = {ds.SOPInstanceUID for ds in pacs.received}
    assert told["report"]["sop_instance_uid"] in sent
    source = dcmread(sample.files[0], stop_before_pixels=True)
    assert {ds.PatientID for ds in pacs.received} >= {source.PatientID}
