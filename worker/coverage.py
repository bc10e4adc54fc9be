"""Whether all of a study has come: lungs that are cut off, slices and images that are missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.domain import Sample, SeriesRef, StudyKind, StudyRef
from dicom_node.errors import PixelError
from dicom_node.pixels import header
from dicom_node.pixels.load import Loaded
from models import lungs

_CUT_SHARE: Final = 0.2
"""An end slice with this part of the largest lung cross-section lies in the middle of a lung.

Whole chest CTs, slices 6 to 8 mm apart, end at 0 to 0.18; one that lacks three slices does not.
"""
_LEAST_CM2: Final = 15.0
"""Windpipe and bowel are smaller."""
_BETWEEN: Final = 9
"""So many slices between the ends show how large the lungs are."""
_OWN_SERIES: Final = frozenset({9001, 9003, 9004})


@dataclass(frozen=True, slots=True)
class Coverage:
    """From where to where a CT goes, and whether the lungs go on beyond."""

    from_mm: float
    to_mm: float
    cut_below: bool
    cut_above: bool

    @property
    def sentence(self) -> str:
        """Return what the report says of lungs that are cut off, '' where they are whole."""
        sides = [
            side for side, cut in (("below", self.cut_below), ("above", self.cut_above)) if cut
        ]
        if not sides:
            return ""
        return (
            f"Series incomplete: it covers {self.from_mm:.0f} to {self.to_mm:.0f} mm, and the "
            f"lungs are cut off {' and '.join(sides)}."
        )


def coverage(sample: Sample) -> Coverage:
    """Look at the ends of a CT sample, and at some slices between them."""
    count = len(sample.pixels)
    wanted = np.unique(np.linspace(0, count - 1, min(count, _BETWEEN + 2)).round().astype(int))
    found = lungs.find(replace(sample, pixels=sample.pixels[wanted]))
    least = max(_LEAST_CM2, _CUT_SHARE * float(found.area_cm2.max(initial=0.0)))
    places = sample.geometry.positions_mm or (0.0,)
    return Coverage(
        from_mm=places[0],
        to_mm=places[-1],
        cut_below=bool(found.area_cm2[0] >= least),
        cut_above=bool(found.area_cm2[-1] >= least),
    )


def cut_off(samples: Sequence[Sample]) -> str:
    """Return a sentence where the lungs of a CT are cut off, '' of anything else."""
    cuts = (coverage(one).sentence for one in samples if one.kind is StudyKind.CT)
    return " ".join(filter(None, cuts))


def announced(study: StudyRef, loaded: Sequence[Loaded]) -> str:
    """Return a sentence where the images' headers announce more images than there are.

    That is (0020,1208) of the study and (0020,1209) of each series, which some senders write.
    """
    foreign = [one for one in study.series if one.series_number not in _OWN_SERIES]
    short = [*_short_study(foreign, loaded), *_short_series(foreign, loaded)]
    if not short:
        return ""
    held, promised = max(short, key=lambda pair: pair[1] - pair[0])
    return f"Study incomplete: {held} of {promised} announced images have come."


def _short_study(
    series: Sequence[SeriesRef], loaded: Sequence[Loaded]
) -> Iterator[tuple[int, int]]:
    held = sum(len(one.instances) for one in series)
    promised = max((_count(o.dataset, "NumberOfStudyRelatedInstances") for o in loaded), default=0)
    if promised > held:
        yield held, promised


def _short_series(
    series: Sequence[SeriesRef], loaded: Sequence[Loaded]
) -> Iterator[tuple[int, int]]:
    for one in series:
        inside = (o for o in loaded if o.ref.series_instance_uid == one.series_instance_uid)
        promised = max(
            (_count(o.dataset, "NumberOfSeriesRelatedInstances") for o in inside), default=0
        )
        if promised > len(one.instances):
            yield len(one.instances), promised


def _count(dataset: Dataset, keyword: str) -> int:
    """Return a count that only informs: one that cannot be read announces nothing."""
    try:
        return header.integer(dataset, keyword) or 0
    except PixelError:
        return 0
