from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, SecondaryCaptureImageStorage

from dicom_node import uids
from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import StudyRefused
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.reconstruction import Sharpness, sharpness
from dicom_node.pixels.select import Selection, select
from tests.images import CORONAL, LIMITS, chest_slice, film, loaded, series

_PLACES = range(0, 60, 5)


def _ct(*of: list[Loaded]) -> Selection:
    return select(StudyKind.CT, [one for part in of for one in part], LIMITS)


def _uids(instances: list[Loaded]) -> list[str]:
    return [one.ref.sop_instance_uid for one in instances]


def _name(sample: Sample) -> str:
    names = {uids.derive("series", name): name for name in ("a", "b", "c", "d")}
    return names[sample.sources[0].series_instance_uid]


def _refused(kind: StudyKind, instances: list[Loaded]) -> StudyRefused:
    with pytest.raises(StudyRefused) as refused:
        select(kind, instances, LIMITS)
    return refused.value


def _made(name: str, pixels: Any, **changes: Any) -> list[Loaded]:
    rows, columns = pixels.shape
    return series(_PLACES, name, PixelData=pixels.tobytes(), Rows=rows, Columns=columns, **changes)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70s"}),
        ({"ConvolutionKernel": "STANDARD"}, {"ConvolutionKernel": "LUNG"}),
        ({"ConvolutionKernel": "FC08"}, {"ConvolutionKernel": "FC51"}),
        ({"ConvolutionKernel": "B"}, {"ConvolutionKernel": "L"}),
        ({"SeriesDescription": "Thorax Weichteil 3.0"}, {"SeriesDescription": "Thorax Lunge 1.0"}),
        ({"WindowCenter": "40", "WindowWidth": "350"},
         {"WindowCenter": "-600", "WindowWidth": "1500"}),
        ({}, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "AVERAGE"]}),
        ({}, {"ConvolutionKernel": "BONE"}),
        ({"ConvolutionKernel": "BONE"},
         {"ConvolutionKernel": "SOFT", "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_select_better_reconstruction_is_read(
    better: dict[str, Any], worse: dict[str, Any], first: bool
) -> None:
    names = ("a", "b") if first else ("b", "a")
    good, bad = series(_PLACES, names[0], **better), series(_PLACES, names[1], **worse)
    selection = _ct(good, bad) if first else _ct(bad, good)
    assert [_name(sample) for sample in selection.samples] == [names[0]]
    assert "1 of 2 axial series" in selection.samples[0].notes[0]


def test_select_unknown_kernels_are_told_by_noise() -> None:
    noisy = _made("a", chest_slice(noise=60))
    calm = _made("b", chest_slice(noise=8))
    assert [_name(sample) for sample in _ct(noisy, calm).samples] == ["b"]


def test_select_lung_comes_before_everything_else() -> None:
    abdomen = _made("a", chest_slice(lung=0), ConvolutionKernel="STANDARD")
    chest = _made("b", chest_slice(), ConvolutionKernel="BONE")
    assert [_name(sample) for sample in _ct(abdomen, chest).samples] == ["b"]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (range(0, 60, 4), range(0, 60, 8)),
        (range(0, 60, 8), range(0, 60, 15)),
        (range(0, 60, 5), [z for z in range(0, 60, 5) if z != 25]),
        (range(0, 120, 5), range(30, 120, 5)),
        (range(0, 60, 5), range(0, 60, 2)),
    ],
)
def test_select_better_coverage_is_read(better: Any, worse: Any) -> None:
    assert [_name(s) for s in _ct(series(worse, "a"), series(better, "b")).samples] == ["b"]


@given(st.permutations(["a", "b", "c", "d"]))
def test_select_equal_series_choice_is_steady(order: list[str]) -> None:
    numbers = {"a": 7, "b": 3, "c": 5, "d": 4}
    parts = [series(_PLACES, name, SeriesNumber=numbers[name]) for name in order]
    assert [_name(sample) for sample in _ct(*parts).samples] == ["b"]


