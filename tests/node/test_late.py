"""A slice that comes late, and a study that goes while it is read, on a real node."""

from pathlib import Path

import pytest
from pydicom import Dataset

from dicom_node.checkpoints import POINTS, Side, Step
from tests.nodes import LiveNode
from tests.resending import Studies, live, settled
from tests.small import holds

pytestmark = pytest.mark.node


@pytest.fixture
def node(small: LiveNode) -> LiveNode:
    return small


@pytest.fixture(scope="module")
def studies(demo_folder: Path) -> Studies:
    return Studies(demo_folder / "late")


def said(report: Dataset) -> str:
    """Return every word of a report's content."""
    return report.to_json()


def test_slice_that_was_dropped_is_missed_and_read_when_it_comes(
    node: LiveNode, studies: Studies
) -> None:
    ct = studies.ct("a slice late")
    outcomes = node.send([*ct.files(only=slice(0, 24)), *ct.files(only=slice(25, 48))])
    assert [one for one in outcomes if not one.stored] == []
    first = settled(node, ct.uid, runs=1)
    assert first["state"] == "REPORTED"
    (incomplete,) = live(node, ct.uid)
    assert "Series incomplete: 1 " in said(incomplete)
    node.send(ct.files(only=slice(24, 25)))
    told = settled(node, ct.uid, runs=2)
    assert sorted(run["state"] for run in told["runs"]) == ["REPORTED", "SUPERSEDED"]
    (whole,) = live(node, ct.uid)
    assert "incomplete" not in said(whole)


@pytest.mark.parametrize("step", [Step.FETCH, Step.RECORD])
def test_study_deleted_while_it_is_read_ends_failed(
    node: LiveNode, studies: Studies, step: Step
) -> None:
    film = studies.film(f"deleted before {step}")
    (point,) = [one for one in POINTS if (one.side, one.step) == (Side.BEFORE, step)]
    with holds(node).armed(point):
        node.send(film.files())
        holds(node).wait(point, 120)
        (study,) = node.lookup(film.uid, "Study")
        node.delete(f"/studies/{study}")
    told = settled(node, film.uid, runs=1)
    assert told["state"] == "FAILED"
    assert told["report"] is None
    assert node.lookup(film.uid, "Study") == []
    node.send(film.files())
    told = settled(node, film.uid, runs=1)
    assert told["state"] == "REPORTED"
    assert len(live(node, film.uid)) == 1


def test_study_deleted_with_its_report_is_reported_again_when_it_comes_back(
    node: LiveNode, studies: Studies
) -> None:
    film = studies.film("deleted and sent again")
    node.send(film.files())
    first = settled(node, film.uid, runs=1)
    (study,) = node.lookup(film.uid, "Study")
    node.delete(f"/studies/{study}")
    assert node.lookup(film.uid, "Study") == []
    node.send(film.files())
    told = settled(node, film.uid, runs=2)
    assert [run["state"] for run in told["runs"]] == ["REPORTED", "SUPERSEDED"]
    (report,) = live(node, film.uid)
    assert told["report"] != first["report"]
    assert report.SOPInstanceUID == told["report"]["sop_instance_uid"]
