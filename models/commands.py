"""``dicom-node models``: list, show, verify, train and evaluate the models.

torch is loaded only by the commands that need it.
"""

from pathlib import Path
from typing import Annotated

import typer

from dicom_node import settings
from dicom_node.errors import SettingsError
from models import registry
from models.card import Figure
from models.printing import AsJson, figures_table, out, print_json
from models.registry_commands import list_models, show, verify

app = typer.Typer(no_args_is_help=True, help="List, show, verify, train and evaluate the models.")
Data = Annotated[Path | None, typer.Option("--data", help="Research images; default NODE_DATA.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Work folder; default NODE_HOME/training.")
]

app.command("list")(list_models)
app.command()(show)
app.command()(verify)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .toml file.")],
    data: Data = None,
    output: Output = None,
    *,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(help="Train without this source (part of its name) or set; repeatable."),
    ] = None,
    install: Annotated[
        bool, typer.Option(help="Make the result the shipped model of this checkout.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model by a recipe; write the model's folder, metrics.json and report.html."""
    from models.training import job as jobs  # noqa: PLC0415  # loads torch
    from models.training import report, tasks  # noqa: PLC0415

    job = tasks.job_for(recipe, _data(data), _work(output), without=tuple(hold_out or ()))
    folder = tasks.of(job).run(job)
    if install:
        jobs.install(job, folder)
    card = registry.Entry(folder, registry.entry(job.recipe.model).module).card()
    if as_json:
        print_json({"folder": str(folder), "card": card.model_dump(mode="json")})
        return
    out.print(f"trained {card.name}: {folder}", markup=False, soft_wrap=True)
    out.print(figures_table("figures on test", card.figures))
    out.print(f"report: {job.output / report.FILE}", markup=False, soft_wrap=True)


@app.command()
def evaluate(
    name: Annotated[str | None, typer.Argument(help="One model.")] = None,
    data: Data = None,
    output: Output = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every registered model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure shipped models anew on the test splits; compare with their cards by eye."""
    from models.training import tasks  # noqa: PLC0415  # loads torch

    if (name is None) == (not every):
        raise SettingsError("name one model, or give --all")
    found: dict[str, tuple[Figure, ...]] = {}
    for one in list(registry.MODELS) if name is None else [name]:
        entry = registry.entry(one)
        job = tasks.job_for(one, _data(data), _work(output))
        found[one] = tasks.of(job).evaluate(job, entry.folder)
    if as_json:
        print_json({one: [f.model_dump() for f in figures] for one, figures in found.items()})
        return
    for one, figures in found.items():
        out.print(figures_table(one, figures))


def _work(given: Path | None) -> Path:
    return given or settings.load().root / "training"


def _data(given: Path | None) -> Path:
    folder = (given or settings.load().data).expanduser().resolve()
    if not (folder / "cxr" / "manifest.csv").is_file():
        raise SettingsError(f"no research images at {folder}; set NODE_DATA or --data")
    return folder
