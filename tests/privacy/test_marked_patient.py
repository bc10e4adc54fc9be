"""A marked patient takes every way through a real node; nothing but the data stores may know it.

Searched: all files that the node wrote, Redis' keys, metrics, health and every error page. The
stores by purpose, which hold patients and say so in docs/privacy.md, are named in `STORES`.
"""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import redis
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage
from pynetdicom import AE, evt

from dicom_node import uids
from dicom_node.ledger import open_ledger
from dicom_node.phantom import samples
from dicom_node.pixels.wrap import encode
from tests.dcmtk import dcmtk
from tests.marks import MARKS, PIXEL_MARK, forms, marked
from tests.nodes import LiveNode, NotYetError, eventually, free_port

pytestmark = pytest.mark.node

STORES = ("orthanc", "ledger.sqlite3", "outbox")
"""Orthanc's images and index, the ledger, results that wait for a destination."""

_DESTINATIONS = """
[[destinations]]
name = "away"
kind = "dimse"
port = {away}
ae_title = "AWAY"
timeout_s = 2
[[destinations]]
name = "rejecting"
kind = "dimse"
port = {rejecting}
ae_title = "REJECT"
timeout_s = 5
"""


def _reject(event: evt.Event) -> Dataset:
    """Refuse what is stored, in words that name the patient (PS3.7 C.4.1.3)."""
    answer = Dataset()
    answer.Status = 0xC000
    answer.ErrorComment = f"no {event.dataset.PatientName} here"[:64]
    return answer


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the node's temporary files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> Iterator[LiveNode]:
    """Start a node that logs all it can, with two destinations that do not take its results."""
    home = tmp_path_factory.mktemp("private")
    ae = AE("REJECT")
    ae.add_supported_context(Comprehensive3DSRStorage)
    rejecting = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, _reject)]
    )
    assert rejecting is not None
    environment = {**os.environ, "NODE_LOG_LEVEL": "DEBUG", "TMPDIR": str(scratch)}
    live = LiveNode(home, free_port(), free_port(), free_port(), environment)
    (home / "node.toml").write_text(
        _DESTINATIONS.format(away=live.destination_port, rejecting=rejecting.server_address[1])
    )
    live.up()
    yield live
    live.down()
    rejecting.shutdown()


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


