"""The report of a training: whatever a run found, one sound page that needs nothing else."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.card import Figure, Label
from models.training import metrics, recipe, report, tables
from models.training.report import Machine, Part, Report, WorstError
from models.training.watch import Epoch
from tests.report_parts import HOSTILE, LABELS, part, parts

HERE = Machine("2.0", "cpu", 1)
VOID = {"meta", "img", "br", "input", "link"}


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BOOTSTRAPS", 4)
        yield


class Page(HTMLParser):
    """A page read strictly: every tag is closed, and nothing is fetched from outside."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"}:
                self.links.append(value or "")
                assert value is not None
                assert value.startswith(("#", "data:image/"))
            if name == "id":
                self.ids.append(value or "")
            if name in {"alt", "aria-label"}:
                self.labels.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


losses = st.floats(0, 10, allow_nan=False) | st.just(float("nan"))
numbers = st.tuples(losses, losses, st.floats(0, 1), st.floats(0, 9999, width=32))
histories = st.lists(numbers, max_size=6).map(
    lambda rows: [Epoch(number, *row) for number, row in enumerate(rows, 1)]
)


@given(
    history=histories,
    some=st.lists(parts(), max_size=2),
    select=st.sampled_from(["best", "last"]),
    points=st.lists(st.sampled_from(LABELS), unique=True),
)
@settings(max_examples=12)
def test_write_any_run_gives_a_sound_page(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[Epoch],
    some: list[Part],
    select: str,
    points: list[str],
) -> None:
    file = tmp_path_factory.mktemp("report") / report.FILE
    film = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    told = Report(
        title="x",
        machine=HERE,
        figures=(Figure(name="AUC", on="core test", value=0.9, n=7, low=0.8, high=0.95),),
        history=tuple(history),
        select="best" if select == "best" else "last",
        parts=tuple(some),
        points=tuple(
            Label(label=label, threshold=0.5, absent_below=0.2, present_from=0.8)
            for label in points
        ),
        errors=(WorstError(HOSTILE, "core test", "normal", "covid19", 0.99, film, film[:2, :2]),),
        settings=report.settings(recipe.load("cxr-lite")),
    )

    report.write(file, told)

    page = Page(file)
    assert "script" not in page.seen
    assert HOSTILE in page.text
    assert "Research use only" in page.text
    assert page.seen.count("svg") >= (2 if history else 0)
    assert all(page.labels)
    sections = [one for one in page.ids if one.startswith("part-")]
    assert len(sections) == len(set(sections)) == len(some)


def test_write_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / report.FILE

    report.write(file, Report(title="gate", machine=HERE, figures=()))

    page = Page(file)
    assert [one for one in page.ids if one] == []
    assert "svg" not in page.seen
    assert "table" not in page.seen


def test_write_gives_every_chart_a_text_and_names_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / report.FILE
    shown = part([0, 1, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    history = (Epoch(1, 0.5, 0.4, 0.9, 3.0), Epoch(2, 0.4, 0.6, 0.8, 3.0))

    report.write(
        file,
        Report(title="x", machine=HERE, figures=(), history=history, ended="done", parts=(shown,)),
    )

    page = Page(file)
    assert page.seen.count("svg") == 2 + 3 + len(shown.labels)
    assert any("core test, ROC curves" in text and "AUC 0.750" in text for text in page.labels)
    assert len(page.ids) == len(set(page.ids))
    assert "2 epochs: done. The weights kept (dotted line) are those of epoch 1," in page.text


def test_kept_is_the_least_finite_loss_or_the_last() -> None:
    history = [Epoch(1, 1, float("nan"), 0, 1), Epoch(2, 1, 0.3, 0, 1), Epoch(3, 1, 0.5, 0, 1)]

    assert tables.kept(history, "best") is history[1]
    assert tables.kept(history, "last") is history[2]
    assert tables.kept([], "last") is tables.kept(history[:1], "best") is None


def test_part_of_no_items_is_empty(tmp_path: Path) -> None:
    nothing = report.part_of("core test", LABELS, [], np.zeros((0, 4), dtype=np.float32))
    file = tmp_path / report.FILE

    report.write(file, Report(title="x", machine=HERE, figures=(), parts=(nothing,)))

    assert "0 images of 0 patients" in Page(file).text


def test_settings_of_a_recipe_hold_every_section_and_cell() -> None:
    read = recipe.load("cxr-lite")
    found = {one.name: one.value for one in report.settings(read)}

    assert found["fit.epochs"] == str(read.fitting.epochs)
    assert found["augment.scale"] == "0.87, 1.08"
    assert sum(name.startswith("cells ") for name in found) == len(read.cells)
    assert "share 0.09" in found["cells 1"]
