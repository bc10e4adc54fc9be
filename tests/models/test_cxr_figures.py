"""The figures of the chest film model's card, from readings whose answers are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.card import Label
from models.training import cxr_figures, metrics
from models.training.manifest import Item
from models.training.read import LABELS, Read

LABEL = Label(label="covid19", threshold=0.5, absent_below=0.2, present_from=0.8)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_BOOTSTRAPS", 20)


def _items() -> list[Item]:
    items = []
    for index in range(240):
        items.append(
            Item(
                id=str(index),
                file=None,  # type: ignore[arg-type]  # no figure reads the file
                label=LABELS[index % 4],
                split="test",
                set=("core", "kermany224", "nih256")[index // 4 % 3],
                source=("Kermany", "NIH", "ieee8023")[index // 12 % 3],
                adult=index // 36 % 2 == 1,
                view=("AP", "PA")[index // 12 % 2],
                group=f"g{index}",
                official="",
            )
        )
    return items


def _p(items: list[Item], hit: float) -> NDArray[np.float32]:
    truth = np.array([LABELS.index(item.label) for item in items])
    p = np.full((len(items), 4), (1.0 - hit) / 3, dtype=np.float32)
    p[np.arange(len(items)), truth] = hit
    return p


def test_figures_of_a_perfect_model() -> None:
    items = _items()
    found = {
        (figure.name, figure.on): figure
        for figure in cxr_figures.figures(Read(items, _p(items, 0.97)), (LABEL,))
    }

    assert found["balanced accuracy, four classes", "core test"].value == 1.0
    assert found["AUC, COVID-19 against normal", "core test"].value == 1.0
    assert found["sensitivity for covid19", "core test, threshold 0.500"].value == 1.0
    assert found["share left undetermined for covid19", "core test"].value == 0.0
    assert found["expected calibration error", "core test"].value == pytest.approx(0.03, abs=1e-3)
    assert ("accuracy, four classes", "core test, view AP") in found
    assert ("accuracy, four classes", "core test, source ieee8023") in found


def test_blind_model_is_at_chance_and_undetermined() -> None:
    items = _items()
    found = {
        (figure.name, figure.on): figure.value
        for figure in cxr_figures.figures(Read(items, _p(items, 0.25)), (LABEL,))
    }

    assert found["balanced accuracy, four classes", "core test"] == 0.25
    assert found["AUC, COVID-19 against normal", "core test"] == 0.5
    assert found["share left undetermined for covid19", "core test"] == 1.0


def test_held_out_counts_the_named_sources_alone() -> None:
    items = _items()
    read = Read(items, _p(items, 0.9))

    (figure,) = cxr_figures.held_out(read, ("NIH",))

    assert figure.n == len(read.sourced("NIH").labelled("normal", "covid19").items)
    assert "NIH" in figure.on
    assert cxr_figures.held_out(read.labelled("normal"), ("NIH",)) == ()
