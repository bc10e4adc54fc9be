"""What of a study is fetched, by headers and bounds, and the account of the rest."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from dicom_node import policy
from dicom_node.domain import Omission, RefusalCode, SeriesRef, StudyRef
from dicom_node.errors import StudyRefused
from dicom_node.pixels.load import Loaded
from dicom_node.ports import Archive
from tests.images import encoded, film, loaded, series
from worker.fetching import fetch


class _Shelf:
    """Gives each file that it was filled with, and remembers which were asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def listed(self, found: Iterable[Loaded], size: int = 0) -> SeriesRef:
        instances = list(found)
        for one in instances:
            self.files[one.ref.sop_instance_uid] = encoded(one.dataset)
        first = instances[0]
        positions = [one.dataset.get("ImagePositionPatient") for one in instances]
        return SeriesRef(
            first.ref.series_instance_uid,
            str(first.dataset.Modality),
            "",
            tuple(replace(one.ref, size=size) for one in instances),
            positions_mm=tuple(float(place[2]) for place in positions if place),
        )

    def instance(self, ref: Any) -> bytes:
        self.asked.append(ref.sop_instance_uid)
        return self.files[ref.sop_instance_uid]


def _fetched(shelf: _Shelf, *listed: SeriesRef, **limits: int) -> tuple[set[str], Counter[str]]:
    """Return the series that were fetched, and the codes of what was not."""
    rules = policy.load()
    rules = rules.model_copy(update={"limits": rules.limits.model_copy(update=limits)})
    study = StudyRef("1.2.3", "", "P1", "", "", "", listed)
    found = fetch(cast("Archive", shelf), study, rules)
    eligible = {ref.sop_instance_uid for one in listed for ref in one.instances}
    assert set(found.uids()) == eligible
    assert len(found.uids()) == len(eligible)
    return (
        {one.ref.series_instance_uid for one in found.loaded},
        Counter(str(why.code) for why in found.left.values()),
    )


def test_fetch_takes_all_that_may_be_read_together() -> None:
    shelf = _Shelf()
    thin, thick = shelf.listed(series(range(20), "a")), shelf.listed(series(range(0, 60, 6), "b"))
    found, left = _fetched(shelf, thin, thick, ct_max_slices=30)
    assert found == {thin.series_instance_uid, thick.series_instance_uid}
    assert not left


def test_fetch_chooses_by_one_header_of_each_series() -> None:
    """No series is too long, but all together are more than a volume has (case 16)."""
    shelf = _Shelf()
    bone = shelf.listed(series(range(20), "a", ConvolutionKernel="B70s"))
    soft = shelf.listed(series(range(20), "b", ConvolutionKernel="B30f"))
    copy = shelf.listed(series(range(20), "c", ImageType=["DERIVED", "SECONDARY"]))
    found, left = _fetched(shelf, bone, soft, copy, ct_max_slices=25)
    assert found == {soft.series_instance_uid}
    assert left == {Omission.BEYOND_LIMITS: 40}
    assert len(shelf.asked) == 23


def test_fetch_passes_over_a_series_that_is_too_long_for_itself() -> None:
    shelf = _Shelf()
    long = shelf.listed(series(range(40), "a", ConvolutionKernel="B30f"))
    short = shelf.listed(series(range(0, 40, 4), "b", ConvolutionKernel="B70s"))
    found, left = _fetched(shelf, long, short, ct_max_slices=30)
    assert found == {short.series_instance_uid}
    assert left == {Omission.BEYOND_LIMITS: 40}


def test_fetch_passes_over_a_series_of_too_many_bytes() -> None:
    shelf = _Shelf()
    large = shelf.listed(series(range(20), "a", ConvolutionKernel="B30f"), size=1000)
    small = shelf.listed(series(range(20), "b", ConvolutionKernel="B70s"), size=10)
    found, _ = _fetched(shelf, large, small, study_max_bytes=5000)
    assert found == {small.series_instance_uid}


def test_fetch_keeps_a_series_of_two_passes_that_is_long_for_that() -> None:
    shelf = _Shelf()
    twice = series(range(20)) + series(range(20))
    for index, one in enumerate(twice):
        one.dataset.SOPInstanceUID = f"1.2.3.{index}"
    listed = shelf.listed(loaded(one.dataset) for one in twice)
    found, left = _fetched(shelf, listed, ct_max_slices=30)
    assert found
    assert not left


def test_fetch_names_films_beside_a_ct() -> None:
    shelf = _Shelf()
    ct = shelf.listed(series(range(20), "a"))
    films = shelf.listed([loaded(film(SeriesInstanceUID="1.2.8"))])
    _, left = _fetched(shelf, ct, films)
    assert left == {Omission.OTHER_KIND: 1}


def test_fetch_refusal_accounts_for_films_beside_the_ct_too() -> None:
    shelf = _Shelf()
    ct = shelf.listed(series(range(20), "a"), size=1000)
    films = shelf.listed([loaded(film(SeriesInstanceUID="1.2.8"))])
    with pytest.raises(StudyRefused) as refused:
        _fetched(shelf, ct, films, study_max_bytes=5000)
    assert Counter(code for code, _ in refused.value.left_out.values()) == {
        RefusalCode.IMAGE_TOO_LARGE: 20, Omission.OTHER_KIND: 1,
    }  # fmt: skip
    assert not [uid for uid in shelf.asked if uid in refused.value.left_out][1:]


def test_fetch_unreadable_files_are_named() -> None:
    shelf = _Shelf()
    ct = shelf.listed(series(range(20), "a"))
    for ref in ct.instances[:3]:
        shelf.files[ref.sop_instance_uid] = b"no DICOM"
    _, left = _fetched(shelf, ct)
    assert left.total() == 3
