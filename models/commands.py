"""``dicom-node models``: list, show, verify, train and evaluate the models.

torch is loaded only by the commands that need it.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from dicom_node import settings
from dicom_node.errors import SettingsError
from models.printing import AsJson, figures_table, out, print_json
from models.registry_commands import list_models, show, verify

app = typer.Typer(
    no_args_is_help=True, help="List, show, verify, compare, train and evaluate the models."
)
Data = Annotated[Path | None, typer.Option("--data", help="Research images; default NODE_DATA.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Work folder; default NODE_HOME/training.")
]
_RESULTS = Path(__file__).parent.parent / "docs" / "models" / "results.md"

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
    _want_training()
    from models.training import job as jobs  # noqa: PLC0415  # loads torch
    from models.training import report, tasks  # noqa: PLC0415

    job = tasks.job_for(recipe, _data(data), _work(output), without=tuple(hold_out or ()))
    if install and not job.recipe.model:
        raise SettingsError(f"recipe {recipe} makes no model that ships; leave --install out")
    folder = tasks.of(job).run(job)
    if install:
        jobs.install(job, folder)
    figures = tasks.written(job)
    if as_json:
        print_json({"folder": str(folder), "figures": [f.model_dump() for f in figures]})
        return
    out.print(f"trained {job.recipe.name}: {folder}", markup=False, soft_wrap=True)
    out.print(figures_table("figures on held-out images", figures))
    out.print(f"report: {job.output / report.FILE}", markup=False, soft_wrap=True)


@app.command()
def evaluate(  # noqa: PLR0913  # each is an option of the command
    name: Annotated[str | None, typer.Argument(help="One recipe.")] = None,
    data: Data = None,
    output: Output = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every recipe with weights; writes the table of results.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Where --all writes its table.")] = _RESULTS,
    write: Annotated[
        bool, typer.Option(help="Write the figures into the card of the shipped model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model anew on held-out images; or tabulate all, published ones measured anew."""
    _want_training()
    from models.training import comparison, tasks  # noqa: PLC0415  # loads torch
    from models.training import job as jobs  # noqa: PLC0415
    from models.training.progress import ConsoleProgress  # noqa: PLC0415
    from models.training.published import table  # noqa: PLC0415

    if (name is None) == (not every):
        raise SettingsError("name one recipe, or give --all")
    if name is None:
        found = comparison.every(_data(data), _work(output), ConsoleProgress())
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(table.render(found), encoding="utf-8")
    else:
        job = tasks.job_for(name, _data(data), _work(output))
        if write and not job.recipe.model:
            raise SettingsError(f"recipe {name} makes no model that ships; leave --write out")
        found = (comparison.one(job),)
        if write:
            jobs.note(job, found[0].figures)
    if as_json:
        print_json({m.recipe.name: [f.model_dump() for f in m.figures] for m in found})
        return
    for measured in found:
        title = measured.recipe.name + ("" if measured.figures else ": not trained here")
        out.print(figures_table(title, measured.figures))
    if every:
        out.print(f"written: {results}", markup=False, soft_wrap=True)


def _want_training() -> None:
    """Raise SettingsError where the packages of training are not installed."""
    if find_spec("lightning") is None:
        raise SettingsError("training needs more packages: pip install 'dicom-node[training]'")


def _work(given: Path | None) -> Path:
    return given or settings.load().root / "training"


def _data(given: Path | None) -> Path:
    folder = (given or settings.load().data).expanduser().resolve()
    if not (folder / "cxr" / "manifest.csv").is_file():
        raise SettingsError(f"no research images at {folder}; set NODE_DATA or --data")
    return folder
