"""``dicom-node models list``, ``show`` and ``verify``: what is registered, and is it sound."""

from typing import Annotated

import typer
from rich.table import Table

from dicom_node import log, settings
from dicom_node.errors import ModelError
from models import registry
from models.card import ModelCard
from models.printing import AsJson, figures_table, out, print_json


def list_models(*, as_json: AsJson = False) -> None:
    """List every registered model."""
    cards = [entry.card() for entry in registry.MODELS.values()]
    if as_json:
        print_json({"models": [card.model_dump(mode="json") for card in cards]})
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
    out.print(table)


def show(name: str, *, as_json: AsJson = False) -> None:
    """Show one model's card: use, data, figures, limits, confounds."""
    card = registry.entry(name).card()
    if as_json:
        print_json(card.model_dump(mode="json"))
        return
    _print_card(card)


def _print_card(card: ModelCard) -> None:
    out.print(f"[bold]{card.name} {card.version}[/bold] ({', '.join(card.kinds)} {card.role})")
    for head, text in (
        ("use", card.intended_use),
        ("architecture", card.architecture),
        ("input", card.input.preprocessing),
        ("weights", f"{card.weights.file} sha256 {card.weights.sha256}"),
    ):
        out.print(f"[bold]{head}[/bold]: {text}", soft_wrap=True)
    for label in card.labels:
        out.print(
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
        out.print(f"[bold]{head}[/bold]")
        for line in lines:
            out.print(f"  - {line}", markup=False, soft_wrap=True)
    out.print(figures_table("figures", card.figures))


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
            runtime.opened(registry.entry(one), runtime.device_for(chosen.device))
        except ModelError as exc:
            faults[one] = str(exc)
    if as_json:
        print_json(
            {
                "models": [
                    {"name": n, "ok": n not in faults, "message": faults.get(n, "")} for n in names
                ]
            }
        )
    else:
        for one in names:
            out.print(f"{one}: {faults.get(one, 'ok')}", markup=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)
