"""A reader that cannot be opened is tried again, and one whose device is lost ends its process."""

import threading
from typing import cast

import pytest

from dicom_node.errors import DeviceLost, GoldenMismatch, LedgerUnavailable
from worker.pipeline import Pipeline
from worker.readiness import Reader, pause_s

PIPELINE = cast("Pipeline", object())


def test_reader_is_tried_again_until_it_opens() -> None:
    faults = [GoldenMismatch("golden differs"), LedgerUnavailable("away"), ValueError("SECRET")]
    told: list[str] = []
    opened = threading.Event()

    def attempt() -> Pipeline:
        if faults:
            raise faults.pop(0)
        opened.set()
        return PIPELINE

    reader = Reader(attempt, told.append, lambda _attempt: 0.01)
    reader.begin()
    assert opened.wait(30)
    assert [words.partition(";")[0] for words in told[:2]] == ["golden differs", "away"]
    assert all("takes no study and tries again" in words for words in told)
    assert "SECRET" not in " ".join(told)


def test_reader_that_is_not_open_reads_nothing() -> None:
    def attempt() -> Pipeline:
        raise GoldenMismatch("golden differs")

    reader = Reader(attempt, lambda _words: None, lambda _attempt: 3600.0)
    reader.begin()
    assert reader.pipeline is None


def test_process_whose_device_is_lost_ends() -> None:
    codes: list[int] = []
    told: list[str] = []
    reader = Reader(lambda: PIPELINE, told.append, leave=codes.append)
    reader.begin()
    assert reader.pipeline is PIPELINE
    reader.end("the GPU is lost")
    assert reader.pipeline is None
    assert codes != [0]
    assert told == ["the GPU is lost; the worker starts anew"]


def test_process_whose_device_is_lost_at_its_start_ends() -> None:
    codes: list[int] = []

    def attempt() -> Pipeline:
        raise DeviceLost("the GPU is lost")

    Reader(attempt, lambda _words: None, leave=codes.append).begin()
    assert len(codes) == 1


@pytest.mark.parametrize(("attempt", "pause"), [(1, 1.0), (4, 8.0), (99, 30.0)])
def test_pauses_grow_up_to_a_bound(attempt: int, pause: float) -> None:
    assert pause_s(attempt) == pause
