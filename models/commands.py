"""``dicom-node models``: list, show, verify, train and evaluate the models.

torch is loaded only by the commands that need it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dicom_node import log, settings
from dicom_node.errors import ModelError, SettingsError
from models import registry
from models.card import Figure, ModelCard

app = typer.Typer(no_args_is_help=True, help="List, show, verify, train and evaluate the models.")
_out = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]
Data = Annotated[Path | None, typer.Option("--data", help="Research images; default NODE_DATA.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Work folder; default NODE_HOME/training.")
]


def _print_json(value: object) -> None:
    _out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def _number(figure: Figure) -> str:
    ends = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends}"


def _figures(title: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=title, title_justify="left")
    for head in ("figure", "on", "value (95 %)", "n"):
        table.add_column(head, justify="right" if head == "n" else "left")
    for figure in figures:
        table.add_row(figure.name, figure.on, _number(figure), str(figure.n))
    return table


@app.command("list")
def list_models(*, as_json: AsJson = False) -> None:
    """List every registered model."""
    cards = [entry.card() for entry in registry.MODELS.values()]
    if as_json:
        _print_json({"models": [card.model_dump(mode="json") for card in cards]})
        return
    table = Table()
    for head in ("name", "version", "role", "reads", "findings", "weights"):
        table.add_column(head)
    for card in cards:
        table.add_row(
            card.name,
            card.version,
            card.role,
            ", ".join(card.kinds),
            ", ".join(label.label for label in card.labels) or "-",
            card.weights.sha256[:12],
        )
    _out.print(table)


@app.command()
def show(name: str, *, as_json: AsJson = False) -> None:
    """Show one model's card: use, data, figures, limits, confounds."""
    card = registry.entry(name).card()
    if as_json:
        _print_json(card.model_dump(mode="json"))
        return
    _print_card(card)


def _print_card(card: ModelCard) -> None:
    _out.print(f"[bold]{card.name} {card.version}[/bold] ({', '.join(card.kinds)} {card.role})")
    for head, text in (
        ("use", card.intended_use),
        ("architecture", card.architecture),
        ("input", card.input.preprocessing),
        ("weights", f"{card.weights.file} sha256 {card.weights.sha256}"),
    ):
        _out.print(f"[bold]{head}[/bold]: {text}", soft_wrap=True)
    for label in card.labels:
        _out.print(
            f"[bold]{label.label}[/bold]: threshold {label.threshold}, absent below "
            f"{label.absent_below}, present from {label.present_from}",
            soft_wrap=True,
        )
    for head, lines in (
        ("limits", card.limits),
        ("confounds", card.confounds),
        ("data", tuple(f"{d.name} ({d.n}): {d.use}. Licence: {d.licence}" for d in card.data)),
        ("attribution", card.attribution),
    ):
        _out.print(f"[bold]{head}[/bold]")
        for line in lines:
            _out.print(f"  - {line}", markup=False, soft_wrap=True)
    _out.print(_figures("figures", card.figures))


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="One model; default all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check weights against the card and run the golden prediction; exit 1 where one fails."""
    from models import runtime  # noqa: PLC0415  # loads torch

    chosen = settings.load()
    log.configure(chosen.log_level)
    names = [name] if name else list(registry.MODELS)
    faults: dict[str, str] = {}
    for one in names:
        registry.entry(one)
        try:
            runtime.opened(one, runtime.device_for(chosen.device))
        except ModelError as exc:
            faults[one] = str(exc)
    if as_json:
        _print_json(
            {
                "models": [
                    {"name": n, "ok": n not in faults, "message": faults.get(n, "")} for n in names
                ]
            }
        )
    else:
        for one in names:
            _out.print(f"{one}: {faults.get(one, 'ok')}", markup=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .toml file.")],
    data: Data = None,
    output: Output = None,
    *,
    install: Annotated[
        bool, typer.Option(help="Make the result the shipped model of this checkout.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model by a recipe; write card, weights, golden numbers and metrics.json."""
    from models.training import job as jobs  # noqa: PLC0415  # loads torch
    from models.training import tasks  # noqa: PLC0415

    job = tasks.job_for(recipe, _data(data), output or settings.load().root / "training")
    folder = tasks.of(job).run(job)
    if install:
        jobs.install(job, folder)
    card = registry.Entry(folder, registry.entry(job.recipe.model).module).card()
    if as_json:
        _print_json({"folder": str(folder), "card": card.model_dump(mode="json")})
        return
    _out.print(f"trained {card.name}: {folder}", markup=False, soft_wrap=True)
    _out.print(_figures("figures on test", card.figures))


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
        job = tasks.job_for(one, _data(data), output or settings.load().root / "training")
        found[one] = tasks.of(job).evaluate(job, entry.folder)
    if as_json:
        _print_json({one: [f.model_dump() for f in figures] for one, figures in found.items()})
        return
    for one, figures in found.items():
        _out.print(_figures(one, figures))


def _data(given: Path | None) -> Path:
    folder = (given or settings.load().data).expanduser().resolve()
    if not (folder / "cxr" / "manifest.csv").is_file():
        raise SettingsError(f"no research images at {folder}; set NODE_DATA or --data")
    return folder
