"""The published recipes: their images, their networks, one whole run and its table."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dicom_node.errors import ModelError, SettingsError, WeightsMismatch
from models import registry
from models.card import Figure
from models.training import comparison, metrics, recipe, tasks
from models.training.job import Job
from models.training.manifest import Item
from models.training.published import cohort, kept, measures, networks, table
from models.training.published.cohort import Cohort
from models.training.published.distort import distort
from models.training.published.measures import SAME, STRANGERS, UNSEEN, Judged
from models.training.published.section import BackboneName, Claim, Distort

T = TypeVar("T")
PUBLISHED = sorted(
    file.stem for file in recipe.FOLDER.glob("*.toml") if recipe.load(file.stem).published
)


class Quiet:
    """Progress that nobody watches, but that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def track(self, items: Sequence[T], what: str) -> Iterable[T]:
        del what
        return items

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("intersystems-inception-v3", (159, 40, 27)),
        ("pyimagesearch-vgg16", (40, 0, 10)),
        ("gradientcrescent-vgg16-2", (148, 0, 18)),
        ("gradientcrescent-vgg16-3", (227, 0, 27)),
        ("gradientcrescent-vgg16-4", (306, 0, 36)),
        ("kermany-cnn8", (5111, 105, 624)),
        ("covid-ct-slices", (425, 0, 203)),
    ],
)
def test_cohort_has_the_published_numbers(
    name: str, sizes: tuple[int, ...], data_dir: Path
) -> None:
    read = cohort.read(data_dir, recipe.load(name).publication)

    assert (len(read.train), len(read.validation), len(read.test)) == sizes
    ids = [item.id for item in read.everything]
    assert len(ids) == len(set(ids))
    met = {item.group for item in read.train + read.validation + read.test}
    assert not met & {item.group for item in read.strangers}


def test_every_published_recipe_says_where_its_figures_come_from() -> None:
    assert len(PUBLISHED) == 7
    for name in PUBLISHED:
        section = recipe.load(name).publication
        assert section.source
        for claim in section.claims:
            assert claim.label in section.labels or claim.metric == "accuracy"


def test_cohort_of_an_unknown_column_is_refused(tiny: Job) -> None:
    section = tiny.recipe.publication.model_copy(update={"column": "nothing"})

    with pytest.raises(SettingsError, match="nothing"):
        cohort.read(tiny.data, section)


def test_distortion_of_nothing_changes_nothing() -> None:
    images = torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(
        distort(images, Distort(), torch.Generator()), images, atol=1e-5, rtol=0
    )


def test_distortion_follows_the_seed_and_repeats_the_border() -> None:
    how = Distort(rotation_deg=50, shift=0.2, shear_deg=10, zoom=0.2, flip=True, flip_vertical=True)
    images = torch.rand(4, 1, 20, 20, generator=torch.Generator().manual_seed(1)) + 0.5

    one, same, other = (
        distort(images, how, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )

    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert float(one.min()) >= 0.5


@pytest.mark.parametrize(
    ("name", "edge", "shape"),
    [("inception_v3", 256, (1, 2048, 6, 6)), ("vgg16", 150, (1, 512, 4, 4))],
)
def test_backbones_give_the_maps_of_their_papers(
    name: BackboneName, edge: int, shape: tuple[int, ...]
) -> None:
    with torch.no_grad():
        assert networks.empty(name).eval()(torch.zeros(1, 3, edge, edge)).shape == shape


def _no_images() -> Tensor:
    raise AssertionError("a downloaded backbone needs no images")


def test_start_takes_what_can_be_downloaded(tmp_path: Path) -> None:
    section = recipe.load("pyimagesearch-vgg16").publication

    begun = networks.start(section, tmp_path, _no_images, Quiet(), lambda _: nn.Sequential())

    assert begun.name == "vgg16"


def test_start_without_network_falls_back_and_says_so(tiny: Job) -> None:
    def offline(_: BackboneName) -> nn.Sequential:
        raise URLError("no route")

    quiet, section = Quiet(), recipe.load("pyimagesearch-vgg16").publication

    begun = networks.start(section, tiny.backbone, lambda: torch.rand(4, 1, 64, 64), quiet, offline)

    assert begun.name == "mobilenet_v2"
    assert quiet.said == ["vgg16 cannot be downloaded (no route): mobilenet_v2 instead"]


def _item(number: int, label: str, group: str) -> Item:
    return Item(str(number), Path(), label, "", "core", "", True, "PA", group, "")


def test_figures_leave_out_patients_of_training() -> None:
    read = Cohort(
        train=(_item(0, "normal", "a"),),
        validation=(),
        test=(_item(1, "normal", "a"), _item(2, "normal", "b"), _item(3, "covid19", "c")),
        strangers=(_item(4, "covid19", "d"),),
    )
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]], dtype=np.float32)
    judged = Judged(read.everything[1:], p, ("normal", "covid19"))
    claims = (
        Claim(metric="accuracy", on="test", value=1, said="1"),
        Claim(metric="recall", on="test", label="normal", value=1, said="1"),
        Claim(metric="auc", on="test", label="covid19", value=1, said="1"),
        Claim(metric="f1", on="validation", label="covid19", value=1, said="1"),
    )

    found = {(f.name, f.on): (f.value, f.n) for f in measures.figures(claims, read, judged)}

    assert found == {
        ("accuracy, test", SAME): (0.6667, 3),
        ("accuracy, test", UNSEEN): (0.5, 2),
        ("accuracy, test", STRANGERS): (0.0, 1),
        ("recall of normal, test", SAME): (0.5, 2),
        ("recall of normal, test", UNSEEN): (0.0, 1),
        ("AUC of covid19, test", SAME): (1.0, 3),
        ("AUC of covid19, test", UNSEEN): (1.0, 2),
    }


