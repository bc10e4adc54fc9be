"""What writes a result down."""

from collections.abc import Sequence
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_node.domain import Heatmap, ObjectRef, TriageResult


class ResultWriter(Protocol):
    """Encodes a persisted result as one DICOM object; equal input gives equal bytes."""

    @property
    def name(self) -> str:
        """Return the registry name, for example ``sr``."""
        ...

    def reference(self, result: TriageResult) -> ObjectRef:
        """Return the UIDs that the object has or will have."""
        ...

    def applies(self, heatmaps: Sequence[Heatmap]) -> bool:
        """Tell whether there is anything to write."""
        ...

    def write(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Dataset:
        """Encode ``result``; ``sources`` are read from the archive when the report is written.

        Raises ReportError.
        """
        ...

    def further(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Sequence[Dataset]:
        """Encode what follows in the same series, the most telling first; mostly nothing."""
        ...
