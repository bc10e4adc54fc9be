"""What training says where nobody watches a terminal."""

import pytest

from models.training.progress import ConsoleProgress


def test_progress_in_a_log_tells_each_tenth_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    seen = list(ConsoleProgress().track(list(range(50)), "preparing"))

    told = capsys.readouterr()
    assert seen == list(range(50))
    assert told.out == ""
    assert told.err.splitlines()[:2] == ["preparing: 5 of 50", "preparing: 10 of 50"]


def test_progress_of_few_things_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    list(ConsoleProgress().track(["one", "two"], "epoch"))

    assert capsys.readouterr().err == ""


def test_lines_are_neither_broken_nor_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold] " + "word " * 60

    ConsoleProgress().say(line)

    assert capsys.readouterr().err == line + "\n"
