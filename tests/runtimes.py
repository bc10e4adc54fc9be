"""A runtime whose model says what the test wants: the ports' fake, for logic around models."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dicom_node import codes
from dicom_node.domain import (
    Box,
    Finding,
    Heatmap,
    ModelIdentity,
    Prediction,
    Presence,
    Region,
    Sample,
    StudyKind,
)
from tests.builders import LABELS, MODEL

_SAYS = (0.02, 0.03, 0.04, 0.91)


@dataclass
class ScriptedRuntime:
    """Gate and classifier in one; ``before`` runs before each prediction and may raise."""

    kind: StudyKind = StudyKind.CXR
    identity: ModelIdentity = MODEL
    before: Callable[[], None] = lambda: None
    says: tuple[float, ...] = _SAYS
    seen: list[Sample] = field(default_factory=list)

    def gate(self, kind: StudyKind) -> "ScriptedRuntime":
        """Be the gate."""
        del kind
        return self

    def classifier(self, kind: StudyKind) -> "ScriptedRuntime":
        """Be the model."""
        del kind
        return self

    def check(self, sample: Sample) -> Sample:
        """Let everything pass."""
        return sample

    def predict(self, sample: Sample) -> Prediction:
        """Say what the test wants, about the whole image."""
        self.before()
        self.seen.append(sample)
        rows, columns = sample.pixels.shape[-2:]
        source = sample.sources[0]
        where = Region(source.sop_instance_uid, Box(0, 0, columns, rows))
        image = sample.pixels.reshape(-1, rows, columns)[0]
        return Prediction(
            model=self.identity,
            findings=tuple(
                Finding(
                    label,
                    codes.FINDINGS[label],
                    probability,
                    0.5,
                    Presence.PRESENT if probability >= 0.5 else Presence.ABSENT,
                    where,
                )
                for label, probability in zip(LABELS, self.says, strict=True)
            ),
            heatmaps=(Heatmap("covid19", source, image * 0 + 0.5, image),),
        )
