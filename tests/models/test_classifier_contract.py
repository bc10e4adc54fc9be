"""What every registered classifier must do; a new line in the registry is tested by itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dicom_node.domain import Box, Heatmap, Prediction, Presence, Sample
from dicom_node.errors import GoldenMismatch, WeightsMismatch
from dicom_node.ports import Classifier
from models import registry, served, weights
from models.card import FILE
from models.registry import MODELS, Entry
from models.served import GOLDEN_FILE, Served
from tests.model_inputs import GOLDEN, copied, labels_of, replace_in

CLASSIFIERS = [name for name, entry in MODELS.items() if entry.card().role == "classifier"]
MEGABYTES_20 = 20_000_000
MOST_LIKENESS = 0.7
"""Mean correlation, where there is evidence, with maps of shuffled weights; the same map has 1."""
SHUFFLES = 5


@pytest.fixture(scope="module", params=CLASSIFIERS)
def entry(request: pytest.FixtureRequest) -> Entry:
    return registry.entry(str(request.param))


@pytest.fixture(scope="module")
def model(entry: Entry) -> Served:
    return registry.open_model(entry, "cpu")


@pytest.fixture(scope="module")
def sample(model: Served) -> Sample:
    return GOLDEN[model.card.kind]()


@pytest.fixture(scope="module")
def prediction(model: Served, sample: Sample) -> Prediction:
    return cast("Classifier", model).predict(sample)


def _image_shape(sample: Sample) -> tuple[int, int]:
    rows, columns = sample.pixels.shape[-2:]
    return rows, columns


def test_predict_findings_follow_the_card(model: Served, prediction: Prediction) -> None:
    assert [finding.label for finding in prediction.findings] == list(labels_of(model.card))
    for finding, label in zip(prediction.findings, model.card.labels, strict=True):
        assert finding.code == label.code
        assert finding.threshold == label.threshold
        assert finding.presence is label.presence(finding.probability)
    assert prediction.model == model.card.identity


def test_predict_probabilities_lie_between_0_and_1(prediction: Prediction) -> None:
    assert all(0.0 <= finding.probability <= 1.0 for finding in prediction.findings)


def test_predict_twice_gives_the_same(
    model: Served, sample: Sample, prediction: Prediction
) -> None:
    again = cast("Classifier", model).predict(sample)

    assert again.findings == prediction.findings
    assert again.notes == prediction.notes
    assert dict(again.parameters) == dict(prediction.parameters)
    for one, other in zip(again.heatmaps, prediction.heatmaps, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)


def test_predict_regions_lie_inside_the_image(sample: Sample, prediction: Prediction) -> None:
    rows, columns = _image_shape(sample)
    known = {source.sop_instance_uid for source in sample.sources}
    for finding in prediction.findings:
        box = finding.region.box
        assert 0 <= box.left < box.right <= columns
        assert 0 <= box.top < box.bottom <= rows
        assert finding.region.sop_instance_uid in known
        if finding.presence is Presence.ABSENT:
            assert box == Box(0, 0, columns, rows)


def test_predict_heatmaps_have_the_shape_of_their_source(
    sample: Sample, prediction: Prediction
) -> None:
    assert prediction.heatmaps
    for heatmap in prediction.heatmaps:
        assert heatmap.source in sample.sources
        for plane in (heatmap.weights, heatmap.image):
            assert plane.shape == _image_shape(sample)
            assert plane.dtype == np.float32
            assert float(plane.min()) >= 0.0
            assert float(plane.max()) <= 1.0


def test_predict_keeps_the_notes_of_the_sample(model: Served, sample: Sample) -> None:
    noted = replace(sample, notes=("One slice is missing.",))

    assert "One slice is missing." in cast("Classifier", model).predict(noted).notes


def test_weights_are_small_enough_for_git(entry: Entry) -> None:
    assert (entry.folder / entry.card().weights.file).stat().st_size < MEGABYTES_20


def test_golden_prediction_holds(entry: Entry, model: Served) -> None:
    served.verify(model, entry.folder)


def test_open_with_other_weights_is_refused(entry: Entry, tmp_path: Path) -> None:
    copy = copied(entry, tmp_path / "model")
    file = copy.folder / copy.card().weights.file
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(bytes(raw))

    with pytest.raises(WeightsMismatch, match="the card says"):
        registry.open_model(copy, "cpu")


def test_verify_with_other_golden_numbers_is_refused(
    entry: Entry, model: Served, tmp_path: Path
) -> None:
    copy = copied(entry, tmp_path / "model")
    file = copy.folder / GOLDEN_FILE
    recorded = json.loads(file.read_text(encoding="utf-8"))
    key = next(iter(recorded["numbers"]))
    recorded["numbers"][key] += 2 * recorded["tolerance"]
    file.write_text(json.dumps(recorded), encoding="utf-8")

    with pytest.raises(GoldenMismatch, match=key):
        served.verify(model, copy.folder)


def _shuffled(entry: Entry, folder: Path, seed: int) -> Entry:
    """Return a copy whose convolutions and head have their weights in random order."""
    copy = copied(entry, folder)
    named = copy.card().weights
    tensors = load_file(copy.folder / named.file)
    random = torch.Generator().manual_seed(seed)
    for name, tensor in tensors.items():
        if name.endswith("weight") and tensor.ndim > 1:
            order = torch.randperm(tensor.numel(), generator=random)
            tensors[name] = tensor.flatten()[order].reshape(tensor.shape)
    digest = weights.write(copy.folder / named.file, tensors)
    replace_in(copy.folder / FILE, named.sha256, digest)
    return copy


def _likeness(one: Heatmap, other: Heatmap) -> float:
    shown = (one.weights > 0.0) | (other.weights > 0.0)
    if not one.weights.any() or not other.weights.any():
        return 0.0
    return float(np.corrcoef(one.weights[shown], other.weights[shown])[0, 1])


def test_shuffled_weights_give_other_heatmaps_and_fail_the_golden_check(
    entry: Entry, prediction: Prediction, sample: Sample, tmp_path: Path
) -> None:
    likeness = []
    for seed in range(1, SHUFFLES + 1):
        copy = _shuffled(entry, tmp_path / str(seed), seed)
        shuffled = registry.open_model(copy, "cpu")
        found = cast("Classifier", shuffled).predict(sample)
        likeness.append(_likeness(found.heatmaps[0], prediction.heatmaps[0]))
        with pytest.raises(GoldenMismatch):
            served.verify(shuffled, copy.folder)

    assert float(np.mean(likeness)) < MOST_LIKENESS
