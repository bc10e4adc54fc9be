"""A marked patient takes every way through a real node; nothing but the data stores may know it.

Searched: all files that the node wrote, Redis' keys, metrics, health and every error page. The
stores by purpose, which hold patients and say so in docs/privacy.md, are named in `STORES`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from pydicom import dcmread

from dicom_node import uids
from dicom_node.intake.broker import RUN_QUEUE
from dicom_node.ledger import open_ledger
from dicom_node.pixels.wrap import encode
from tests.marked_ways import image, send
from tests.marks import MARKS, PIXEL_MARK, forms
from tests.nodes import LiveNode, NotYetError, eventually

pytestmark = pytest.mark.node

STORES = ("orthanc", "ledger.sqlite3", "outbox")
"""Orthanc's images and index, the ledger, results that wait for a destination."""


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


def test_redis_holds_ids_alone(node: LiveNode, said: list[str], tmp_path: Path) -> None:
    """Looked at while a run waits for its worker; DUMP would compress what it holds."""
    socket = str(node.settings().socket_dir / "redis.sock")
    with node.stopped("worker"):
        uid = send(node, tmp_path, image("frontal", "waiting"))
        with closing(redis.Redis(unix_socket_path=socket)) as db:
            for attempt in eventually():
                with attempt:
                    held = {key: _held(db, key) for key in db.scan_iter("*", count=1000)}
                    if not any(key.startswith(RUN_QUEUE.encode()) for key in held):
                        raise NotYetError("no run waits")
    assert {key: marks for key, of in held.items() if (marks := found_in(key + of))} == {}
    assert node.final(uid)["state"] == "REPORTED"


def _held(db: redis.Redis, key: bytes) -> bytes:
    """Return all that Redis holds under a key, as it is."""
    read: dict[bytes | str, Callable[[], object]] = {
        b"string": lambda: db.get(key),
        b"list": lambda: db.lrange(key, 0, -1),
        b"hash": lambda: db.hgetall(key),
        b"set": lambda: db.smembers(key),
        b"zset": lambda: db.zrange(key, 0, -1),
        b"none": lambda: None,  # taken since the keys were listed
    }
    return _joined(read[db.type(key)]())


def _joined(value: object) -> bytes:
    if isinstance(value, dict):
        return _joined([*value, *value.values()])
    if isinstance(value, (list, set)):
        return b"\n".join(map(_joined, value))
    return value if isinstance(value, bytes) else b""


def test_no_error_page_metric_or_health_repeats_the_patient(
    node: LiveNode, said: list[str]
) -> None:
    assert len(said) == 9 + 4 + 3
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
