"""``dicom-node models compare``: the shadow against what was reported, from the ledger."""

# A command imports what it needs when it runs, so that `dicom-node --help` answers at once.
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.domain import StudyKind

if TYPE_CHECKING:
    from rich.table import Table

    from models.agreement import Agreement, Share

_NOTHING_YET = (
    "no shadow has looked at a study yet: name a model under [shadow] in the policy "
    "(docs/models/shadow.md)"
)


def compare(
    kind: Annotated[
        StudyKind | None, typer.Option(help="Only studies of this kind; default all.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for another program.")
    ] = False,
) -> None:
    """Compare what the model in the shadow said with what was reported, study by study."""
    from pydantic import TypeAdapter

    from dicom_node import settings
    from dicom_node.cli import console
    from dicom_node.ledger import open_ledger
    from models import agreement

    ledger = open_ledger(settings.load().database)
    try:
        found = agreement.agreements(ledger.shadows.pairs(kind))
    finally:
        ledger.close()
    if as_json:
        plain = TypeAdapter(tuple[agreement.Agreement, ...]).dump_python(found, mode="json")
        console.print_json({"comparisons": plain})
        return
    for one in found:
        _print(one)
    if not found:
        console.out.print(_NOTHING_YET, markup=False, soft_wrap=True)


def _print(one: "Agreement") -> None:
    from rich.text import Text

    from dicom_node.cli.console import out
    from models.agreement import Assessed

    out.print(
        Text.assemble(
            (f"{one.kind}: {one.served.name} {one.served.version}", "bold"),
            f" ({one.served.weights_sha256[:12]}) served, ",
            (f"{one.shadow.name} {one.shadow.version}", "bold"),
            f" ({one.shadow.weights_sha256[:12]}) in the shadow",
        )
    )
    out.print(f"{one.n} studies read by both; {one.not_ended} not ended")
    for reason, count in one.failed.items():
        out.print(f"{count} failed: {reason}", markup=False, soft_wrap=True)
    if one.top is not None and one.priority is not None:
        out.print(f"same top finding: {_share(one.top)}, kappa {_number(one.top_kappa)}")
        out.print(f"same priority: {_share(one.priority)}")
        out.print(f"time of the shadow: median {one.median_ms:.0f} ms, 95 % {one.p95_ms:.0f} ms")
        out.print(_findings(one))
        out.print(_largest(one))
    assessed = one.assessed
    if assessed != Assessed(0, 0, 0, 0, 0):
        out.print(
            f"where readers assessed: both right {assessed.both}, only the served model "
            f"{assessed.served_only}, only the shadow {assessed.shadow_only}, neither "
            f"{assessed.neither}; unclear {assessed.unclear}",
            soft_wrap=True,
        )
    out.print()


def _findings(one: "Agreement") -> "Table":
    from models.printing import titled

    heads = ("finding", "n", "same presence", "kappa", "mean difference", "correlation")
    table = titled("Agreement by finding", *heads)
    for row in one.findings:
        table.add_row(
            row.label,
            str(row.n),
            _share(row.presence),
            _number(row.kappa),
            f"{row.mean_absolute_difference:.3f}",
            _number(row.correlation),
        )
    return table


def _largest(one: "Agreement") -> "Table":
    from models.printing import titled

    table = titled("Largest disagreements", "study", "finding", "served", "shadow")
    for row in one.largest:
        table.add_row(row.study_instance_uid, row.label, f"{row.served:.3f}", f"{row.shadow:.3f}")
    return table


def _share(share: "Share") -> str:
    return f"{share.count} of {share.n}, {share.value:.3f} ({share.low:.3f} to {share.high:.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
