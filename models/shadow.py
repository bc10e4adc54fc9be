"""The models that read in the shadow, each on its own: a fault of one leaves the others."""

from collections.abc import Mapping, Sequence
from typing import cast

from dicom_node import log
from dicom_node.domain import (
    ModelIdentity,
    ModelState,
    Prediction,
    Sample,
    ServedModel,
    StudyKind,
)
from dicom_node.errors import ModelError, ModelNotFound
from dicom_node.ports import Classifier
from dicom_node.settings import ModelSettings
from models import catalogue, runtime
from models.catalogue import Catalogue
from models.served import Served


class Shadows:
    """Verified, warm models by kind; ``published`` tells of each whether it is fit."""

    def __init__(
        self, models: Mapping[StudyKind, Served], published: tuple[ServedModel, ...]
    ) -> None:
        self._models = models
        self.published = published

    def predict(self, kind: StudyKind, samples: Sequence[Sample]) -> tuple[Prediction, ...]:
        """Read each sample; raises ModelNotFound, InferenceFailed."""
        if kind not in self._models:
            faults = [model.message for model in self.published if model.kind is kind]
            raise ModelNotFound(f"no shadow reads {kind}: {'; '.join(faults) or 'none is named'}")
        model = cast("Classifier", self._models[kind])
        return tuple(model.predict(sample) for sample in samples)


def load(
    device: str, policy_shadow: Mapping[StudyKind, str], site: Sequence[ModelSettings] = ()
) -> Shadows:
    """Load what the policy names, verified as served models are; what is not fit is told."""
    known = catalogue.build(site)
    models: dict[StudyKind, Served] = {}
    published = []
    runtime.limit_threads()
    for kind, name in policy_shadow.items():
        try:
            place = runtime.device_for(device)
            models[kind] = runtime.opened_classifier(known, kind, name, place)
        except ModelError as exc:
            log.get().warning("shadow.refused", model=name, error=str(exc))
            published.append(catalogue.unfit(kind, _identity(known, name), str(exc)))
        else:
            published.append(runtime.verified(kind, models[kind], ModelState.SHADOW, place))
    return Shadows(models, tuple(published))


def _identity(known: Catalogue, name: str) -> ModelIdentity:
    """Return what is known of weights that could not be loaded."""
    try:
        return known.entry(name).card().identity
    except ModelError:
        return ModelIdentity(name, "", "")
