"""Studies that kill, stall or bloat the worker on a real node: each ends, and others are read."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from dicom_node import policy, uids
from dicom_node.checkpoints import POINTS, Side, Step
from dicom_node.ledger import Ledger
from dicom_node.pixels.wrap import encode
from tests import bombs
from tests.images import axial
from tests.nodes import LiveNode, NotYetError, eventually
from tests.resending import Studies, Study, live, opened, settled
from tests.small import ATTEMPTS, MEMORY_MIB, MIB, TIME_LIMIT_S, emptied, holds, peak_mib, readers

pytestmark = pytest.mark.node

(IN_THE_MIDDLE,) = (one for one in POINTS if (one.side, one.step) == (Side.BEFORE, Step.INFER))


@pytest.fixture(scope="module")
def node(small: LiveNode) -> LiveNode:
    return emptied(small)


@pytest.fixture(scope="module")
def studies(demo_folder: Path) -> Studies:
    return Studies(demo_folder / "poison")


def test_study_that_kills_its_worker_each_time_ends_failed_and_others_are_read(
    node: LiveNode, studies: Studies
) -> None:
    poison, good = studies.ct("poison"), studies.film("good")
    node.send(poison.files())
    with opened(node) as ledger:
        for number in range(1, ATTEMPTS + 1):
            psutil.Process(reader_of(node, ledger, poison, number)).kill()
            holds(node).let_go(IN_THE_MIDDLE)
            if number == 1:
                node.send(good.files())
    told_poison = node.final(poison.uid)
    assert told_poison["state"] == "FAILED"
    assert f"the worker was lost {ATTEMPTS} times" in told_poison["error"]["message"]
    assert node.final(good.uid)["state"] == "REPORTED"
    assert len(live(node, good.uid)) == 1
    retried = node.post(f"/ai/studies/{poison.uid}/runs", {})
    assert retried.status_code == httpx.codes.ACCEPTED
    for attempt in eventually():
        with attempt:
            if node.final(poison.uid)["state"] != "REPORTED":
                raise NotYetError("the retry has not been read")
    assert len(live(node, poison.uid)) == 1


def reader_of(node: LiveNode, ledger: Ledger, study: Study, attempt: int) -> int:
    """Hold the worker in the middle of an attempt at a study; return its process id."""
    while True:
        holds(node).arm(IN_THE_MIDDLE)
        reader = holds(node).wait(IN_THE_MIDDLE, 120)
        told = ledger.queries.detail(study.uid)
        if told is not None and told.runs[0].attempts == attempt:
            return reader
        holds(node).let_go(IN_THE_MIDDLE)  # another study's


def until(ledger: Ledger, study: Study, state: str) -> None:
    """Wait until a study is in a state."""
    for attempt in eventually():
        with attempt:
            told = ledger.queries.detail(study.uid)
            if told is None or told.item.state != state:
                raise NotYetError(f"not {state}: {told and told.item.state}")


def test_reading_that_takes_too_long_ends_failed_with_its_stage(
    node: LiveNode, studies: Studies
) -> None:
    endless = studies.film("endless")
    with opened(node) as ledger, holds(node).armed(IN_THE_MIDDLE):
        node.send(endless.files())
        holds(node).wait(IN_THE_MIDDLE, 120)
        until(ledger, endless, "FAILED")
    told = node.final(endless.uid)
    assert told["error"]["stage"] == "infer"
    assert f"took longer than {TIME_LIMIT_S} s" in told["error"]["message"]


def test_reading_that_stalls_ends_failed_with_its_stage(node: LiveNode, studies: Studies) -> None:
    """Orthanc hangs in the middle of a fetch: it is given up before the time is up."""
    stalled = studies.film("stalled")
    with opened(node) as ledger, ExitStack() as hanging:
        with node.stopped("worker"):
            node.send(stalled.files())
            until(ledger, stalled, "QUEUED")
            hanging.enter_context(node.paused("orthanc"))
        until(ledger, stalled, "FAILED")
    told = node.final(stalled.uid)
    assert told["error"]["stage"] == "fetch"
    assert told["error"]["message"] == "Orthanc does not answer: ReadTimeout"
    node.run("retry", told["runs"][0]["run_id"])
    for attempt in eventually():
        with attempt:
            if node.final(stalled.uid)["state"] != "REPORTED":
                raise NotYetError("the retry has not been read")


TURNED_AWAY = "turned away"
HOSTILE: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "huge": (bombs.huge, {"IMAGE_TOO_LARGE"}),
    "deflated": (lambda: bombs.deflated(768 * MIB), {TURNED_AWAY}),
    "nested": (lambda: bombs.nested(3000), {TURNED_AWAY}),
    "runs": (lambda: bombs.runs(32 * MIB), {"INCONSISTENT_HEADER"}),
    "codestream": (lambda: bombs.codestream(60_000), {"INCONSISTENT_HEADER"}),
}
"""What makes the file, and what must become of it: the code of its refusal, or that the door turns
it away before Orthanc reads it."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_and_takes_little_memory(node: LiveNode, name: str) -> None:
    """No reader dies of it."""
    make, ends = HOSTILE[name]
    (reader,) = readers(node)
    before = peak_mib(reader.pid)
    end = posted(node, make(), bombs.study(name))
    assert end in ends
    assert [one.pid for one in readers(node)] == [reader.pid]
    orthanc = node.parts()["orthanc"]
    print(  # noqa: T201  # the figures, with -s
        f"{name}: {end}, reader {before} -> {peak_mib(reader.pid)} MiB, "
        f"orthanc {peak_mib(orthanc)} MiB"
    )
    assert peak_mib(reader.pid) - before < MEMORY_MIB // 4


def posted(node: LiveNode, content: bytes, study: str) -> str:
    """Give Orthanc a file; return the code of its study's refusal, or that it was turned away."""
    url, orthanc = f"http://127.0.0.1:{node.http_port}/instances", node.parts()["orthanc"]
    answer = httpx.post(url, content=content, timeout=120, trust_env=False)
    if answer.status_code == httpx.codes.BAD_REQUEST:
        assert "refused" in answer.text or "not taken" in answer.text
        assert node.parts()["orthanc"] == orthanc
        assert study not in node.archived()
        return TURNED_AWAY
    assert answer.status_code == httpx.codes.OK, answer.text
    told = node.final(study)
    assert told["state"] == "REFUSED", told
    assert node.parts()["orthanc"] == orthanc
    return str(told["refusal"]["code"])


def test_series_of_as_many_slices_as_the_policy_allows_ends(node: LiveNode, tmp_path: Path) -> None:
    count = policy.load().limits.ct_max_slices
    noise = np.random.default_rng(5).integers(0, 1200, (128, 128)).astype(np.uint16)
    for index in range(count):
        image = bombs.named(axial(0.7 * index, noise), "long")
        image.SOPInstanceUID = uids.derive("bomb", "long", str(index))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        (tmp_path / f"{index:04d}.dcm").write_bytes(encode(image))
    (reader,) = readers(node)
    before = peak_mib(reader.pid)
    assert all(outcome.stored for outcome in node.send(sorted(tmp_path.iterdir())))
    told = settled(node, bombs.study("long"))  # the deadline ends a part of it while it arrives
    assert told["state"] in {"REFUSED", "REPORTED"}
    assert [one.pid for one in readers(node)] == [reader.pid]
    print(  # noqa: T201  # the figures, with -s
        f"{count} slices: {told['state']}, reader {before} -> {peak_mib(reader.pid)} MiB"
    )
