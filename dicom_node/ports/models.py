"""What reads a sample."""

from collections.abc import Sequence
from typing import Protocol

from dicom_node.domain import ModelIdentity, Prediction, Sample, ShadowAnswer, StudyKind


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


class ShadowReader(Protocol):
    """The models in the shadow, wherever they run."""

    def identity(self, kind: StudyKind) -> ModelIdentity:
        """Return which weights read this kind; without version and hash where none are loaded."""
        ...

    def read(self, kind: StudyKind, samples: Sequence[Sample]) -> ShadowAnswer:
        """Read the samples that the served model has read; raises ModelError."""
        ...
