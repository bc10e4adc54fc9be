"""The CT gate: an axial chest of plausible size with enough slices that show lung."""

from dataclasses import replace
from typing import Final

import numpy as np

from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import StudyRefused
from models import lungs
from models.ct_lite.series import LEAST_SHARE
from models.gate.claims import contradicted
from models.lungs import Lungs

LEAST_LUNG_SLICES: Final = 5
LEAST_PEAK_SHARE: Final = 0.17
"""Some slice of a chest shows lung over at least this part of the body; bowel never does."""
LEAST_WIDTH_CM: Final = 19.0
MOST_WIDTH_CM: Final = 42.0
"""Width of both lungs together: adults 20 to 38 cm, children below."""
LEAST_BODY_CM2: Final = 250.0
_TISSUE_HU: Final = (-200.0, 300.0)
_LEAST_TISSUE: Final = 0.05
_LEAST_AIR: Final = 0.02
"""Lungs and the air around a body; without the rescale intercept air is not below -600."""
_LUNG_AIR_HU: Final = -600.0
_MOST_CUT: Final = 0.25
"""An axial slice shows the whole body from front to back: its upper and lower border are air."""


def _refuse(code: RefusalCode, reason: str) -> StudyRefused:
    return StudyRefused(code.value, reason)


class CtGate:
    """Decides from Hounsfield units and geometry; needs no weights."""

    def check(self, sample: Sample) -> Sample:
        """Return the series to read; raises StudyRefused."""
        if sample.kind is not StudyKind.CT or sample.pixels.ndim != 3:  # noqa: PLR2004
            raise _refuse(RefusalCode.NOT_CHEST, "This is not a CT series.")
        self._hounsfield(sample)
        found = lungs.find(sample)
        self._chest(found)
        self._axial(sample)
        self._size(found)
        notes = contradicted(sample.hints, "a chest CT")
        return replace(sample, notes=sample.notes + notes) if notes else sample

    def _hounsfield(self, sample: Sample) -> None:
        """Refuse numbers that cannot be Hounsfield units of a person: no tissue, or no range."""
        probe = sample.pixels[:, ::8, ::8]
        tissue = float(((probe > _TISSUE_HU[0]) & (probe < _TISSUE_HU[1])).mean())
        air = float((probe < _LUNG_AIR_HU).mean())
        if min(tissue - _LEAST_TISSUE, air - _LEAST_AIR) < 0:
            raise _refuse(
                RefusalCode.OUT_OF_DISTRIBUTION,
                "The values of this series are not those of a body in Hounsfield units.",
            )

    def _axial(self, sample: Sample) -> None:
        """Refuse coronal and sagittal slices, whatever the header says of their orientation."""
        count, rows, _ = sample.pixels.shape
        middle = sample.pixels[count // 4 : count - count // 4, :, ::4] > lungs.BODY_HU
        inset = rows // 50
        cut = min(
            float(np.median(middle[:, row].mean(axis=1))) for row in (inset, rows - 1 - inset)
        )
        if cut > _MOST_CUT:
            raise _refuse(
                RefusalCode.NOT_AXIAL,
                "The body runs through the upper and the lower border of the images, as on "
                "coronal and sagittal ones; axial slices of the whole body are needed.",
            )

    def _chest(self, found: Lungs) -> None:
        count = len(found.slices(LEAST_SHARE))
        peak = float(np.max(found.share * found.both_sides, initial=0.0))
        if count == 0 or peak < LEAST_PEAK_SHARE:
            raise _refuse(
                RefusalCode.NO_LUNG,
                "No slice of this series shows both lungs; it does not look like a chest CT.",
            )
        if count < LEAST_LUNG_SLICES:
            raise _refuse(
                RefusalCode.TOO_FEW_SLICES,
                f"Only {count} slices of this series show both lungs; at least "
                f"{LEAST_LUNG_SLICES} are needed.",
            )

    def _size(self, found: Lungs) -> None:
        body = float(found.body_cm2.max())
        if not LEAST_WIDTH_CM <= found.width_cm <= MOST_WIDTH_CM or body < LEAST_BODY_CM2:
            raise _refuse(
                RefusalCode.OUT_OF_DISTRIBUTION,
                f"The lungs are {found.width_cm:.0f} cm wide, which is not an adult's chest, and "
                f"the model knows adults only.",
            )
