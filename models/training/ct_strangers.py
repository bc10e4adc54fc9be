"""CT series that are no axial chest, and some that are: what the CT gate is measured on.

The numbers are real where the six real volumes are altered, and plausible Hounsfield units where
a body part is drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_node.domain import Geometry, InstanceRef, Sample, StudyKind
from models import lungs
from models.ct_lite.preprocess import windowed
from models.ct_lite.series import LEAST_SHARE
from models.training import bodyparts
from models.training.alterations import Wanted

_AIR_HU: Final = -1000.0
_LEAST_SLICES: Final = 14
_SLICES: Final = 24
_CT_SPACING_MM: Final = 1.6
_EDGE: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Stranger:
    """One series, what it is, and what the gate ought to make of it."""

    kind: str
    wanted: Wanted
    sample: Sample


def series(pixels: NDArray[np.floating], spacing_mm: float, apart_mm: float) -> Sample:
    """Return slices (n, rows, columns) in HU as a series."""
    count = len(pixels)
    return Sample(
        kind=StudyKind.CT,
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        geometry=Geometry(
            spacing_mm, spacing_mm, apart_mm, tuple(apart_mm * index for index in range(count))
        ),
        sources=tuple(InstanceRef(f"2.25.{100 + i}", "", "2.25.99") for i in range(count)),
    )


def _chosen(sample: Sample, index: NDArray[np.int64]) -> Sample:
    """Return some slices of a series, repeated until there are enough to be read at all."""
    repeats = -(-_LEAST_SLICES // len(index))
    spacing = sample.geometry.column_spacing_mm or 0.75
    return series(np.repeat(sample.pixels[index], repeats, axis=0), spacing, 5.0)


def _parts(sample: Sample) -> Iterator[tuple[str, Wanted, Sample]]:
    found = lungs.find(sample)
    with_lung = found.slices(LEAST_SHARE)
    feet, head = int(with_lung[0]), int(with_lung[-1])
    share = found.share
    below = np.arange(feet)[share[:feet] < LEAST_SHARE / 2]
    if below.size:
        yield "slices below the diaphragm", Wanted.REFUSE, _chosen(sample, below)
    above = np.arange(head + 1, len(share))
    if above.size:
        yield "slices above the lungs", Wanted.REFUSE, _chosen(sample, above)
    few = np.concatenate((np.arange(max(0, feet - 12), feet), with_lung[:3]))
    if few.size >= _LEAST_SLICES:
        yield "three lung slices on top of a belly", Wanted.REFUSE, _chosen(sample, few)
    half = with_lung[: max(8, len(with_lung) // 2)]
    yield "lower half of the lungs", Wanted.EITHER, _chosen(sample, half)


def _turned(sample: Sample) -> Iterator[tuple[str, Wanted, Sample]]:
    pixels = sample.pixels
    yield "series as it is", Wanted.PASS, sample
    yield "prone", Wanted.PASS, replace(sample, pixels=pixels[:, ::-1].copy())
    yield "left and right exchanged", Wanted.PASS, replace(sample, pixels=pixels[:, :, ::-1].copy())
    on_side = np.ascontiguousarray(np.rot90(pixels, axes=(1, 2)))
    yield "lying on the side", Wanted.EITHER, replace(sample, pixels=on_side)
    spacing = 2 * (sample.geometry.column_spacing_mm or 0.75)
    z = np.asarray(sample.geometry.positions_mm)
    zoom = abs(z[-1] - z[0]) / (len(z) - 1) / spacing
    even = ndimage.zoom(pixels[:, ::2, ::2], (zoom, 1, 1), order=1)[::-1]
    coronal = even.swapaxes(0, 1)[even.shape[1] // 5 : -even.shape[1] // 5 : 4]
    yield "coronal slices said to be axial", Wanted.REFUSE, series(coronal, spacing, 4 * spacing)
    sagittal = even.transpose(2, 0, 1)[even.shape[2] // 6 : -even.shape[2] // 6 : 6]
    yield "sagittal slices said to be axial", Wanted.REFUSE, series(sagittal, spacing, 6 * spacing)


def _misread(sample: Sample) -> Iterator[tuple[str, Wanted, Sample]]:
    hu = sample.pixels
    geometry = sample.geometry
    spacing = geometry.column_spacing_mm or 0.75
    greys = windowed(hu)
    for kind, pixels in (
        ("rescale intercept left out", hu + 1024.0),
        ("rescale intercept applied twice", np.maximum(hu - 1024.0, -1024.0)),
        ("rescale slope doubled", np.maximum(2.0 * hu + 1024.0, -1024.0)),
        ("Hounsfield units negated", -hu),
        ("greys 0 to 255 in place of Hounsfield units", 255.0 * greys),
        ("greys 0 to 255 less 1024", 255.0 * greys - 1024.0),
        ("greys 0 to 1 in place of Hounsfield units", greys),
    ):
        yield kind, Wanted.REFUSE, replace(sample, pixels=pixels.astype(np.float32))
    for kind, factor in (("pixels said to be half as large", 0.5), ("pixels twice as large", 2.0)):
        other = replace(geometry, row_spacing_mm=spacing * factor,
                        column_spacing_mm=spacing * factor)  # fmt: skip
        yield kind, Wanted.REFUSE, replace(sample, geometry=other)


def of_volume(sample: Sample) -> Iterator[Stranger]:
    """Yield what becomes of one real volume by alteration."""
    for kinds in (_turned(sample), _parts(sample), _misread(sample)):
        for kind, wanted, altered in kinds:
            yield Stranger(kind, wanted, altered)


def drawn(name: str, seed: int) -> Sample:
    """Return axial slices of a drawn body part (a name of `bodyparts.PARTS`) in HU."""
    random = np.random.default_rng((seed, 77))
    volume = bodyparts.PARTS[name][0](random)
    step = max(1, len(volume.z) // _SLICES)
    planes = volume.hu[step // 2 :: step]
    rows = round(volume.step_mm[1] / volume.step_mm[0] * planes.shape[1])
    zoom = (1, rows / planes.shape[1], 1)
    even = ndimage.zoom(planes, zoom, order=1)
    wide = [(0, 0), *(((_EDGE - size) // 2, _EDGE - size - (_EDGE - size) // 2)
                      for size in even.shape[1:])]  # fmt: skip
    padded = np.pad(even, wide, constant_values=_AIR_HU)
    noise = 12.0 * random.standard_normal(padded.shape)
    return series(padded + noise, volume.step_mm[0], step * volume.step_mm[2])


def _legs(random: np.random.Generator) -> Sample:
    axis = np.linspace(-200, 200, _EDGE)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    plane = np.full((_EDGE, _EDGE), _AIR_HU)
    for side in (-95.0, 95.0):
        distance = np.hypot(x - side, y)
        plane[distance < 80] = -90.0  # noqa: PLR2004
        plane[distance < 70] = 55.0  # noqa: PLR2004
        plane[distance < 16] = 900.0  # noqa: PLR2004
    noise = 12.0 * random.standard_normal((_SLICES, _EDGE, _EDGE))
    return series(plane + noise, _CT_SPACING_MM, 8.0)


def made(count: int) -> Iterator[Stranger]:
    """Yield drawn series of other body parts, noise and constants."""
    for name in ("abdomen", "pelvis", "skull, frontal", "hand"):
        kind = f"drawn {name.removesuffix(', frontal')}"
        for seed in range(count):
            yield Stranger(kind, Wanted.REFUSE, drawn(name, seed))
    for seed in range(count):
        random = np.random.default_rng((seed, 5))
        yield Stranger("drawn thighs", Wanted.REFUSE, _legs(random))
        noise = 400.0 * random.standard_normal((_SLICES, _EDGE, _EDGE))
        yield Stranger("noise", Wanted.REFUSE, series(noise, _CT_SPACING_MM, 8.0))
        smooth = ndimage.gaussian_filter(noise, (0, 6, 6)) * 30.0 - 500.0
        yield Stranger("smoothed noise", Wanted.REFUSE, series(smooth, _CT_SPACING_MM, 8.0))
        value = float(random.choice([-1000.0, 0.0, 40.0, 3000.0]))
        flat = np.full((_SLICES, _EDGE, _EDGE), value)
        yield Stranger("constant", Wanted.REFUSE, series(flat, _CT_SPACING_MM, 8.0))
