"""``dicom-node models list``, ``show`` and ``verify``: what is registered, and is it sound."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from dicom_node import log, policy, settings
from dicom_node.domain import ModelState
from dicom_node.errors import ModelError
from dicom_node.policy import Policy
from models import catalogue
from models.card import ModelCard
from models.catalogue import Catalogue
from models.printing import AsJson, figures_table, number, out, print_json, titled

_STYLES = {ModelState.SERVED: "green", ModelState.SHADOW: "cyan", ModelState.REGISTERED: "dim"}


@dataclass(frozen=True, slots=True)
class _Listed:
    """One registered model: its card, or why the card cannot be read."""

    name: str
    card: ModelCard | None
    fault: str = ""


def list_models(*, as_json: AsJson = False) -> None:
    """List every registered model, and what the policy makes of it."""
    known, rules = _open()
    listed = tuple(_listed(known))
    if as_json:
        rows = [_as_json(one, rules) for one in listed]
        print_json({"models": rows, "faults": list(known.faults)})
        return
    out.print(_table(listed, rules))
    for fault in known.faults:
        out.print(f"NODE_MODELS: {fault}", style="red", markup=False, soft_wrap=True)


def show(
    name: Annotated[str, typer.Argument(help="A model of `models list`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one model's card: use, operating points, figures, limits, confounds, data."""
    known, rules = _open()
    card = known.entry(name).card()
    if as_json:
        print_json(_with_state(card, rules))
        return
    _print_card(card, catalogue.state(card, rules))


def verify(
    name: Annotated[str | None, typer.Argument(help="One model; default all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check weights against the card and run the golden prediction; exit 1 where one fails."""
    from models import runtime  # noqa: PLC0415  # loads torch

    chosen = settings.load()
    log.configure(chosen.log_level)
    known = catalogue.build(chosen.site_models)
    faults: dict[str, str] = {}
    for one in [name] if name else known.entries:
        entry = known.entry(one)
        try:
            runtime.opened(entry, runtime.device_for(chosen.device))
        except ModelError as exc:
            faults[one] = str(exc)
        else:
            faults[one] = ""
    if as_json:
        rows = [{"name": n, "ok": not fault, "message": fault} for n, fault in faults.items()]
        print_json({"models": rows, "faults": list(known.faults)})
    else:
        for one, fault in faults.items():
            out.print(f"{one}: {fault or 'ok'}", markup=False, soft_wrap=True)
        for fault in known.faults:
            out.print(f"NODE_MODELS: {fault}", markup=False, soft_wrap=True)
    if any(faults.values()) or (known.faults and name is None):
        raise typer.Exit(1)


def _open() -> tuple[Catalogue, Policy]:
    chosen = settings.load()
    return catalogue.build(chosen.site_models), policy.load(chosen.policy)


def _listed(known: Catalogue) -> Iterator[_Listed]:
    for name, entry in known.entries.items():
        try:
            yield _Listed(name, entry.card())
        except ModelError as exc:
            yield _Listed(name, None, str(exc))


def _as_json(one: _Listed, rules: Policy) -> dict[str, object]:
    if one.card is None:
        return {"name": one.name, "fault": one.fault}
    return _with_state(one.card, rules)


def _with_state(card: ModelCard, rules: Policy) -> dict[str, object]:
    return {**card.model_dump(mode="json"), "state": catalogue.state(card, rules).value}


def _table(listed: Sequence[_Listed], rules: Policy) -> Table:
    heads = ("name", "version", "reads", "role", "state", "weights", "key figure")
    table = Table(*heads, box=None, header_style="bold")
    for one in listed:
        if one.card is None:
            table.add_row(one.name, "", "", "", Text("broken", "red"), "", Text(one.fault))
            continue
        state = catalogue.state(one.card, rules)
        table.add_row(
            one.name,
            one.card.version,
            ", ".join(one.card.kinds),
            one.card.role,
            Text(state.value, _STYLES[state]),
            one.card.weights.sha256[:12],
            _key_figure(one.card),
        )
    return table


def _key_figure(card: ModelCard) -> Text:
    """Return the first figure: training writes the one that matters most first."""
    if not card.figures:
        return Text("none measured", "dim")
    first = card.figures[0]
    return Text(f"{first.name}, {first.on}: {number(first)}, n {first.n}")


def _print_card(card: ModelCard, state: ModelState) -> None:
    head = Text.assemble(
        (f"{card.name} {card.version}", "bold"),
        f"  {', '.join(card.kinds)} {card.role}, ",
        (state.value, _STYLES[state]),
    )
    out.print(head)
    for title, text in (
        ("Intended use", card.intended_use),
        ("Architecture", card.architecture),
        ("Input", f"{card.input.edge} px: {card.input.preprocessing}"),
        ("Weights", f"{card.weights.file}, sha256 {card.weights.sha256}"),
    ):
        _print_lines(title, (text,), mark="")
    _print_lines("Limits", card.limits)
    _print_lines("Confounds", card.confounds)
    if card.labels:
        out.print(_operating_points(card))
    out.print(figures_table("Figures", card.figures))
    data = titled("Data", "set", "n", "use", "licence")
    for one in card.data:
        data.add_row(one.name, str(one.n), one.use, one.licence)
    out.print(data)
    _print_lines("Attribution", card.attribution)


def _operating_points(card: ModelCard) -> Table:
    table = titled("Operating points", "finding", "absent below", "threshold", "present from")
    for label in card.labels:
        points = (label.absent_below, label.threshold, label.present_from)
        table.add_row(label.label, *(f"{point:.3f}" for point in points))
    return table


def _print_lines(title: str, lines: Sequence[str], mark: str = "•") -> None:
    """Print a title and its lines, each wrapped beside its mark."""
    body = Table.grid(padding=(0, 1))
    body.add_column()
    body.add_column(overflow="fold")
    for line in lines:
        body.add_row(mark, Text(line))
    out.print(Text(f"\n{title}", "bold"))
    out.print(body)
