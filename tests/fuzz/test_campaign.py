"""A short fuzz campaign from the phantoms alone, in child processes as the long one."""

from pathlib import Path

import pytest

from bench.fuzz import seeds, targets
from bench.fuzz.campaign import Campaign

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
    assert (kept / "fault.txt").read_text().startswith("hang")


def test_a_campaign_whose_children_cannot_start_says_so(tmp_path: Path) -> None:
    campaign = Campaign(seed=5, seeds=tmp_path / "nowhere", limit_s=LIMIT_S, jobs=1)

    with pytest.raises(RuntimeError, match="no input of geometry could run"):
        campaign.run(1, ["geometry"], lambda _: None)
