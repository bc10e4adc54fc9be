"""Training: recipes, cells, augmentation, calibration, and one whole run on made-up data."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicom_node.errors import ModelNotFound, SettingsError
from models import backbone, card, registry, served
from models.backbone import EfficientNetLite, MobileNet
from models.card import Figure
from models.graph import channels_last, folded
from models.registry import Entry
from models.training import augment, calibrate, job, metrics, recipe, scores, tasks
from models.training.job import Job
from models.training.manifest import Item
from models.training.read import LABELS
from models.training.scores import Part
from tests.progress import Silence

RECIPES = sorted(file.stem for file in recipe.FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_name_a_registered_model(name: str) -> None:
    read = recipe.load(name)

    assert read.name == name
    assert read.model in registry.MODELS or read.task == "published"
    assert read.task in tasks.TASKS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name = ", "cannot be read"),
        ('name = "x"', "Field required"),
        (
            'name = "x"\nmodel = "gate"\ntask = "gate"\nseed = 1\npretrained = "y"',
            "needs its sections",
        ),
    ],
)
def test_load_wrong_recipe_lists_the_fault(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=fault):
        recipe.load(str(file))


def test_load_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="cxr-lite"):
        recipe.load("vgg16")


def _images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 48, 48, generator=torch.Generator().manual_seed(1))


def test_augment_keeps_range_and_shape_and_follows_the_seed() -> None:
    how = recipe.load("ct-lite").augmentation

    first, again, other = (
        augment.augment(_images(6), 40, how, torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    )

    assert first.shape == (6, 1, 40, 40)
    assert float(first.min()) >= 0.0
    assert float(first.max()) <= 1.0
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_restored_statistics_do_not_change_what_the_network_computes() -> None:
    torch.manual_seed(2)
    network = MobileNet(2).eval()
    images = torch.rand(4, 1, 64, 64)
    with torch.no_grad():
        before = network.maps(images)

        backbone.restore_statistics(network, images)

        torch.testing.assert_close(network.eval().maps(images), before, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", [MobileNet, EfficientNetLite])
def test_folded_network_computes_the_same(kind: type[MobileNet] | type[EfficientNetLite]) -> None:
    torch.manual_seed(2)
    network = kind(2).eval()
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = network(images)[0]

        found = channels_last(folded(network))(images)[0]

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_pretrained_without_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"missing\.pth"):
        backbone.pretrained(tmp_path / "missing.pth", 2, 0.0)


def _part(raw: np.ndarray[tuple[int, int], np.dtype[np.float32]], seed: int) -> Part:
    random = np.random.default_rng(seed)
    weights = random.random(len(raw))
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    targets = np.array([random.choice(raw.shape[1], p=row / row.sum()) for row in odds])
    allowed = np.eye(raw.shape[1], dtype=np.bool_)[targets]
    return Part(np.zeros((len(raw), 1, 1), dtype=np.uint8), allowed, weights / weights.sum())


@given(seed=st.integers(0, 30), heat=st.floats(0.5, 4.0))
@settings(max_examples=15, deadline=None)
def test_temperature_undoes_overconfidence(seed: int, heat: float) -> None:
    raw = np.random.default_rng(seed).normal(0, 2, (3000, 3)).astype(np.float32)
    part = _part(raw, seed)

    assert scores.temperature(raw * np.float32(heat), part) == pytest.approx(heat, rel=0.2)


@given(seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_operating_point_reaches_its_sensitivity(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive = random.random(400) < 0.4
    p = np.clip(random.normal(0.3, 0.2, 400) + 0.3 * positive, 0, 1).astype(np.float32)

    point = calibrate.operating_point("covid19", p, positive, np.full(400, 1 / 400))

    assert (p[positive] >= point.threshold - 1e-4).mean() >= calibrate.SENSITIVITY - 0.01
    assert point.absent_below <= point.threshold <= point.present_from


def test_metrics_of_a_perfect_and_a_blind_model() -> None:
    truth = np.array([0, 1] * 30)
    perfect = np.eye(2, dtype=np.float32)[truth]
    groups = np.array([str(index // 3) for index in range(60)])

    found = metrics.figure("accuracy", "x", metrics.accuracy(perfect, truth), groups)
    blind = metrics.figure("AUC", "x", metrics.auc(np.full(60, 0.5), truth == 1), groups)

    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 60)
    assert blind.value == 0.5
    assert metrics.expected_calibration_error(perfect, truth)(np.arange(60)) == 0.0


def test_figure_that_cannot_be_measured_says_which() -> None:
    statistic = metrics.auc(np.zeros(3), np.ones(3, dtype=bool))

    with pytest.raises(SettingsError, match="AUC on nothing cannot be measured"):
        metrics.figure("AUC", "nothing", statistic, np.array(["a", "b", "c"]))


def _data_folder(root: Path) -> Path:
    """Make a tiny data set of the layout in the data README, and backbone weights."""
    folder = root / "data"
    random = np.random.default_rng(0)
    rows = []
    columns = [
        "id", "file", "label", "split", "set", "source_dataset", "population", "view",
        "patient_group", "kaggle_split",
    ]  # fmt: skip
    for index in range(96):
        label = ("normal", "bacterial", "viral", "covid19")[index % 4]
        split = ("train", "train", "val", "test")[index // 4 % 4]
        name = f"core/{index}.jpg"
        path = folder / "cxr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = random.integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(grey).resize((64, 64)).save(path)
        who = "adult" if index >= 48 else "paediatric"
        sets = ("core", "kermany224", "nih256")[index // 16 % 3]
        row = [str(index), name, label, split, sets, "Kermany", who, "PA", f"g{index}", ""]
        rows.append(dict(zip(columns, row, strict=True)))
    with (folder / "cxr" / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(params=["", "head_strength = 0.01"], ids=["alone", "joined"])
def tiny(tmp_path: Path, request: pytest.FixtureRequest) -> Job:
    text = (recipe.FOLDER / "cxr-lite-base.toml").read_text(encoding="utf-8")
    cells = "".join(
        f'\n[[cells]]\nlabel = "{label}"\nsets = ["core", "kermany224", "nih256"]\nshare = 0.25\n'
        for label in LABELS
    )
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("cells_of", "epochs", "images_per_epoch", "batch"))
    ]
    at = lines.index("[fit]")
    lines[at + 1 : at + 1] = ["epochs = 2", "images_per_epoch = 8", "batch = 4", request.param]
    file = tmp_path / "tiny.toml"
    file.write_text("\n".join(lines) + cells, encoding="utf-8")
    return Job(recipe.load(str(file)), _data_folder(tmp_path), tmp_path / "out", Silence())


def test_run_trains_a_model_that_verifies_and_installs(
    tiny: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(metrics, "_BOOTSTRAPS", 4)

    folder = tasks.of(tiny).run(tiny)

    entry = Entry(folder, registry.entry("cxr-lite").module)
    served.verify(registry.open_model(entry, "cpu"), folder)
    written = json.loads((tiny.output / "metrics.json").read_text(encoding="utf-8"))
    assert written["weights_sha256"] == card.load(folder).weights.sha256
    assert [epoch["epoch"] for epoch in written["history"]] == [1, 2]
    assert not list(tiny.output.glob("checkpoint*"))
    again = tasks.of(tiny).evaluate(tiny, folder)
    assert again[0].value == pytest.approx(card.load(folder).figures[0].value, abs=0.1)

    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(registry, "MODELS", {"cxr-lite": Entry(shipped, entry.module)})
    job.install(tiny, folder)
    assert card.load(shipped).identity == card.load(folder).identity


def test_recipe_whose_tails_could_not_share_a_trunk_is_refused(tiny: Job) -> None:
    fitting = tiny.recipe.fitting.model_copy(update={"head_strength": 0.01, "frozen_blocks": 3})
    other = replace(tiny, recipe=tiny.recipe.model_copy(update={"fit": fitting}))

    with pytest.raises(SettingsError, match="must freeze 5 blocks"):
        tasks.of(other).run(other)


def test_part_without_images_is_refused(tiny: Job) -> None:
    nothing: list[Item] = []

    with pytest.raises(SettingsError, match="no images of split train"):
        job.part(tiny, nothing, np.zeros((0, 2, 2), dtype=np.uint8), LABELS, "train")


def test_figure_without_interval_reads_as_such() -> None:
    assert Figure(name="x", on="y", value=0.5, n=1).low is None
