"""What one part of the node needs of another, as protocols."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_node.domain import (
    Heatmap,
    InstanceRef,
    ModelIdentity,
    ObjectRef,
    Prediction,
    Sample,
    StudyKind,
    StudyRef,
    TriageResult,
)


class Archive(Protocol):
    """The PACS that holds the studies: Orthanc in production, a folder for ``analyze``."""

    def study(self, study_instance_uid: str) -> StudyRef:
        """Return the study with its series; raise StudyNotFound or PatientMismatch refusal."""
        ...

    def instance(self, ref: InstanceRef) -> bytes:
        """Return the instance's DICOM file; raise StudyNotFound where it is gone."""
        ...

    def store(self, dicom_file: bytes) -> None:
        """Store one DICOM file; storing the same twice is harmless."""
        ...

    def holds(self, ref: ObjectRef) -> bool:
        """Tell whether the object can be read back."""
        ...


class Gate(Protocol):
    """Says no to what a model must not read."""

    def check(self, sample: Sample) -> Sample:
        """Return the sample to read, corrected where the pixels contradict the header.

        Raises StudyRefused with a code and a sentence.
        """
        ...


class Classifier(Protocol):
    """A model with its card."""

    @property
    def identity(self) -> ModelIdentity:
        """Return which weights these are."""
        ...

    @property
    def kind(self) -> StudyKind:
        """Return what this model reads."""
        ...

    def predict(self, sample: Sample) -> Prediction:
        """Read one sample that the gate has passed; raises InferenceFailed."""
        ...


class Runtime(Protocol):
    """The warm models of one process, verified at start-up."""

    def gate(self, kind: StudyKind) -> Gate:
        """Return the gate for this kind of study."""
        ...

    def classifier(self, kind: StudyKind) -> Classifier:
        """Return the served model; raises ModelNotFound."""
        ...


class ResultWriter(Protocol):
    """Encodes a persisted result as one DICOM object; equal input gives equal bytes."""

    @property
    def name(self) -> str:
        """Return the registry name, for example ``sr``."""
        ...

    def reference(self, result: TriageResult) -> ObjectRef:
        """Return the UIDs that the object has or will have."""
        ...

    def write(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Dataset:
        """Encode ``result``; ``sources`` are read from the archive when the report is written.

        Raises ReportError.
        """
        ...


class Destination(Protocol):
    """A place beside Orthanc that gets a copy of each result."""

    @property
    def name(self) -> str:
        """Return the configured name."""
        ...

    def send(self, dicom_file: Path) -> None:
        """Send one file; raises DeliveryFailed (may pass) or StoreRejected (will not)."""
        ...
