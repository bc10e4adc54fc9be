from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import uids
from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import PixelError
from dicom_node.pixels import ct
from dicom_node.pixels.geometry import Orientation, plane
from dicom_node.pixels.load import Loaded
from tests.images import AXIAL, CORONAL, LIMITS, axial, chest_slice, loaded, series


def _volume(instances: list[Loaded]) -> Sample:
    return ct.volume(instances, LIMITS)


def _code(instances: list[Loaded]) -> str:
    with pytest.raises(PixelError) as refused:
        _volume(instances)
    return refused.value.code


def _positions(sample: Sample) -> list[float]:
    return list(sample.geometry.positions_mm)


@given(st.randoms(use_true_random=False))
def test_volume_order_of_arrival_does_not_matter(chance: Random) -> None:
    slices = series(range(-20, 20, 5))
    chance.shuffle(slices)
    sample = _volume(slices)
    assert _positions(sample) == [float(z) for z in range(-20, 20, 5)]
    assert [ref.sop_instance_uid for ref in sample.sources] == [
        one.ref.sop_instance_uid for one in series(range(-20, 20, 5))
    ]


def test_volume_is_hounsfield_units_with_its_spacing() -> None:
    sample = _volume(series([0, 3, 6, 9]))
    assert sample.kind is StudyKind.CT
    assert sample.pixels.shape == (4, 32, 32)
    assert (sample.pixels[0, 0, 0], sample.pixels[0, 16, 20]) == (-1000, 40)
    assert sample.geometry.slice_spacing_mm == 3  # Slice Thickness says 99
    assert (sample.geometry.row_spacing_mm, sample.geometry.column_spacing_mm) == (8, 8)
    assert (sample.geometry.gaps, sample.notes) == (0, ())


@given(st.floats(0.5, 4), st.integers(-2000, 0))
def test_volume_each_slice_keeps_its_own_rescale(slope: float, intercept: int) -> None:
    slices = series([0, 3, 6])
    own = (chest_slice().astype(float) - 1024 - intercept) / slope
    pixels = np.rint(own).astype(np.int16)
    other = axial(9.0, pixels, RescaleSlope=f"{slope:.6f}", RescaleIntercept=str(intercept))
    slices.append(loaded(other))
    sample = _volume(slices)
    assert np.abs(sample.pixels[3] - sample.pixels[0]).max() <= slope


def test_volume_padding_is_air() -> None:
    pixels = chest_slice().astype(np.int16)
    pixels[0] = -2000
    pixels[1] = 3000
    sample = _volume(series([0, 3, 6, 9], PixelPaddingValue=3000, PixelRepresentation=1))
    assert sample.pixels.min() == -1000
    sample = _volume([
        loaded(axial(z, pixels, PixelPaddingValue=3000)) for z in (0.0, 3.0, 6.0, 9.0)
    ])  # fmt: skip
    assert np.all(sample.pixels[:, :2] == ct.AIR_HU)


def test_volume_missing_slices_are_told() -> None:
    sample = _volume(series([0, 5, 10, 15, 30, 35, 40]))
    assert sample.geometry.gaps == 2
    assert sample.notes == ("Series incomplete: 2 slices missing near 22 mm.",)


def test_volume_repeated_position_is_left_out() -> None:
    slices = series([0, 5, 10, 15, 20])
    slices.append(loaded(axial(10.0, SOPInstanceUID=uids.derive("again"), InstanceNumber=9)))
    sample = _volume(slices)
    assert _positions(sample) == [0, 5, 10, 15, 20]
    assert len(sample.sources) == 5


def test_volume_several_passes_are_parted_by_acquisition() -> None:
    early = series(range(0, 30, 5), AcquisitionNumber=1)
    late = [
        loaded(axial(z, SOPInstanceUID=uids.derive("late", str(z)), AcquisitionNumber=2))
        for z in range(0, 40, 5)
    ]
    sample = _volume(early + late)
    assert {ref.sop_instance_uid for ref in sample.sources} == {
        one.ref.sop_instance_uid for one in late
    }


def test_volume_same_instance_twice_is_one() -> None:
    slices = series([0, 5, 10, 15])
    assert len(_volume(slices + slices).sources) == 4


def test_volume_wide_apart_is_told() -> None:
    assert "20 mm apart" in _volume(series(range(0, 100, 20))).notes[0]


