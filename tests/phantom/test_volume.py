import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.phantom.volume import AIR_HU, Volume, axis, barrel, ellipsoid, empty, fill, tube


def _volume(depth_count: int = 41) -> Volume:
    line = axis(-20, 20, 81)
    return empty(line, axis(-20, 20, depth_count), line)


def _painted_ml(volume: Volume) -> float:
    x, y, z = volume.step_mm
    return float((volume.hu - AIR_HU).sum() / 1000 * x * y * z / 1000)


@given(st.floats(5, 15), st.integers(21, 81))
def test_ellipsoid_keeps_its_volume_however_thick_the_voxels(radius: float, count: int) -> None:
    volume = _volume(count)
    ellipsoid(volume, (0, 0, 0), (radius, radius, radius), 0.0)
    assert _painted_ml(volume) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.1)


def test_ellipsoid_outside_paints_nothing() -> None:
    volume = _volume()
    ellipsoid(volume, (100, 0, 0), (5, 5, 5), 0.0)
    assert np.all(volume.hu == AIR_HU)


def test_barrel_is_a_cylinder_of_the_right_volume() -> None:
    volume = _volume()
    zero, half = np.zeros_like(volume.z), np.full_like(volume.z, 10)
    fill(volume, barrel(volume, (zero, zero), (half, half)), 0.0)
    assert _painted_ml(volume) == pytest.approx(np.pi * 100 * 40.5 / 1000, rel=0.05)


def test_tube_never_lowers_and_a_hollow_one_never_raises() -> None:
    volume = _volume()
    path, radii = [(0.0, 0.0, -15.0), (0.0, 0.0, 15.0)], ((6.0,) * 3, (6.0,) * 3)
    ellipsoid(volume, (0, 0, 0), (3, 3, 3), 900.0)
    tube(volume, path, radii, 100.0)
    assert volume.hu[40, 20, 40] == 900
    assert volume.hu[60, 20, 40] == pytest.approx(100)
    tube(volume, path, radii, 300.0, hollow=True)
    assert volume.hu[40, 20, 40] == pytest.approx(300)
    assert volume.hu[60, 20, 40] == pytest.approx(100)