@pytest.fixture
def tiny(tmp_path: Path) -> Job:
    """A recipe of somebody else on 32 made films."""
    random = np.random.default_rng(0)
    columns = (
        "id", "file", "label", "split", "set", "source_dataset", "population", "view",
        "patient_group", "kaggle_split", "theirs",
    )  # fmt: skip
    folder = tmp_path / "data" / "cxr"
    (folder / "core").mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for index in range(32):
            theirs = ("train", "train", "test", "")[index // 2 % 4]
            label, file = ("normal", "covid19")[index % 2], f"core/{index}.png"
            grey = random.integers(0, 99, (40, 40), dtype=np.uint8) + 150 * np.uint8(index % 2)
            Image.fromarray(grey).save(folder / file)
            group = f"g{0 if index in {0, 4} else index}"
            writer.writerow(
                [index, file, label, "train", "core", "x", "adult", "PA", group, "", theirs]
            )
    (tmp_path / "weights").mkdir()
    weights = {f"features.{k}": v for k, v in networks.empty("mobilenet_v2").state_dict().items()}
    torch.save(weights, tmp_path / "weights" / "tiny.pth")
    text = (recipe.FOLDER / "kermany-cnn8.toml").read_text(encoding="utf-8")
    for old, new in (
        ('task = "published"', 'task = "published"\npretrained = "tiny.pth"'),
        ("images_per_epoch = 512\n", ""),
        ("epochs = 500", "epochs = 2"),
        ('"kaggle_split"', '"theirs"'),
        ('"bacterial_pneumonia", "viral_pneumonia"', '"covid19"'),
        ('["kermany224"]', '["core"]'),
        ("validation_share = 0.02", "validation_share = 0.25"),
        ("edge = 200", "edge = 32"),
        ("passes = 50", "passes = 4"),
        ("dense = 256", "dense = 8"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "kermany-cnn8.toml").write_text(text, encoding="utf-8")
    read = recipe.load(str(tmp_path / "kermany-cnn8.toml"))
    return Job(read, tmp_path / "data", tmp_path / "out" / read.name, Quiet())


def test_run_writes_weights_and_figures_that_can_be_measured_again(
    tiny: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_BOOTSTRAPS", 4)

    folder = tasks.of(tiny).run(tiny)

    told = json.loads((folder / kept.METRICS).read_text(encoding="utf-8"))
    assert (told["backbone"], told["passes"], told["ended"]) == ("scratch", 2.0, "all epochs ran")
    assert "8 images" in (folder / "report.html").read_text(encoding="utf-8")
    found = tasks.written(tiny)
    assert [figure.on for figure in found] == [SAME, UNSEEN, STRANGERS]
    assert [figure.n for figure in found] == [8, 7, 8]
    again = comparison.one(tiny)
    assert again.figures == found
    page = table.render([again, comparison.Measured(recipe.load("covid-ct-slices"))])
    assert "plain CNN; 2 of 4 epochs | accuracy, test | 0.60 |" in page
    assert "| covid-ct-slices | not trained here |" in page
    slower = tiny.recipe.fitting.model_copy(update={"learning_rate": 1e-9})
    changed = tiny.recipe.model_copy(update={"fit": slower})
    page = table.render([comparison.Measured(changed, found, again.trained)])
    assert "2 of 4 epochs; the recipe has changed since |" in page

    (folder / kept.WEIGHTS).write_bytes(b"")
    with pytest.raises(WeightsMismatch):
        comparison.one(tiny)


def test_table_gives_an_exact_interval_where_all_were_right() -> None:
    intersystems = recipe.load("intersystems-inception-v3")
    all_right = Figure(name="recall of covid19, test", on=SAME, value=1.0, n=9, low=1.0, high=1.0)

    page = table.render([comparison.Measured(intersystems, (all_right,))])

    assert "| 9 of 9 | 1.000 (exact 0.664 to 1.000), n 9 | – | – |" in page


def test_recipe_without_weights_says_how_to_get_them(tiny: Job) -> None:
    with pytest.raises(SettingsError, match="models train kermany-cnn8"):
        comparison.one(tiny)


def test_everything_is_what_was_trained_here_and_the_cards_of_what_ships(
    tiny: Job, tmp_path: Path
) -> None:
    found = comparison.every(tiny.data, tmp_path / "nothing", tiny.progress)

    shipped = {m.recipe.name: m.figures for m in found if m.figures}
    assert shipped == {
        name: registry.entry(name).card().figures
        for name in ("ct-lite", "cxr-lite", "cxr-lungs", "gate")
    }
    assert sum(m.recipe.task == "published" for m in found) == 7
    assert not any(m.recipe.name == "cxr-lite-base" for m in found)


def test_damaged_metrics_are_told(tiny: Job) -> None:
    tiny.output.mkdir(parents=True)
    (tiny.output / kept.METRICS).write_text("{}", encoding="utf-8")

    with pytest.raises(ModelError, match="not what training wrote"):
        comparison.one(tiny)


def test_published_recipe_holds_nothing_out(tiny: Job) -> None:
    held = replace(tiny, recipe=tiny.recipe.holding_out(("core",)))

    with pytest.raises(SettingsError, match="all of them"):
        tasks.of(held).run(held)