def test_volume_mixed_orientations_reads_the_axial_ones() -> None:
    slices = series(range(0, 30, 5))
    extra = axial(3.0, ImageOrientationPatient=list(CORONAL), SOPInstanceUID=uids.derive("cor"))
    assert len(_volume([*slices, loaded(extra)]).sources) == 6


@pytest.mark.parametrize("orientation", [AXIAL, (-1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0)])
def test_volume_runs_from_feet_to_head_however_it_lies(orientation: tuple[int, ...]) -> None:
    sample = _volume(series([30, 20, 10, 0], ImageOrientationPatient=list(orientation)))
    assert _positions(sample) == [0, 10, 20, 30]


def test_volume_tilted_gantry_is_axial_with_the_true_spacing() -> None:
    tilt = np.deg2rad(20)
    orientation = [1, 0, 0, 0, float(np.cos(tilt)), float(-np.sin(tilt))]
    sample = _volume(series([0, 5, 10, 15], ImageOrientationPatient=orientation))
    assert sample.geometry.slice_spacing_mm == pytest.approx(5 * np.cos(tilt), abs=1e-3)


_LOCALIZER = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


@pytest.mark.parametrize(
    ("count", "changes", "code"),
    [
        (8, {"ImageOrientationPatient": list(CORONAL)}, RefusalCode.NOT_AXIAL),
        (8, {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, RefusalCode.NOT_AXIAL),
        (2, {"ImageOrientationPatient": list(CORONAL)}, RefusalCode.SCOUT),
        (1, {"ImageType": _LOCALIZER}, RefusalCode.SCOUT),
        (8, {"ImageType": _LOCALIZER}, RefusalCode.SCOUT),
        (3, {}, RefusalCode.TOO_FEW_SLICES),
        (61, {}, RefusalCode.IMAGE_TOO_LARGE),
        (8, {"Modality": "PT"}, RefusalCode.MODALITY_NOT_SUPPORTED),
        (8, {"ImagePositionPatient": None}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"ImageOrientationPatient": [1, 0, 0]}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"PixelSpacing": [0, 0]}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"RescaleSlope": None}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"RescaleSlope": "0"}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"RescaleType": "MGML"}, RefusalCode.INCONSISTENT_HEADER),
        (8, {"PixelData": None}, RefusalCode.NO_PIXEL_DATA),
        (8, {"SOPInstanceUID": "1.2.3"}, RefusalCode.DUPLICATE_SOP_INSTANCE_UID),
        (8, {"SOPInstanceUID": ""}, RefusalCode.DUPLICATE_SOP_INSTANCE_UID),
        (8, {"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, RefusalCode.NO_ELIGIBLE_SERIES),
        (8, {"SeriesDescription": "Thorax axial MIP"}, RefusalCode.NO_ELIGIBLE_SERIES),
        (8, {"SeriesDescription": "Dose Report"}, RefusalCode.SCREEN_CAPTURE),
    ],
)
def test_volume_other_series_is_refused_by_name(
    count: int, changes: dict[str, Any], code: RefusalCode
) -> None:
    assert _code(series(range(0, 5 * count, 5), **changes)) == code


def test_volume_blank_is_refused() -> None:
    slices = [loaded(axial(float(z), np.full((32, 32), 24, np.uint16))) for z in range(0, 30, 5)]
    assert _code(slices) == RefusalCode.BLANK_IMAGE


def test_volume_one_damaged_slice_refuses_the_series() -> None:
    slices = series(range(0, 30, 5))
    slices[2].dataset.PixelData = b"\0" * 8
    assert _code(slices) == RefusalCode.UNDECODABLE


@given(st.floats(-30, 30), st.floats(-200, 200))
def test_plane_position_is_the_distance_along_the_normal(degrees: float, z_mm: float) -> None:
    tilt = np.deg2rad(degrees)
    found = plane(axial(z_mm, ImageOrientationPatient=[1, 0, 0, 0, float(np.cos(tilt)),
                                                       float(-np.sin(tilt))]))  # fmt: skip
    assert found is not None
    assert found.orientation is Orientation.AXIAL
    assert np.linalg.norm(found.normal) == pytest.approx(1)
    expected = np.array(found.normal) @ np.array([-10, -10, z_mm])
    assert found.position_mm == pytest.approx(expected, abs=1e-3)


def test_volume_small_slices_are_refused() -> None:
    slices = [loaded(axial(float(z), chest_slice()[:12])) for z in range(0, 30, 5)]
    assert _code(slices) == RefusalCode.IMAGE_TOO_SMALL
