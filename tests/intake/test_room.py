"""Whether the node takes images: rules, without a disk that is really full."""

from pathlib import Path

import pytest

from dicom_node.errors import QueueUnavailable
from dicom_node.intake.room import OUT_OF_RESOURCES, SUCCESS, Room

MORE_THAN_ANY_DISK = 1 << 60


def full(folder: Path) -> Room:
    return Room((folder,), MORE_THAN_ANY_DISK, lambda: 0, 10)


def test_room_with_space_takes_images(tmp_path: Path) -> None:
    room = Room((tmp_path,), 0, lambda: 9, 10)
    room.look()
    assert room.refusal() == ""
    assert room.status() == SUCCESS


def test_full_disk_refuses_with_a_sentence(tmp_path: Path) -> None:
    assert full(tmp_path).status() == OUT_OF_RESOURCES
    assert "are free on the disk" in full(tmp_path).refusal()


def test_image_larger_than_what_is_free_is_refused_and_others_are_not(tmp_path: Path) -> None:
    room = Room((tmp_path,), 0, lambda: 0, 10)
    assert room.status(MORE_THAN_ANY_DISK) == OUT_OF_RESOURCES
    assert room.status(1) == SUCCESS
    assert not room.admits("/instances", MORE_THAN_ANY_DISK)


def test_long_queue_refuses_once_it_has_been_looked_at(tmp_path: Path) -> None:
    room = Room((tmp_path,), 0, lambda: 10, 10)
    assert room.status() == SUCCESS
    room.look()
    assert "10 messages wait" in room.refusal()


def test_broker_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    depths = iter([99])

    def depth() -> int:
        try:
            return next(depths)
        except StopIteration:
            raise QueueUnavailable("away") from None

    room = Room((tmp_path,), 0, depth, 10)
    room.look()
    assert room.status() == OUT_OF_RESOURCES
    room.look()
    assert room.status() == SUCCESS


def test_folder_that_is_not_there_is_not_full(tmp_path: Path) -> None:
    assert full(tmp_path / "gone").status() == SUCCESS


@pytest.mark.parametrize(
    ("uri", "admitted"),
    [
        ("/instances", False),
        ("/dicom-web/studies/1.2.3", False),
        ("/tools/create-dicom", False),
        ("/tools/bulk-modify", False),
        *(
            (f"/{level}/1-2-3/{act}", False)
            for level in ("patients", "studies", "series")
            for act in ("modify", "anonymize", "merge", "split")
        ),
        ("/instances/1-2-3/modify", True),  # answers with the file, and stores nothing
        ("/studies/1-2-3/archive", True),
        ("/tools/lookup", True),
        ("/ai/studies/1.2.3/runs", True),
    ],
)
def test_only_uploads_are_turned_away(tmp_path: Path, uri: str, admitted: bool) -> None:
    assert full(tmp_path).admits(uri) is admitted
    assert Room((tmp_path,), 0, lambda: 0, 10).admits(uri)
