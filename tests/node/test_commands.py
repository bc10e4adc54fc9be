"""The command line against a node that runs, and two nodes side by side."""

import json
import stat
from pathlib import Path

import psutil
import pytest

from dicom_node.phantom.samples import demo_studies
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

PARTS = {"redis", "orthanc", "relay", "api", "intake", "worker", "beat", "nginx", "haproxy"}


def test_status_names_each_part_with_its_process(node: LiveNode) -> None:
    node.healthy()
    told = json.loads(node.run("status", "--json").stdout)
    assert told["ready"] is True
    assert {part["name"] for part in told["parts"]} == PARTS
    assert all(psutil.pid_exists(part["pid"]) and part["up"] for part in told["parts"])
    assert told["health"]["ready"] is True


def test_up_again_changes_nothing(node: LiveNode) -> None:
    before = node.parts()
    assert "already running" in node.run("up", "--detach").stdout
    assert node.parts() == before


def test_doctor_finds_a_running_node_sound(node: LiveNode) -> None:
    told = json.loads(node.run("doctor", "--json").stdout)
    assert told["sound"] is True
    ports = [check for check in told["checks"] if check["name"].endswith(" port")]
    assert all("used by this node" in check["found"] for check in ports)


def test_state_is_private(node: LiveNode) -> None:
    for path in (node.home, node.home / "logs", node.home / "run", node.home / "ledger.sqlite3"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_demo_ends_well_and_is_quick_the_second_time(node: LiveNode) -> None:
    for _ in range(2):
        done = node.run("demo")
        assert "studies ended as they should" in done.stdout
        assert "REPORTED" in done.stdout
        assert "REFUSED" in done.stdout
        assert "/ai/" in done.stdout


def test_demo_sends_a_folder_of_ones_own(node: LiveNode, tmp_path: Path) -> None:
    (sample, *_) = demo_studies(tmp_path / "mine", seed=11)
    (tmp_path / "mine" / "notes.txt").write_text("no DICOM file", encoding="utf-8")
    done = node.run("demo", "--input", str(sample.files[0].parent))
    assert "all 1 studies ended as they should" in done.stdout
    assert node.study(sample.study_instance_uid)["state"] == sample.expected


def test_send_tells_what_was_not_stored(node: LiveNode, tmp_path: Path) -> None:
    (sample, *_) = demo_studies(tmp_path / "mine", seed=13)
    (tmp_path / "notes.txt").write_text("no DICOM file", encoding="utf-8")
    done = node.run("send", str(sample.files[0]), str(tmp_path / "notes.txt"), check=False)
    assert done.returncode == 1
    assert "1 of 2 files stored" in done.stdout
    assert "notes.txt: not a DICOM file" in done.stderr


def test_retry_makes_a_further_run(node: LiveNode, tmp_path: Path) -> None:
    (sample, *_) = demo_studies(tmp_path / "mine", seed=13)
    node.send(sample.files)
    before = node.final(sample.study_instance_uid)
    told = json.loads(node.run("retry", before["runs"][0]["run_id"], "--json").stdout)
    assert told["errors"] == []
    assert told["runs"][0]["study_instance_uid"] == sample.study_instance_uid
    assert node.final(sample.study_instance_uid)["state"] == sample.expected


def test_two_nodes_live_side_by_side(node: LiveNode, tmp_path: Path) -> None:
    (sample, *_) = demo_studies(tmp_path / "phantoms", seed=12)
    home = tmp_path / "second"
    with LiveNode.at(home).running() as other:
        mine, its = node.parts(), other.parts()
        assert mine.keys() == its.keys() == PARTS
        assert not set(mine.values()) & set(its.values())
        other.send(sample.files)
        assert other.final(sample.study_instance_uid)["state"] == sample.expected
        assert node.get(f"/ai/studies/{sample.study_instance_uid}").status_code == 404
    assert not any(psutil.pid_exists(pid) for pid in its.values())
    assert node.parts() == mine
    node.healthy()
