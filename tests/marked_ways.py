"""Every way that a marked patient takes through a node, and what the node answers meanwhile."""

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from bench.faults.holds import Holds
from dicom_node import uids
from dicom_node.checkpoints import POINTS, Side, Step
from dicom_node.phantom import samples
from dicom_node.pixels.wrap import encode
from tests.dcmtk import dcmtk
from tests.marks import MARKS, PIXEL_MARK, marked
from tests.nodes import LiveNode, NotYetError, eventually


def image(which: str, name: str) -> Dataset:
    """Return a marked phantom under UIDs of its own."""
    _, (found,) = {"frontal": samples.frontal, "knee": samples.knee_film}[which](seed=4)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(found, keyword, uids.derive("private", name, keyword))
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    pixels = bytearray(found.PixelData)
    pixels[4000 : 4000 + len(PIXEL_MARK)] = PIXEL_MARK
    found.PixelData = bytes(pixels)
    return marked(found)


def undecodable(name: str) -> Dataset:
    found = image("frontal", name)
    found.PixelData = found.PixelData[:20_000]
    return found


def odd(name: str) -> Dataset:
    """Return a film whose values do not fit their VRs: what libraries complain of in words."""
    found = image("frontal", name)
    for tag, vr, value in (
        (0x00080008, "CS", "MRKDESC with small letters, and far too long for a code"),
        (0x00081190, "UR", "MRKDESC not a URL at all"),
        (0x00101020, "LO", "MRKOTHER"),
    ):
        found.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))
    return found


def send(node: LiveNode, folder: Path, dataset: Dataset) -> str:
    file = folder / f"{dataset.SOPInstanceUID}.dcm"
    file.write_bytes(encode(dataset))
    node.dcmsend([file])
    return str(dataset.StudyInstanceUID)


def take_every_way(node: LiveNode, folder: Path) -> list[str]:
    """Take every way, and return each answer that is no worklist."""
    reported = send(node, folder, image("frontal", "reported"))
    assert node.final(reported)["state"] == "REPORTED"
    assert node.final(send(node, folder, image("knee", "refused")))["state"] == "REFUSED"
    assert node.final(send(node, folder, undecodable("undecodable")))["state"] == "REFUSED"
    node.final(send(node, folder, odd("odd")))
    _kill_the_worker(node, folder)
    _wait_for_deliveries(node, reported)
    answers = [*_wrong_requests(node, reported), *_archive_requests(node, folder)]
    node.run("show", "MRKPID77", check=False)
    answers += _faults(node, reported)
    return answers


def _kill_the_worker(node: LiveNode, folder: Path) -> None:
    """Kill the worker, with all its children, while it holds the images."""
    (point,) = (one for one in POINTS if (one.side, one.step) == (Side.AFTER, Step.FETCH))
    holds = Holds(node.home / "checkpoints")
    worker = node.parts()["worker"]
    with holds.armed(point):
        uid = send(node, folder, image("frontal", "killed"))
        assert os.getpgid(holds.wait(point, 120)) == worker
        os.killpg(worker, signal.SIGKILL)
    node.final(uid)


def _wait_for_deliveries(node: LiveNode, uid: str) -> None:
    for attempt in eventually():
        with attempt:
            deliveries = {d["destination"]: d for d in node.study(uid)["deliveries"]}
            if not all(delivery["attempts"] for delivery in deliveries.values()):
                raise NotYetError(json.dumps(deliveries))


def _wrong_requests(node: LiveNode, uid: str) -> list[str]:
    name = MARKS[0]
    comment = {"verdict": name, "comment": "MRKCOMMENT"}
    answers = [
        node.get(f"/ai/studies/{name}"),
        node.get(f"/ai/studies/1.2.3?PatientName={name}"),
        node.get(f"/ai/worklist?state={name}"),
        node.get(f"/ai/board?limit={name}"),
        node.get(f"/ai/{name}/../{name}"),
        node.get(f"/dicom-web/studies?PatientName={name}&limit={name}"),
        node.post(f"/ai/studies/{uid}/assessments", comment),
        node.post(f"/ai/runs/{name}/retry", {}),
        node.post(f"/ai/studies/{uid}/runs", {"force": name}),
    ]
    assert [str(answer.url) for answer in answers if not answer.is_error] == []
    node.get(f"/ohif/{name}")
    node.get(f"/ai/board?q={name}")
    node.get(f"/dicom-web/studies?PatientName={name}*")
    return [_without_the_asked(answer) for answer in answers]


def _archive_requests(node: LiveNode, folder: Path) -> list[str]:
    """Ask Orthanc for the patient by every protocol, and send it what it will not take."""
    peer = ["-aec", "AITRIAGE", "127.0.0.1", str(node.dicom_port)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"PatientName={MARKS[0]}*"]
    for name, *options in (("findscu",), ("movescu", "-aem", "NOBODY")):
        command = [dcmtk(name), "-S", *options, *peer, *keys]
        subprocess.run(command, capture_output=True, check=False, timeout=60)
    base = f"http://127.0.0.1:{node.http_port}"
    whole = next(iter(folder.glob("*.dcm"))).read_bytes()
    wanted = {"Level": MARKS[0], "Query": {"PatientName": MARKS[0]}}
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        client.post("/tools/lookup", content=MARKS[0])
        answers = [
            client.post("/instances", content=b"DICM" + MARKS[0].encode() * 20),
            client.post("/instances", content=whole[: len(whole) // 2]),
            client.post("/tools/find", json=wanted),
            client.get(f"/patients/{MARKS[0]}"),
        ]
    assert [str(answer.url) for answer in answers if not answer.is_error] == []
    return [_without_the_asked(answer) for answer in answers]


def _without_the_asked(answer: httpx.Response) -> str:
    """Return an answer without the path that Orthanc repeats to whoever asked for it."""
    told = answer.json() if answer.content else {}
    return json.dumps({key: told[key] for key in told.keys() - {"Uri"}})


def _faults(node: LiveNode, uid: str) -> list[str]:
    """Break a row so that the API meets an error which quotes it: a real 500."""
    with closing(sqlite3.connect(node.home / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE studies SET state = ? WHERE study_instance_uid = ?", (MARKS[0], uid))
    answers = [node.get(f"/ai/studies/{uid}"), node.get("/ai/worklist"), node.get("/ai/metrics")]
    assert answers[0].status_code == httpx.codes.INTERNAL_SERVER_ERROR
    command = node.run("worklist", check=False)
    assert command.returncode != 0
    with closing(sqlite3.connect(node.home / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE studies SET state = 'REPORTED' WHERE state = ?", (MARKS[0],))
    return [answer.text for answer in answers]
