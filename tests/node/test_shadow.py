"""A model in the shadow of a real node: read in silence, compared, and never in the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dicom_node import policy
from dicom_node.domain import StudyKind
from dicom_node.phantom.samples import frontal
from dicom_node.pixels.wrap import encode
from models import registry
from tests.model_inputs import copied
from tests.nodes import LiveNode, NotYetError, eventually

pytestmark = pytest.mark.node

SERVED = policy.load().models[StudyKind.CXR]
_NODE = """
policy = "{home}/policy.toml"
[[models]]
name = "ours"
folder = "models/ours"
like = "{like}"
[[models]]
name = "broken"
folder = "models/broken"
like = "{like}"
"""


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start a node with a copy of the served film model in the shadow."""
    home = tmp_path_factory.mktemp("shadowed")
    for name in ("ours", "broken"):
        copied(registry.entry(SERVED), home / "models" / name)
    (home / "models" / "broken" / "weights.safetensors").write_bytes(b"other weights")
    (home / "node.toml").write_text(_NODE.format(home=home, like=SERVED), encoding="utf-8")
    put_in_the_shadow(home, "ours")
    with LiveNode.at(home).running() as live:
        yield live


def put_in_the_shadow(home: Path, name: str) -> None:
    shipped = policy.DEFAULT_FILE.read_text(encoding="utf-8")
    (home / "policy.toml").write_text(f'{shipped}\n[shadow]\nCXR = "{name}"\n', encoding="utf-8")


def send_film(node: LiveNode, folder: Path, seed: int) -> str:
    _, (image,) = frontal(seed)
    file = folder / f"{seed}.dcm"
    file.write_bytes(encode(image))
    assert all(outcome.stored for outcome in node.send([file]))
    return str(image.StudyInstanceUID)


def shadow_part(node: LiveNode) -> tuple[bool, str]:
    """Return whether the health says that the shadow can read, and its sentence."""
    parts = node.get("/ai/health").json()["parts"]
    return next((part["ok"], part["message"]) for part in parts if part["name"] == "shadow")


def until_shadow_says(node: LiveNode, words: str) -> None:
    for attempt in eventually(300):
        with attempt:
            if words not in shadow_part(node)[1]:
                raise NotYetError(f"{shadow_part(node)}\n{node.logs()}")


def compared(node: LiveNode) -> list[dict[str, Any]]:
    return list(json.loads(node.run("models", "compare", "--json").stdout)["comparisons"])


def looked_at(node: LiveNode) -> int:
    """Return how many studies the shadow has read, or has failed on."""
    return sum(one["n"] + sum(one["failed"].values()) for one in compared(node))


def until_looked_at(node: LiveNode, count: int) -> None:
    for attempt in eventually(300):
        with attempt:
            if looked_at(node) < count:
                raise NotYetError(f"{compared(node)}\n{node.logs()}")


def test_shadow_reads_what_is_reported_and_reports_nothing(
    shadowed: LiveNode, tmp_path: Path
) -> None:
    until_shadow_says(shadowed, "reads ours")
    study = send_film(shadowed, tmp_path, 61)

    assert shadowed.final(study)["state"] == "REPORTED"
    until_looked_at(shadowed, 1)
    (found,) = compared(shadowed)
    assert (found["served"]["name"], found["shadow"]["name"]) == (SERVED, "ours")
    assert (found["n"], found["top"]["count"], found["failed"]) == (1, 1, {})
    assert all(f["mean_absolute_difference"] < 1e-3 for f in found["findings"])
    told = shadowed.study(study)
    assert len(told["runs"]) == len(told["reports"]) == 1
    assert len(shadowed.reports(study)) == 1
    assert told["model"]["name"] == SERVED
    assert "ours" not in json.dumps(told)


def test_models_tell_which_speaks(shadowed: LiveNode) -> None:
    until_shadow_says(shadowed, "reads ours")
    models = shadowed.get("/ai/models").json()["models"]

    told = {(m["kind"], m["name"]): m["state"] for m in models}
    assert told[StudyKind.CXR, SERVED] == "served"
    assert told[StudyKind.CXR, "ours"] == "shadow"
    assert told[StudyKind.CXR, "broken"] == "registered"
    listed = json.loads(shadowed.run("models", "list", "--json").stdout)["models"]
    assert {m["name"]: m["state"] for m in listed}["ours"] == "shadow"
    assert json.loads(shadowed.run("status", "--json").stdout)["message"] == "ready"


def test_killed_shadow_costs_nobody_anything(shadowed: LiveNode, tmp_path: Path) -> None:
    until_shadow_says(shadowed, "reads ours")
    worker = shadowed.parts()["worker"]
    before = looked_at(shadowed)
    for child in psutil.Process(worker).children(recursive=True):
        if "worker.shadow_reader" in child.cmdline():
            child.kill()
    study = send_film(shadowed, tmp_path, 62)

    assert shadowed.final(study)["state"] == "REPORTED"
    until_looked_at(shadowed, before + 1)
    assert [one["failed"] for one in compared(shadowed)] == [{}]
    assert shadowed.parts()["worker"] == worker


def test_broken_shadow_is_told_and_the_node_goes_on(shadowed: LiveNode, tmp_path: Path) -> None:
    first = send_film(shadowed, tmp_path, 63)
    runs = len(shadowed.final(first)["runs"])
    shadowed.down()
    put_in_the_shadow(shadowed.home, "broken")
    shadowed.up()
    until_shadow_says(shadowed, "hash to")
    before = looked_at(shadowed)

    assert shadowed.get("/ai/health").json()["ready"] is True
    assert "shadow: the shadow model for CXR is not fit" in shadowed.run("status").stdout
    checks = json.loads(shadowed.run("doctor", "--json", check=False).stdout)["checks"]
    assert {c["name"]: c["outcome"] for c in checks}["model broken"] == "warning"
    assert shadowed.run("models", "verify", "broken", check=False).returncode == 1
    study = send_film(shadowed, tmp_path, 64)
    assert shadowed.final(study)["state"] == "REPORTED"
    assert len(shadowed.reports(study)) == 1
    until_looked_at(shadowed, before + 1)
    (reason,) = compared(shadowed)[-1]["failed"]
    assert "hash to" in reason
    assert shadowed.post(f"/ai/studies/{first}/runs", {"force": False}).status_code == 200
    assert len(shadowed.study(first)["runs"]) == runs
