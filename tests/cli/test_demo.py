"""What the demo takes for right and wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dicom_node.cli import demo, send
from dicom_node.cli.demo import Expected
from dicom_node.domain import Failure, Refusal, RefusalCode, RunState, Stage, WorklistItem
from dicom_node.errors import NodeError
from dicom_node.ledger import open_ledger
from tests.ledgers import STUDY, report, start

_NOT_CHEST = Refusal(RefusalCode.NOT_CHEST, "This is a knee.")
_FAILURE = Failure(Stage.STORE, "Orthanc does not answer")


def item(
    state: RunState, refusal: Refusal | None = None, error: Failure | None = None
) -> WorklistItem:
    """Return a row of the worklist."""
    return WorklistItem(
        study_instance_uid=STUDY,
        accession_number="",
        patient_id="",
        patient_name="",
        modality="CR",
        study_description="",
        state=state,
        priority=None,
        priority_reason=None,
        findings=(),
        model=None,
        refusal=refusal,
        error=error,
        received_at=datetime.now(UTC),
        reported_at=None,
        wait_s=None,
        assessment=None,
        viewer_url="",
        report=None,
        images=None,
    )


@pytest.mark.parametrize(
    ("want", "row", "fault"),
    [
        (Expected("knee", RunState.REPORTED), None, "does not know"),
        (Expected("knee", RunState.REPORTED), item(RunState.RUNNING), "still RUNNING"),
        (Expected("knee"), item(RunState.QUEUED), "still QUEUED"),
        (Expected("knee"), item(RunState.FAILED, error=_FAILURE), "store: Orthanc"),
        (Expected("knee", RunState.REFUSED), item(RunState.REPORTED), "instead of REFUSED"),
        (
            Expected("knee", RunState.REFUSED, frozenset({"NOT_FRONTAL"})),
            item(RunState.REFUSED, _NOT_CHEST),
            "another reason",
        ),
        (
            Expected("knee", RunState.REFUSED, frozenset({"NOT_CHEST"})),
            item(RunState.REFUSED, _NOT_CHEST),
            None,
        ),
        (Expected("knee", RunState.REPORTED), item(RunState.REPORTED), None),
        (Expected("knee"), item(RunState.REFUSED, _NOT_CHEST), None),
    ],
)
def test_fault(want: Expected, row: WorklistItem | None, fault: str | None) -> None:
    told = demo._fault(want, row)
    if fault is None:
        assert told is None
    else:
        assert told is not None
        assert fault in told
        assert told.startswith("knee: ")


def test_wait_ends_when_all_have_ended_or_at_the_deadline(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    report(ledger)
    start(ledger, uid=f"{STUDY}.2")
    done = demo._wait(ledger, {STUDY: Expected("one")}, deadline_s=60)
    assert done[STUDY].state is RunState.REPORTED
    late = demo._wait(ledger, {f"{STUDY}.2": Expected("two")}, deadline_s=0)
    assert late[f"{STUDY}.2"].state is RunState.RUNNING
    ledger.close()


def test_given_folder_passes_over_what_is_no_dicom(tmp_path: Path) -> None:
    image = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "image").write_bytes(image)
    (tmp_path / "notes.txt").write_text("no DICOM file", encoding="utf-8")
    (tmp_path / ".hidden").write_bytes(image)
    (tmp_path / "DICOMDIR").write_bytes(image)
    files, expected = demo._given(tmp_path)
    assert files == [tmp_path / "deep" / "image"]
    assert list(expected.values()) == [Expected(next(iter(expected)))]


def test_given_folder_without_dicom_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM file", encoding="utf-8")
    with pytest.raises(NodeError, match="no DICOM file"):
        demo._given(tmp_path)


def test_files_below_keeps_single_files_and_sorts_folders(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    single = tmp_path / ".hidden"
    assert send.files_below([single, tmp_path]) == [single, tmp_path / "a", tmp_path / "b"]
