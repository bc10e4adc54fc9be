"""The points at which a harness may hold a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults.holds import Holds
from dicom_node.checkpoints import POINTS
from dicom_node.domain import Stage

_PASS_A_STEP = """
import os
from dicom_node.checkpoints import around, enable
from pathlib import Path
enable(Path(os.environ["NODE_CHECKPOINTS"]) if "NODE_CHECKPOINTS" in os.environ else None)
with around("store"):
    print("stored", flush=True)
"""
_BY_NAME = {str(point)[3:]: point for point in POINTS}


def passing(folder: Path | None) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "NODE_CHECKPOINTS"}
    if folder is not None:
        environment["NODE_CHECKPOINTS"] = str(folder)
    return subprocess.Popen(
        [sys.executable, "-c", _PASS_A_STEP],
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def test_points_are_numbered_along_the_way() -> None:
    assert [point.number for point in POINTS] == list(range(1, len(POINTS) + 1))
    assert len({point.armed for point in POINTS} | {point.reached for point in POINTS}) == 44


def test_steps_that_are_stages_of_a_run_share_their_names() -> None:
    stages = {stage.value for stage in Stage}
    others = {point.step.value for point in POINTS} - stages
    assert others == {"notify", "conclude", "ack"}


@pytest.mark.parametrize(
    ("name", "stored_meanwhile"), [("before store", False), ("after store", True)]
)
def test_armed_point_holds_the_process_until_its_file_is_gone(
    tmp_path: Path, name: str, stored_meanwhile: bool
) -> None:
    point = _BY_NAME[name]
    (tmp_path / point.armed).touch()
    with passing(tmp_path) as process:
        assert process.stdout is not None
        assert Holds(tmp_path).wait(point, 120) == process.pid
        if stored_meanwhile:
            assert process.stdout.readline() == "stored\n"
        assert process.poll() is None
        (tmp_path / point.reached).unlink()
        rest, _ = process.communicate(timeout=60)
    assert rest == ("" if stored_meanwhile else "stored\n")
    assert process.returncode == 0


@pytest.mark.parametrize("configured", [True, False])
def test_point_that_is_not_armed_holds_nobody(tmp_path: Path, configured: bool) -> None:
    with passing(tmp_path if configured else None) as process:
        assert process.communicate(timeout=60)[0] == "stored\n"
