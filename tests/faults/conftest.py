"""Scratch nodes to hurt, one for each ground that a fault needs."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.faults import injuries
from bench.faults.films import films
from bench.faults.injuries import INJURIES, Ground
from bench.faults.scene import Ports, Scene, opened
from bench.faults.settling import judge
from bench.faults.trial import END_S, Trial, run
from dicom_node.checkpoints import POINTS
from dicom_node.policy import DEFAULT_FILE
from tests.conftest import missing_tool

Try = Callable[[str, int], Trial]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which a dead worker is noticed within seconds."""
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    text, changed = re.subn(
        r"(?m)^seconds = 30\b", "seconds = 6", DEFAULT_FILE.read_text(encoding="utf-8")
    )
    assert changed == 1
    policy.write_text(text, encoding="utf-8")
    return {"NODE_POLICY": str(policy), "NODE_RECONCILE_S": "1"}


@pytest.fixture(scope="module")
def hurt(site: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Try]:
    """Return what hurts a node by a fault's name and a point's number.

    Each ground has one node, started when first needed, ended with the module, after all of its
    studies have been judged once more: a message that nobody acknowledged returns late.
    """
    scenes: dict[Ground, Scene] = {}
    studies: dict[Ground, list[str]] = {}
    folder = tmp_path_factory.mktemp("faults")
    sent = films(folder / "films", "CI")
    with ExitStack() as stack:

        def hurt_at(name: str, number: int) -> Trial:
            (injury,) = [one for one in INJURIES if one.name == name]
            if lacks := injuries.missing(injury.ground):
                missing_tool(lacks)
            if injury.ground not in scenes:
                scenes[injury.ground] = _stand(stack, injury.ground, folder, site)
            (point,) = [point for point in POINTS if point.number == number]
            trial = run(scenes[injury.ground], injury, point, sent)
            studies.setdefault(injury.ground, []).append(trial.study)
            return trial

        yield hurt_at
        late = [judge(scenes[ground], uids, END_S) for ground, uids in studies.items()]
        assert not any(late), late


def _stand(stack: ExitStack, ground: Ground, folder: Path, site: dict[str, str]) -> Scene:
    home = folder / ground.name.lower()
    injuries.prepare(stack, ground, home)
    return stack.enter_context(opened(home, Ports.choose(None), site))
