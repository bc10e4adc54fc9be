"""Models of the site beside the shipped ones."""

from pathlib import Path

import pytest

from dicom_node.domain import StudyKind
from dicom_node.errors import ModelError, ModelNotFound, WeightsMismatch
from dicom_node.policy import load as load_policy
from dicom_node.settings import ModelSettings
from models import catalogue, golden, registry, runtime
from tests.model_inputs import copied

SHIPPED = load_policy().models[StudyKind.CXR]


@pytest.fixture
def ours(tmp_path: Path) -> ModelSettings:
    copied(registry.entry(SHIPPED), tmp_path / "ours")
    return ModelSettings(name="our-cxr", folder=tmp_path / "ours", like=SHIPPED)


def test_build_without_site_is_what_is_shipped() -> None:
    assert catalogue.build().entries == registry.MODELS


def test_site_model_has_its_own_name_and_the_shipped_code(ours: ModelSettings) -> None:
    entry = catalogue.build([ours]).entry("our-cxr")

    assert entry.module == registry.entry(SHIPPED).module
    assert entry.card().identity.name == "our-cxr"
    assert entry.card().weights == registry.entry(SHIPPED).card().weights


def test_site_model_can_be_served(ours: ModelSettings) -> None:
    warm = runtime.load("cpu", {StudyKind.CXR: "our-cxr"}, [ours])

    prediction = warm.classifier(StudyKind.CXR).predict(golden.film())

    assert prediction.model.name == "our-cxr"
    assert warm.served()[0].identity.name == "our-cxr"


def test_site_model_of_other_weights_than_its_card_is_refused(ours: ModelSettings) -> None:
    (ours.folder / "weights.safetensors").write_bytes(b"other weights")

    with pytest.raises(WeightsMismatch):
        runtime.load("cpu", {StudyKind.CXR: "our-cxr"}, [ours])


def test_site_model_of_another_kind_is_refused(ours: ModelSettings) -> None:
    with pytest.raises(ModelNotFound, match="our-cxr for CT"):
        catalogue.build([ours]).classifier_card(StudyKind.CT, "our-cxr")


def test_site_model_without_a_card_is_told_when_it_is_wanted(ours: ModelSettings) -> None:
    (ours.folder / "card.toml").unlink()
    known = catalogue.build([ours])

    with pytest.raises(ModelError, match=r"card\.toml cannot be read"):
        known.classifier_card(StudyKind.CXR, "our-cxr")


@pytest.mark.parametrize(
    ("name", "like", "fault"),
    [
        (SHIPPED, SHIPPED, f"two models are named {SHIPPED}"),
        ("our-cxr", "os", "our-cxr is like os, which is no shipped model"),
    ],
)
def test_site_model_that_cannot_be_registered_leaves_the_others(
    ours: ModelSettings, name: str, like: str, fault: str
) -> None:
    wrong = ours.model_copy(update={"name": name, "like": like})
    known = catalogue.build([wrong, ours.model_copy(update={"name": "second"})])

    assert known.faults == (fault,)
    assert list(known.entries) == [*registry.MODELS, "second"]
    assert known.entry(SHIPPED) == registry.entry(SHIPPED)
    with pytest.raises(ModelNotFound, match=fault):
        known.entry("absent")
