"""Model cards: what is refused, and what operating points mean."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dicom_node import codes
from dicom_node.domain import Presence, StudyKind
from dicom_node.errors import ModelError, ModelNotFound
from models import card, registry
from models.card import FILE, Figure, Label, Part, Weights
from models.training import cardfile
from models.training.job import Outcome
from tests.model_inputs import copied, replace_in

points = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)


def _label(low: float, middle: float, high: float) -> Label:
    return Label(label="covid19", absent_below=low, threshold=middle, present_from=high)


@pytest.mark.parametrize("name", registry.MODELS)
def test_shipped_cards_are_complete(name: str) -> None:
    read = registry.entry(name).card()

    assert read.name == name
    assert read.figures
    assert read.limits
    assert read.confounds
    assert read.attribution
    assert read.identity.weights_sha256 == read.weights.sha256


def test_cxr_card_names_the_contract_labels_in_order() -> None:
    labels = [label.label for label in registry.entry("cxr-lite").card().labels]

    assert labels == list(codes.FINDINGS)


@given(points, st.floats(0, 1), st.floats(0, 1))
def test_presence_grows_with_probability(limits: list[float], one: float, other: float) -> None:
    rank = [Presence.ABSENT, Presence.UNDETERMINED, Presence.PRESENT]
    label = _label(*limits)

    low, high = sorted((one, other))

    assert rank.index(label.presence(low)) <= rank.index(label.presence(high))


def test_presence_at_the_limits() -> None:
    label = _label(0.2, 0.4, 0.6)

    assert label.presence(0.19) is Presence.ABSENT
    assert label.presence(0.2) is Presence.UNDETERMINED
    assert label.presence(0.59) is Presence.UNDETERMINED
    assert label.presence(0.6) is Presence.PRESENT


def test_label_in_wrong_order_is_refused() -> None:
    with pytest.raises(ValidationError, match="absent_below <= threshold"):
        _label(0.6, 0.4, 0.8)


def test_label_without_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="has no code"):
        Label(label="fracture", absent_below=0.1, threshold=0.2, present_from=0.3)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('role = "classifier"', 'role = "oracle"', "role"),
        ('kinds = ["CXR"]', "kinds = []", "kinds"),
        ("sha256 = ", 'colour = "red"\nsha256 = ', "colour"),
        ("edge = 192", "edge = 0", "edge"),
    ],
)
def test_load_wrong_card_lists_the_fault(tmp_path: Path, old: str, new: str, fault: str) -> None:
    copy = copied(registry.entry("cxr-lite"), tmp_path / "model")
    replace_in(copy.folder / FILE, old, new)

    with pytest.raises(ModelError, match=fault):
        card.load(copy.folder)


def test_load_without_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        card.load(tmp_path)


def test_entry_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match="cxr-lite"):
        registry.entry("chexnet")


def test_written_part_reads_back(tmp_path: Path) -> None:
    copy = copied(registry.entry("ct-lite"), tmp_path / "model")
    labels = (_label(0.1, 0.25, 0.5),)
    figures = (Figure(name='a "b" ü', on="x\\y", value=0.5, n=3, low=0.1, high=0.9),)
    weights = Weights(file="weights.safetensors", sha256="0" * 64)

    parts = (Part(name="cxr-lungs", sha256="1" * 64),)

    cardfile.write(
        copy.folder / FILE,
        weights,
        Outcome(labels, {"temperature": 1.25}, figures, companions=parts),
    )

    read = copy.card()
    assert (read.labels, read.figures, read.weights) == (labels, figures, weights)
    assert read.parts == parts
    assert read.temperature == 1.25
    assert read.kinds == (StudyKind.CT,)


def test_write_into_a_card_without_marker_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text('name = "x"\n', encoding="utf-8")

    with pytest.raises(ModelError, match="lacks the line"):
        cardfile.write(file, Weights(file="w", sha256="0" * 64), Outcome((), {}, ()))
