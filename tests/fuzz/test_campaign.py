"""A short fuzz campaign from the phantoms alone, in child processes as the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.fuzz import seeds, targets
from bench.fuzz.campaign import Campaign, Tally

INPUTS = 1200
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz") / "seeds"
    seeds.prepare(place, None)
    return place


def test_no_input_crashes_hangs_or_raises_what_is_no_node_error(
    folder: Path, tmp_path: Path
) -> None:
    campaign = Campaign(seed=5, seeds=folder, limit_s=LIMIT_S, jobs=2)

    tallies = campaign.run(INPUTS, list(targets.TARGETS), lambda _: None)

    faults = [fault for tally in tallies.values() for fault in tally.faults]
    assert not faults, [(campaign.keep(f, tmp_path), f.report) for f in faults[:5]]
    assert sum(tally.inputs for tally in tallies.values()) >= INPUTS - len(targets.TARGETS)
    for name, tally in tallies.items():
        assert len(tally.outcomes) > 1, f"all inputs of {name} end alike: {tally.outcomes}"


def test_the_same_seed_gives_the_same_inputs(folder: Path) -> None:
    for target in targets.TARGETS:
        assert targets.study(target, 7, 3, folder) == targets.study(target, 7, 3, folder)
    assert targets.study("decode", 7, 3, folder) != targets.study("decode", 7, 4, folder)


def test_an_input_that_takes_too_long_is_a_fault_with_its_files(
    folder: Path, tmp_path: Path
) -> None:
    campaign = Campaign(seed=5, seeds=folder, limit_s=1e-6, jobs=1)

    tally = campaign.run(1, ["stack"], lambda _: None)["stack"]

    (fault,) = tally.faults
    assert fault.kind == "hang"
    kept = campaign.keep(fault, tmp_path)
    assert sorted(kept.glob("*.dcm"))
    assert (kept / "fault.txt").read_text(encoding="utf-8").startswith("hang")


def test_a_campaign_whose_children_cannot_start_says_so(tmp_path: Path) -> None:
    campaign = Campaign(seed=5, seeds=tmp_path / "nowhere", limit_s=LIMIT_S, jobs=1)

    with pytest.raises(RuntimeError, match="no input of geometry could run"):
        campaign.run(1, ["geometry"], lambda _: None)


def test_a_child_that_never_begins_is_started_again_and_blames_no_input(tmp_path: Path) -> None:
    campaign, tally = Campaign(5, tmp_path, LIMIT_S, 1, start_s=1e-6), Tally()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        following = campaign.follow(process, "decode", 7, tally)

    assert following == 7
    assert (tally.inputs, tally.faults) == (0, [])
    with pytest.raises(RuntimeError, match="no input of geometry began within"):
        campaign.run(1, ["geometry"], lambda _: None)


BEGINS = """print('{"begins": 7}')\n"""
ENDS = """print('{"ended": 7, "outcome": "read", "fault": "", "took_s": 0.1}')\n"""


@pytest.mark.parametrize(
    ("child", "outcomes", "kinds"),
    [
        (BEGINS + ENDS, {"read": 1}, []),
        (BEGINS + ENDS + "raise SystemExit(3)", {"read": 1}, ["crash exit 3 after its end"]),
        (BEGINS + "raise SystemExit(3)", {"crash exit 3": 1}, ["crash exit 3"]),
        (BEGINS, {"crash exit 0": 1}, ["crash exit 0"]),
    ],
    ids=["all is well", "dies after the last input", "dies in an input", "leaves in an input"],
)
def test_a_death_is_put_down_to_the_input_that_ran(
    tmp_path: Path, child: str, outcomes: dict[str, int], kinds: list[str]
) -> None:
    campaign, tally = Campaign(seed=5, seeds=tmp_path, limit_s=LIMIT_S, jobs=1), Tally()
    with subprocess.Popen(
        [sys.executable, "-c", child], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        following = campaign.follow(process, "decode", 7, tally)

    assert following == 8
    assert (tally.outcomes, [fault.kind for fault in tally.faults]) == (outcomes, kinds)
    assert [fault.index for fault in tally.faults] == [7] * len(kinds)