def test_select_other_series_are_refused_beside_the_one_read() -> None:
    scout = series([0], "b", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    coronal = series(_PLACES, "c", ImageOrientationPatient=list(CORONAL))
    dose = series([0], "d", SOPClassUID=SecondaryCaptureImageStorage, ConversionType="WSD")
    selection = _ct(scout, series(_PLACES, "a"), coronal, dose)
    assert [_name(sample) for sample in selection.samples] == ["a"]
    assert {uid: why.code for uid, why in selection.left.items()} == {
        **dict.fromkeys(_uids(scout), RefusalCode.SCOUT),
        **dict.fromkeys(_uids(coronal), RefusalCode.NOT_AXIAL),
        **dict.fromkeys(_uids(dose), RefusalCode.SCREEN_CAPTURE),
    }


def test_select_nothing_readable_tells_of_the_largest_series() -> None:
    scout = series([0], "b", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    coronal = series(_PLACES, "c", ImageOrientationPatient=list(CORONAL))
    assert _refused(StudyKind.CT, scout + coronal).code == RefusalCode.NOT_AXIAL


def test_select_damaged_best_series_falls_back_to_the_next() -> None:
    damaged = series(_PLACES, "a", ConvolutionKernel="SOFT")
    damaged[0].dataset.PixelData = b"\0"
    selection = _ct(damaged, series(_PLACES, "b", ConvolutionKernel="BONE"))
    assert [_name(sample) for sample in selection.samples] == ["b"]
    assert {why.code for why in selection.left.values()} == {RefusalCode.UNDECODABLE}
    assert set(selection.left) == set(_uids(damaged))


def test_select_projection_film_called_ct_is_inconsistent() -> None:
    lying = film(Modality="CT", SOPClassUID=SecondaryCaptureImageStorage)
    assert _refused(StudyKind.CT, [loaded(lying)]).code == RefusalCode.INCONSISTENT_HEADER


def test_select_enhanced_ct_is_refused() -> None:
    enhanced = series([0], SOPClassUID=EnhancedCTImageStorage)
    assert _refused(StudyKind.CT, enhanced).code == RefusalCode.MULTIFRAME_NOT_SUPPORTED


def test_select_every_film_is_a_sample() -> None:
    films = [loaded(film(SOPInstanceUID=uids.derive(str(n)))) for n in range(3)]
    blank = loaded(film(np.zeros((32, 24), np.uint16), SOPInstanceUID=uids.derive("blank")))
    selection = select(StudyKind.CXR, [*films, blank], LIMITS)
    assert [sample.sources for sample in selection.samples] == [(one.ref,) for one in films]
    assert [(uid, why.code) for uid, why in selection.left.items()] == [
        (uids.derive("blank"), RefusalCode.BLANK_IMAGE)
    ]


@pytest.mark.parametrize("kind", list(StudyKind))
def test_select_two_patients_are_refused(kind: StudyKind) -> None:
    both = [loaded(film(SOPInstanceUID=uids.derive(name), PatientID=name)) for name in "ab"]
    refused = _refused(kind, both)
    assert refused.code == RefusalCode.PATIENT_MISMATCH
    assert "differ in patient ID" in refused.reason


@pytest.mark.parametrize("kind", list(StudyKind))
def test_select_nothing_is_refused(kind: StudyKind) -> None:
    assert _refused(kind, []).code == RefusalCode.NO_ELIGIBLE_SERIES


def test_select_two_films_of_one_uid_are_refused() -> None:
    both = [loaded(film()), loaded(film(Columns=16, Rows=48))]
    refused = _refused(StudyKind.CXR, both)
    assert refused.code == RefusalCode.DUPLICATE_SOP_INSTANCE_UID


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("B31f", Sharpness.SOFT),
        ("D40s", Sharpness.SOFT),
        ("Br40d\\3", Sharpness.SOFT),
        ("Bl57", Sharpness.SHARP),
        ("I70f", Sharpness.SHARP),
        ("FC18", Sharpness.SOFT),
        ("FC86", Sharpness.SHARP),
        ("YA", Sharpness.SOFT),
        ("YD", Sharpness.SHARP),
        ("BONEPLUS", Sharpness.SHARP),
        ("CHST", Sharpness.SOFT),
        ("XQ", Sharpness.UNKNOWN),
        ("", Sharpness.UNKNOWN),
    ],
)
def test_sharpness_of_vendors_kernels(kernel: str, expected: Sharpness) -> None:
    ds = Dataset()
    ds.ConvolutionKernel = kernel.split("\\")
    assert sharpness(ds) is expected


def test_select_series_that_cannot_be_looked_at_is_refused_and_the_rest_compared() -> None:
    hollow = series(_PLACES, "a", ConvolutionKernel="SOFT", RescaleSlope=None)
    selection = _ct(hollow, series(_PLACES, "b"), series(_PLACES, "c", ConvolutionKernel="LUNG"))
    assert [_name(sample) for sample in selection.samples] == ["b"]
    assert {selection.left[uid].code for uid in _uids(hollow)} == {RefusalCode.INCONSISTENT_HEADER}


def test_select_no_series_that_can_be_decoded_is_refused() -> None:
    broken = [series(_PLACES, name, PixelData=b"\0") for name in "ab"]
    assert _refused(StudyKind.CT, broken[0] + broken[1]).code == RefusalCode.UNDECODABLE


_NAMED = {"PatientID": "P1", "PatientName": "ALPHA^ANNA"}
_OTHERS: list[dict[str, Any]] = [
    {"PatientName": "BETA^BERTA"},
    {"PatientID": "", "PatientName": "BETA^BERTA", "PatientBirthDate": "19800101"},
    {"PatientBirthDate": "19800101"},
    {"PatientSex": "M"},
    {"IssuerOfPatientID": "OTHER"},
]


@pytest.mark.parametrize("other", _OTHERS)
def test_select_films_of_two_people_are_refused(other: dict[str, Any]) -> None:
    whole = {**_NAMED, "PatientBirthDate": "19700102", "PatientSex": "F", "IssuerOfPatientID": "H"}
    both = [
        loaded(film(SOPInstanceUID=uids.derive(str(n)), **{**whole, **one}))
        for n, one in enumerate(({}, other))
    ]
    assert _refused(StudyKind.CXR, both).code == RefusalCode.PATIENT_MISMATCH


@pytest.mark.parametrize("other", _OTHERS[:3])
def test_select_one_series_of_two_people_is_refused(other: dict[str, Any]) -> None:
    born = {"PatientBirthDate": "19700102"}
    stack = series(_PLACES[:-1], "a", **_NAMED, **born)
    stack += series(_PLACES[-1:], "a", **{**_NAMED, **born, **other})
    assert _refused(StudyKind.CT, stack).code == RefusalCode.PATIENT_MISMATCH


def test_select_one_person_spelt_in_several_ways_is_read() -> None:
    spelt = ("ALPHA^ANNA", "Alpha^Anna^^^", "ANNA^ALPHA", "")
    same = [
        loaded(film(SOPInstanceUID=uids.derive(name or "none"), PatientName=name)) for name in spelt
    ]
    assert len(select(StudyKind.CXR, same, LIMITS).samples) == len(spelt)
