"""What a finished run leaves in its folder."""

import json
from pathlib import Path

from models import card, registry, weights
from models.training import job as jobs
from models.training import recipe, report
from models.training.job import Job, Outcome
from models.training.watch import Epoch
from tests.progress import Silence


def test_save_writes_card_metrics_and_a_report_of_the_same_figures(tmp_path: Path) -> None:
    where = registry.entry("gate").folder
    known = card.load(where)
    job = Job(recipe.load("gate"), tmp_path, tmp_path / "out", Silence())
    outcome = Outcome(
        labels=(),
        operating=known.operating,
        figures=known.figures[:2],
        history=(Epoch(1, 0.5, 0.4, 0.9, 61.0),),
        ended="all epochs ran",
    )

    folder = jobs.save(
        job, weights.read(where, known.weights), outcome, lambda _: known.figures[2:3]
    )

    page = (job.output / report.FILE).read_text(encoding="utf-8")
    figures = json.loads((job.output / "metrics.json").read_text(encoding="utf-8"))["figures"]
    assert [one["name"] for one in figures] == [one.name for one in card.load(folder).figures]
    assert all(f"{one['value']:.3f}" in page for one in figures)
    assert card.load(folder).weights.sha256 in page
    assert "1 epoch: all epochs ran." in page
    assert "1 min" in page
