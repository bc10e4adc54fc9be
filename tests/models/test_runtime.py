"""The warm models of one process."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.domain import StudyKind
from dicom_node.errors import GoldenMismatch, ModelNotFound, WeightsMismatch
from dicom_node.policy import load as load_policy
from models import golden, registry, runtime, served, weights
from models.card import Weights
from models.registry import Entry
from models.runtime import ModelRuntime
from models.served import GOLDEN_FILE
from tests.model_inputs import copied


@pytest.fixture(scope="module")
def warm() -> ModelRuntime:
    return runtime.load("cpu", load_policy().models)


def test_load_serves_what_the_policy_names(warm: ModelRuntime) -> None:
    published = {model.kind: model for model in warm.served()}

    assert set(published) == {StudyKind.CXR, StudyKind.CT}
    for kind, name in load_policy().models.items():
        assert published[kind].identity == registry.entry(name).card().identity
        assert json.loads(published[kind].card)["name"] == name
        assert published[kind].ready
        assert published[kind].device == "cpu"
        assert warm.classifier(kind).identity == published[kind].identity
        assert warm.classifier(kind).kind is kind


def test_gate_then_classifier_read_the_golden_inputs(warm: ModelRuntime) -> None:
    for kind, sample in ((StudyKind.CXR, golden.film()), (StudyKind.CT, golden.series())):
        assert warm.gate(kind) is not None
        assert warm.classifier(kind).predict(sample).findings


def test_classifier_that_is_not_served_is_not_found() -> None:
    films_only = runtime.load("cpu", {StudyKind.CXR: "cxr-lite"})

    with pytest.raises(ModelNotFound, match="no model is served for CT"):
        films_only.classifier(StudyKind.CT)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (StudyKind.CXR, "chexnet"),
        (StudyKind.CXR, "ct-lite"),
        (StudyKind.CT, "cxr-lite"),
        (StudyKind.CXR, "gate"),
    ],
)
def test_load_of_a_model_that_cannot_serve_is_refused(kind: StudyKind, name: str) -> None:
    with pytest.raises(ModelNotFound, match=name):
        runtime.load("cpu", {kind: name})


def test_device_cuda_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(ModelNotFound, match="no CUDA device"):
        runtime.device_for("cuda")
    assert runtime.device_for("auto") == "cpu"


def _registered(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> None:
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, "gate": entry})


def test_load_with_a_damaged_gate_serves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = copied(registry.entry("gate"), tmp_path / "gate")
    (copy.folder / copy.card().weights.file).write_bytes(b"not weights")
    _registered(monkeypatch, copy)

    with pytest.raises(WeightsMismatch):
        runtime.load("cpu", {})


@pytest.mark.parametrize("text", ["", "{}", '{"tolerance": 0.01, "numbers": {"frontal": 1}}'])
def test_load_with_damaged_golden_numbers_serves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    copy = copied(registry.entry("gate"), tmp_path / "gate")
    (copy.folder / GOLDEN_FILE).write_text(text, encoding="utf-8")
    _registered(monkeypatch, copy)

    with pytest.raises(GoldenMismatch):
        runtime.load("cpu", {})


def test_recorded_golden_numbers_verify(tmp_path: Path) -> None:
    copy = copied(registry.entry("gate"), tmp_path / "gate")
    model = registry.open_model(copy, "cpu")

    served.record(model, copy.folder, 0.001)

    served.verify(model, copy.folder)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"not weights")
    digest = "2b2ea3a0f4e4c7ff9a2dbaeb3ac5b6dd8e4b3c1f1a1d2e3f4a5b6c7d8e9f0a1b"

    with pytest.raises(WeightsMismatch, match="hash to"):
        weights.read(tmp_path, Weights(file="w", sha256=digest))
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        weights.read(tmp_path, Weights(file="missing", sha256=digest))


def test_card_identity_is_what_the_run_identity_hashes() -> None:
    card = registry.entry("cxr-lite").card()

    other = replace(card.identity, weights_sha256="0" * 64)

    assert card.identity.key != other.key
