"""Back-pressure on a real node: refused while there is no room, taken again when there is."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from dicom_node.archive.dimse import Peer, StoreScu
from dicom_node.pixels.wrap import encode
from tests.dcmtk import dcmtk
from tests.images import film as image_of
from tests.nodes import LiveNode, NotYetError, eventually
from tests.resending import Studies, Study, live
from tests.small import MIB, RESERVE_MIB, emptied, images

pytestmark = pytest.mark.node

OUT_OF_RESOURCES = 0xA700


@pytest.fixture(scope="module")
def node(small: LiveNode) -> LiveNode:
    return emptied(small)


@pytest.fixture(scope="module")
def studies(demo_folder: Path) -> Studies:
    return Studies(demo_folder / "room")


@contextmanager
def full_disk(node: LiveNode) -> Iterator[None]:
    """Leave less on the disk than is kept for reports."""
    ballast = images(node) / "ballast"
    disk = os.statvfs(images(node))
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - RESERVE_MIB * MIB // 2)
    try:
        yield
    finally:
        ballast.unlink()


def statuses(node: LiveNode, study: Study, calling_ae: str = "MODALITY") -> set[int | None]:
    peer = Peer("127.0.0.1", node.dicom_port, "AITRIAGE", calling_ae)
    return {outcome.status for outcome in StoreScu(peer).send(study.files())}


def test_full_disk_refuses_images_and_takes_them_again(
    node: LiveNode, studies: Studies, tmp_path: Path
) -> None:
    film = studies.film("full disk")
    (file,) = film.files()
    before = {path for path in images(node).rglob("*") if path.is_file()}
    with full_disk(node):
        assert statuses(node, film) == {OUT_OF_RESOURCES}
        told = subprocess.run(
            [dcmtk("storescu"), "-v", "127.0.0.1", str(node.dicom_port), file],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert "OutOfResources" in told.stdout + told.stderr
        url = f"http://127.0.0.1:{node.http_port}/instances"
        upload = httpx.post(url, content=file.read_bytes(), timeout=30, trust_env=False)
        assert upload.status_code == httpx.codes.SERVICE_UNAVAILABLE
        after = {path for path in images(node).rglob("*") if path.is_file()}
        assert {path.name for path in after - before} == {"ballast"}
        assert node.lookup(film.uid, "Study") == []
        told_everywhere(node)
    assert node.healthy()["ready"]
    assert statuses(node, film) == {0}
    assert node.final(film.uid)["state"] == "REPORTED"
    assert len(live(node, film.uid)) == 1


def told_everywhere(node: LiveNode) -> None:
    """Check that health, metrics, worklist page and doctor say so."""
    health = node.get("/ai/health")
    assert health.status_code == httpx.codes.SERVICE_UNAVAILABLE
    (disk,) = (part for part in health.json()["parts"] if part["name"] == "disk")
    assert "Images are refused" in disk["message"]
    assert "dicom_node_intake_open 0.0" in node.get("/ai/metrics").text
    assert "Images are refused" in node.get("/ai/board").json()["notice"]
    assert "images are refused" in node.run("doctor", check=False).stdout


def test_image_larger_than_what_is_free_leaves_nothing_behind(
    node: LiveNode, tmp_path: Path
) -> None:
    """Orthanc alone fills the disk with half of it, and leaves that there."""
    file = tmp_path / "large.dcm"
    file.write_bytes(encode(image_of(np.zeros((13_000, 13_000), np.uint16))))
    before = os.statvfs(images(node)).f_bavail
    (outcome,) = node.send([file])
    assert outcome.status == OUT_OF_RESOURCES
    url = f"http://127.0.0.1:{node.http_port}/instances"
    upload = httpx.post(url, content=file.read_bytes(), timeout=60, trust_env=False)
    assert upload.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert abs(os.statvfs(images(node)).f_bavail - before) < MIB
    assert node.healthy()["ready"]


def test_report_is_stored_on_a_disk_that_takes_no_images(node: LiveNode, studies: Studies) -> None:
    film = studies.film("reserve")
    with ExitStack() as disk:
        with node.stopped("worker"):
            assert statuses(node, film) == {0}
            disk.enter_context(full_disk(node))
        assert node.final(film.uid)["state"] == "REPORTED"
    assert len(live(node, film.uid)) == 1


def test_long_queue_refuses_images_until_it_is_worked_off(node: LiveNode, studies: Studies) -> None:
    taken: list[Study] = []
    with node.stopped("intake"):
        for attempt in eventually():
            with attempt:
                film = studies.film(f"queue {len(taken)}")
                if statuses(node, film) != {OUT_OF_RESOURCES}:
                    taken.append(film)
                    raise NotYetError(f"{len(taken)} studies were taken")
    for film in taken:
        assert node.final(film.uid)["state"] == "REPORTED"
    for attempt in eventually():
        with attempt:
            if statuses(node, studies.film("after")) != {0}:
                raise NotYetError("still refused")


def test_urgent_study_is_read_before_those_that_came_earlier(
    node: LiveNode, studies: Studies
) -> None:
    urgent, others = studies.film("urgent"), [studies.film(f"screening {n}") for n in range(3)]
    with node.stopped("worker"):
        for film in others:
            assert statuses(node, film, "SCREENING") == {0}
        for film in others:
            queued(node, film)
        assert statuses(node, urgent, "ER_CT1") == {0}
        queued(node, urgent)
    done = [node.final(film.uid)["reported_at"] for film in (urgent, *others)]
    assert done[0] == min(done)


def test_study_that_has_waited_long_enough_goes_before_an_urgent_one(
    node: LiveNode, studies: Studies
) -> None:
    patient, urgent = studies.film("patient"), studies.film("urgent too")
    with node.stopped("worker"):
        assert statuses(node, patient, "WARD") == {0}
        queued(node, patient)
        until_at_the_top(node, patient)
        assert statuses(node, urgent, "ER_CT1") == {0}
        queued(node, urgent)
    assert node.final(patient.uid)["reported_at"] < node.final(urgent.uid)["reported_at"]


def queued(node: LiveNode, film: Study) -> None:
    for attempt in eventually():
        with attempt:
            if node.study(film.uid)["state"] != "QUEUED":
                raise NotYetError(f"{film.uid} is not queued")


def until_at_the_top(node: LiveNode, film: Study) -> None:
    """Wait until the run has been handed over to the list that workers take from first."""
    (run,) = node.study(film.uid)["runs"]
    log = node.home / "logs" / "intake.log"
    for attempt in eventually():
        with attempt:
            lines = [
                line
                for line in log.read_text(encoding="utf-8").splitlines()
                if run["run_id"] in line
            ]
            if not any("event=run.queued" in ln and "priority=STAT" in ln for ln in lines):
                raise NotYetError("it has not risen")


def test_order_that_says_stat_is_heard(node: LiveNode, studies: Studies) -> None:
    film = studies.film("ordered")
    (file,) = film.files(change=lambda image: setattr(image, "RequestedProcedurePriority", "STAT"))
    node.send([file])
    (run,) = node.final(film.uid)["runs"]
    log = (node.home / "logs" / "intake.log").read_text(encoding="utf-8")
    assert any(run["run_id"] in ln and "priority=STAT" in ln for ln in log.splitlines())