@pytest.fixture(scope="module")
def said(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Take every way, and return each answer that is no worklist."""
    folder = tmp_path_factory.mktemp("sent")
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
    uid = send(node, folder, image("frontal", "killed"))
    os.kill(node.parts()["worker"], signal.SIGKILL)
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
        node.get(f"/ai/qido/studies?PatientName={name}&limit={name}"),
        node.get(f"/ohif/{name}"),
        node.post(f"/ai/studies/{uid}/assessments", comment),
        node.post(f"/ai/runs/{name}/retry", {}),
        node.post(f"/ai/studies/{uid}/runs", {"force": name}),
    ]
    assert all(answer.is_error for answer in answers[:1])
    node.get(f"/ai/board?q={name}")
    node.get(f"/ai/qido/studies?PatientName={name}*")
    node.get(f"/dicom-web/studies?PatientName={name}*")
    return [a.text for a in answers if a.is_error and "/ohif/" not in str(a.url)]


def _archive_requests(node: LiveNode, folder: Path) -> list[str]:
    """Ask Orthanc for the patient by every protocol, and send it what it will not take."""
    peer = ["-aec", "AITRIAGE", "127.0.0.1", str(node.dicom_port)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"PatientName={MARKS[0]}*"]
    for name, *options in (("findscu",), ("movescu", "-aem", "NOBODY")):
        command = [dcmtk(name), "-S", *options, *peer, *keys]
        subprocess.run(command, capture_output=True, check=False, timeout=60)
    base = f"http://127.0.0.1:{node.http_port}"
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        client.post("/instances", content=b"DICM" + MARKS[0].encode() * 20)
        client.post("/tools/find", json={"Level": MARKS[0], "Query": {"PatientName": MARKS[0]}})
        client.post("/tools/lookup", content=MARKS[0])
        client.get(f"/patients/{MARKS[0]}")
        whole = next(iter(folder.glob("*.dcm"))).read_bytes()
        client.post("/instances", content=whole[: len(whole) // 2])
    return []


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


def written(node: LiveNode, scratch: Path) -> Iterator[Path]:
    """Yield every file that the node wrote, but for its stores."""
    for root in (node.home, scratch):
        for file in root.rglob("*"):
            if file.is_file() and not file.relative_to(root).parts[0].startswith(STORES):
                yield file


def found_in(content: bytes) -> list[str]:
    marks = [mark for mark in MARKS if any(form in content for form in forms(mark))]
    return marks + (["pixels"] if PIXEL_MARK in content else [])


def test_no_file_outside_the_stores_knows_the_patient(
    node: LiveNode, said: list[str], scratch: Path
) -> None:
    files = list(written(node, scratch))
    names = {file.name for file in files}
    assert {"api.log", "worker.log", "intake.log", "orthanc.log", "redis.log"} <= names
    assert any("appendonly" in name for name in names)
    assert sum(file.stat().st_size for file in files) > 10_000
    leaks = {str(file): found for file in files if (found := found_in(file.read_bytes()))}
    assert leaks == {}, _where(leaks)


def _where(leaks: dict[str, list[str]]) -> list[str]:
    lines = []
    for name, marks in leaks.items():
        for line in Path(name).read_bytes().splitlines():
            if any(form in line for mark in marks if mark in MARKS for form in forms(mark)):
                lines.append(f"{Path(name).name}: {line[:400]!r}")
    return lines


def test_redis_holds_ids_alone(node: LiveNode, said: list[str]) -> None:
    with closing(
        redis.Redis(unix_socket_path=str(node.settings().socket_dir / "redis.sock"))
    ) as db:
        for key in db.scan_iter("*", count=1000):
            assert found_in(key + (db.dump(key) or b"")) == []


def test_no_error_page_metric_or_health_repeats_the_patient(
    node: LiveNode, said: list[str]
) -> None:
    assert len(said) >= 8
    pages = [*said, node.get("/ai/metrics").text, node.get("/ai/health").text]
    assert [page for page in pages if found_in(page.encode())] == []


def test_the_stores_hold_the_patient(node: LiveNode, said: list[str]) -> None:
    """The search would find the marks: where they belong, they are."""
    ledger = (node.home / "ledger.sqlite3").read_bytes()
    wal = node.home / "ledger.sqlite3-wal"
    assert MARKS[0] in found_in(ledger + (wal.read_bytes() if wal.exists() else b""))
    images = [f for f in (node.home / "orthanc").rglob("*") if f.is_file()]
    assert any("pixels" in found_in(file.read_bytes()) for file in images)
    assert [found for found in found_in(_one_report(node)) if found != "pixels"]


def _one_report(node: LiveNode) -> bytes:
    uid = uids.derive("private", "reported", "StudyInstanceUID")
    (report, *_) = node.stored(node.reports(uid)[0])
    return encode(report)


def test_export_of_the_marked_study_names_nobody(
    node: LiveNode, said: list[str], tmp_path: Path
) -> None:
    uid = uids.derive("private", "reported", "StudyInstanceUID")
    options = ("--output", str(tmp_path), "--by", "Ada Lovelace", "--json")
    told = json.loads(node.run("export", uid, *options).stdout)
    again = json.loads(node.run("export", uid, *options).stdout)
    assert told == again
    written = {Path(file).stem: dcmread(file) for file in told["files"]}
    assert {one.Modality for one in written.values()} == {"DX", "SR", "OT"}
    for file in told["files"]:
        assert [mark for mark in found_in(Path(file).read_bytes()) if mark != "pixels"] == []
    for one in written.values():
        assert one.StudyInstanceUID == told["study_instance_uid"]
        pointed = (e.value for e in one.iterall() if e.keyword == "ReferencedSOPInstanceUID")
        assert set(pointed) <= written.keys()
    with closing(open_ledger(node.settings().database)) as book:
        entry = next(e for e in book.audit.entries(uid) if e.action == "study.export")
    assert entry.actor.endswith(" as Ada Lovelace")
    assert (node.home / "secrets" / "export.key").stat().st_mode & 0o777 == 0o600


def test_what_the_node_wrote_is_the_owners_alone(node: LiveNode, said: list[str]) -> None:
    for folder in (node.home, node.home / "logs", node.home / "redis"):
        assert oct(folder.stat().st_mode & 0o777) == "0o700"
