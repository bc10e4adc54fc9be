"""A worker whose models do not load leaves studies to others, in plain view, and tries again."""

import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dicom_node.policy import DEFAULT_FILE
from tests.nodes import LiveNode, NotYetError, eventually
from tests.resending import Studies

pytestmark = pytest.mark.node

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LiveNode]:
    """Run a node whose film model is the site's own."""
    home = tmp_path / "home"
    shutil.copytree(MODELS / "cxr_lite", home / "mine")
    rules = DEFAULT_FILE.read_text(encoding="utf-8")
    named = tomllib.loads(rules)["models"]["CXR"]
    policy = tmp_path / "policy.toml"
    policy.write_text(rules.replace(f'CXR = "{named}"', 'CXR = "mine"', 1), encoding="utf-8")
    (home / "node.toml").write_text(
        f'[[models]]\nname = "mine"\nfolder = "mine"\nlike = "{named}"\n', encoding="utf-8"
    )
    card = home / "mine" / "card.toml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace(f'name = "{named}"', 'name = "mine"', 1), encoding="utf-8")
    bare = LiveNode.at(home)
    live = replace(bare, environment={**bare.environment, "NODE_POLICY": str(policy)})
    with live.running():
        yield live


def test_study_waits_for_models_that_load_and_the_node_says_so(
    node: LiveNode, tmp_path: Path
) -> None:
    (weights,) = (node.home / "mine").glob("*.safetensors")
    sound = weights.read_bytes()
    film = Studies(tmp_path / "films").film("waiting")
    with node.stopped("worker"):
        weights.write_bytes(sound[:-4] + b"\0\0\0\0")
    worker = worker_part(node)
    assert "takes no study and tries again" in worker
    node.send(film.files())
    told = queued(node, film.uid)
    assert (told["state"], told["runs"][0]["attempts"]) == ("QUEUED", 0)
    weights.write_bytes(sound)
    assert node.final(film.uid)["state"] == "REPORTED"
    assert node.healthy()["degraded"] is False


def queued(node: LiveNode, uid: str) -> dict[str, Any]:
    """Wait until the study's run is in the queue; return what the API says of it."""
    for attempt in eventually():
        with attempt:
            told = node.study(uid)
            if told["state"] != "QUEUED":
                raise NotYetError(f"{uid} is {told['state']}")
    return told


def worker_part(node: LiveNode) -> str:
    """Wait until the node says that its worker is unfit; return the words."""
    for attempt in eventually():
        with attempt:
            answer = node.get("/ai/health").json()
            told = {part["name"]: part for part in answer["parts"]}["worker"]
            if told["ok"] or "tries again" not in told["message"]:
                raise NotYetError(told["message"])
    assert (answer["ready"], answer["degraded"]) == (False, True)
    return str(told["message"])
