"""Whether all of a study has come, and what is said and done where it has not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from dicom_node import policy
from dicom_node.domain import (
    Claim,
    InstanceRef,
    RunState,
    Sample,
    SeriesRef,
    StudyKind,
    StudyRef,
    Trigger,
)
from dicom_node.errors import StudyIncomplete
from dicom_node.phantom.samples import ct_series
from dicom_node.pixels import ct
from dicom_node.pixels.load import Loaded, load
from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.pipelines import Bench, opened
from worker.coverage import announced, coverage, cut_off
from worker.pipeline import Attempt

POLICY = policy.load()


@cache
def slices() -> tuple[Dataset, ...]:
    """Return a whole chest CT from the feet to the head."""
    return tuple(sorted(ct_series(31)[1], key=lambda ds: float(ds.ImagePositionPatient[2])))


@cache
def whole() -> Sample:
    """Return that CT as the model would see it."""
    return ct.volume([loaded(one) for one in slices()], POLICY.limits)


def loaded(image: Dataset) -> Loaded:
    ref = InstanceRef(image.SOPInstanceUID, image.SOPClassUID, image.SeriesInstanceUID)
    return load(ref, encode(image))


def part(first: int, last: int) -> Sample:
    """Return what a sender had sent when it paused."""
    sample = whole()
    places = sample.geometry.positions_mm[first:last]
    return replace(
        sample,
        pixels=sample.pixels[first:last],
        geometry=replace(sample.geometry, positions_mm=places),
        sources=sample.sources[first:last],
    )


def test_whole_chest_is_not_cut_off() -> None:
    assert cut_off([whole()]) == ""


@pytest.mark.parametrize(
    ("first", "last", "sides"),
    [(0, 24, "above"), (24, 48, "below"), (12, 36, "below and above"), (0, 44, "above")],
)
def test_part_of_a_chest_says_where_it_is_cut_off(first: int, last: int, sides: str) -> None:
    sample = part(first, last)
    lowest, highest = sample.geometry.positions_mm[0], sample.geometry.positions_mm[-1]
    told = cut_off([sample])
    assert f"covers {lowest:.0f} to {highest:.0f} mm" in told
    assert told.endswith(f"cut off {sides}.")


@settings(max_examples=20)
@given(st.integers(12, 48).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 48 - n))))
def test_part_is_cut_off_where_the_whole_goes_on_with_lung(span: tuple[int, int]) -> None:
    """The ends of a part are judged alike, wherever the part lies."""
    count, first = span
    found = coverage(part(first, first + count))
    assert found.from_mm < found.to_mm
    if first == 0:
        assert not found.cut_below
    if first + count == len(slices()):
        assert not found.cut_above
    if 8 <= first <= 30:
        assert found.cut_below


def study(counts: Sequence[int], number: int | None = 1) -> StudyRef:
    series = tuple(
        SeriesRef(
            f"2.25.{index}",
            "CR",
            "",
            tuple(InstanceRef(f"2.25.{index}.{n}", "", f"2.25.{index}") for n in range(count)),
            series_number=number,
        )
        for index, count in enumerate(counts)
    )
    return StudyRef("2.25.9", "", "", "", "", "", series)


def film(keyword: str, value: object, series: str = "2.25.0") -> Loaded:
    image = Film().build()
    image.SeriesInstanceUID = series
    setattr(image, keyword, value)
    return loaded(image)


@pytest.mark.parametrize(
    ("counts", "keyword", "value", "told"),
    [
        ((1,), "NumberOfStudyRelatedInstances", "2", "1 of 2 announced images"),
        ((1,), "NumberOfSeriesRelatedInstances", "2", "1 of 2 announced images"),
        ((1, 1), "NumberOfStudyRelatedInstances", "2", ""),
        ((1, 1), "NumberOfStudyRelatedInstances", "3", "2 of 3 announced images"),
        ((2,), "NumberOfSeriesRelatedInstances", "1", ""),
        ((1,), "NumberOfStudyRelatedInstances", None, ""),
    ],
)
def test_announced_images_that_have_not_come_are_told(
    counts: tuple[int, ...], keyword: str, value: object, told: str
) -> None:
    assert told in announced(study(counts), [film(keyword, value)])
    assert bool(announced(study(counts), [film(keyword, value)])) is bool(told)


def test_report_of_the_node_is_no_announced_image() -> None:
    seen = study((1, 1))
    own = replace(seen, series=(seen.series[0], replace(seen.series[1], series_number=9001)))
    assert "1 of 2" in announced(own, [film("NumberOfStudyRelatedInstances", "2")])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as one:
        one.runtime.kind = StudyKind.CT
        one.clock.time = datetime.now(UTC)
        yield one


def arrived(bench: Bench, images: Sequence[Dataset], ago_s: float) -> str:
    """Let the archive hold these images, the last of which came so long ago."""
    uid = str(images[0].StudyInstanceUID)
    refs: list[InstanceRef] = []
    for image in images:
        bench.archive.take(image)
        refs += bench.archive.study(uid).series[0].instances
    held = bench.archive.study(uid)
    when = datetime.now(UTC) - timedelta(seconds=ago_s)
    places = tuple(float(one.ImagePositionPatient[2]) for one in images)
    series = replace(held.series[0], modality="CT", instances=tuple(refs))
    known = replace(series, last_update=when, positions_mm=places)
    bench.archive.put(replace(held, series=(known,)), "StableStudy")
    return uid


def attempt(bench: Bench, uid: str, trigger: Trigger = Trigger.STABLE) -> Claim:
    """Let intake ask for a run, and a worker try it."""
    if trigger.is_automatic:
        ticket = bench.admission.consider(uid, trigger)
    else:
        ticket = bench.admission.admit(uid, trigger=trigger, actor="anna")
    assert ticket is not None
    claim = bench.claim(ticket.run_id)
    Attempt(bench.pipeline, claim).run()
    return claim


def state(bench: Bench, uid: str) -> tuple[RunState, str]:
    detail = bench.ledger.queries.detail(uid)
    assert detail is not None
    return detail.item.state, "" if detail.item.error is None else detail.item.error.message


def test_half_a_ct_waits_for_the_rest_as_long_as_for_a_gap(bench: Bench) -> None:
    uid = arrived(bench, slices()[:24], ago_s=9)
    claim = attempt(bench, uid)
    waiting, why = state(bench, uid)
    assert waiting is RunState.QUEUED
    assert "cut off above. The node waits for the rest of it." in why
    assert bench.runtime.seen == []
    bench.clock.forward(20)
    assert bench.ledger.runs.due(bench.clock()) == ()
    bench.clock.forward(POLICY.completeness.ct_deadline_s)
    (due,) = bench.ledger.runs.due(bench.clock())
    assert (due.run_id, due.fence) == (claim.run_id, claim.fence)


def test_half_a_ct_is_read_at_the_deadline_and_its_report_is_partial(bench: Bench) -> None:
    uid = arrived(bench, slices()[:24], ago_s=POLICY.completeness.ct_deadline_s + 1)
    attempt(bench, uid)
    assert state(bench, uid) == (RunState.REPORTED, "")
    (report,) = (one for one in bench.archive.stored if one.Modality == "SR")
    assert report.CompletionFlag == "PARTIAL"
    assert report.CompletionFlagDescription.startswith("Series incomplete: it covers")
    told = [str(one.value) for one in report.iterall() if one.keyword == "TextValue"]
    assert any("cut off above" in text for text in told)


def test_person_who_asks_for_half_a_ct_need_not_wait(bench: Bench) -> None:
    uid = arrived(bench, slices()[:24], ago_s=9)
    attempt(bench, uid, Trigger.VIEWER)
    assert state(bench, uid)[0] is RunState.REPORTED


def test_rest_of_a_ct_that_comes_while_the_node_waits_is_read_with_it(bench: Bench) -> None:
    uid = arrived(bench, slices()[:24], ago_s=9)
    attempt(bench, uid)
    arrived(bench, slices(), ago_s=9)
    bench.admission.consider(uid, Trigger.STABLE)
    (due,) = bench.ledger.runs.due(bench.clock())
    Attempt(bench.pipeline, bench.claim(due.run_id)).run()
    assert state(bench, uid)[0] is RunState.REPORTED
    assert len(bench.runtime.seen[0].pixels) == len(slices())
    (report,) = (one for one in bench.archive.stored if one.Modality == "SR")
    assert report.CompletionFlag == "COMPLETE"


def test_wait_ends_at_the_deadline() -> None:
    until = datetime.now(UTC)
    error = StudyIncomplete("more is to come", until)
    assert (error.retryable, error.counts, error.until) == (True, False, until)
