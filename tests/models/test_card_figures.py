"""The figures on the cards hold for the models as they are served, from file to finding."""

import csv
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dicom_node.domain import StudyKind
from dicom_node.ports import Classifier
from models import registry
from models.card import Figure
from models.training.manifest import CXR_LABELS
from tests.model_inputs import decoded, film, jpeg, labels_of

pytestmark = pytest.mark.data


def _figure(model: str, name: str, on: str) -> Figure:
    return next(
        figure
        for figure in registry.entry(model).card().figures
        if figure.name.startswith(name) and figure.on == on
    )


def test_balanced_accuracy_in_core_test_is_the_cards(data_dir: Path) -> None:
    served = registry.open_model(registry.entry("cxr-lite"), "cpu")
    labels = list(labels_of(served.card))
    right: dict[str, list[bool]] = {label: [] for label in labels}
    with (data_dir / "cxr" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if (r["set"], r["split"]) == ("core", "test")]
    for row in rows:
        label = CXR_LABELS.get(row["label"])
        if label is None:
            continue
        sample = film(jpeg(data_dir / "cxr" / row["file"]))
        findings = cast("Classifier", served).predict(sample).findings
        said = max(findings, key=lambda finding: finding.probability).label
        right[label].append(said == label)

    measured = float(np.mean([np.mean(hits) for hits in right.values()]))

    expected = _figure("cxr-lite", "balanced accuracy, four classes", "core test")
    assert sum(map(len, right.values())) == expected.n
    assert measured == pytest.approx(expected.value, abs=0.03)


@pytest.mark.parametrize("name", ["P001", "cap001", "normal001"])
def test_series_probability_of_a_sound_volume_is_the_cards(data_dir: Path, name: str) -> None:
    served = cast("Classifier", registry.open_model(registry.entry("ct-lite"), "cpu"))
    sample = decoded(data_dir / "ct" / "volumes" / name, StudyKind.CT)

    found = served.predict(sample).findings[0]

    expected = _figure("ct-lite", f"series probability of COVID-19, {name}", "one sound volume")
    assert found.probability == pytest.approx(expected.value, abs=0.02)
