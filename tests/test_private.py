"""Files for their owner alone: whole, and where two make one, the first."""

import os
import stat
from pathlib import Path

import pytest

from dicom_node import private
from tests.ledgers import at_once


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_replaced_file_is_the_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("before", encoding="utf-8")
    file.chmod(0o644)
    private.replace(file, b"after")
    assert (file.read_text(encoding="utf-8"), mode(file)) == ("after", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_of_many_that_make_a_file_one_does(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    made = at_once(lambda number: private.make(file, b"%d" % number), 8)
    assert sorted(made) == [False] * 7 + [True]
    assert file.read_text(encoding="utf-8") == str(made.index(True))
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_file_left_by_a_process_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    (tmp_path / f".secret.{os.getpid()}").write_text("half", encoding="utf-8")
    assert private.make(file, b"whole")


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        private.replace(tmp_path / "nowhere" / "secret", b"")
    (tmp_path / "there").touch()
    with pytest.raises(FileExistsError):
        private.create(tmp_path / "there")
