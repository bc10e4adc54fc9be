"""The part of a card that training writes, between two markers at the end of the file."""

import json
from pathlib import Path
from typing import Final

from dicom_node.errors import ModelError
from models.card import Figure, Label, Weights

_BEGIN: Final = "# --- written by `dicom-node models train`; do not edit below this line ---"


def _value(value: object) -> str:
    """Return a TOML value; TOML's basic strings and numbers are written as JSON's."""
    return json.dumps(value, ensure_ascii=False)


def _table(head: str, values: dict[str, object]) -> list[str]:
    pairs = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return ["", head, *pairs]


def write(
    card: Path,
    weights: Weights,
    labels: tuple[Label, ...],
    figures: tuple[Figure, ...],
    operating: dict[str, float],
) -> None:
    """Replace the generated part of ``card`` (a ``card.toml``); raise ModelError without one."""
    text = card.read_text(encoding="utf-8")
    if _BEGIN not in text:
        raise ModelError(f"model card {card} lacks the line {_BEGIN!r}")
    lines = [text.partition(_BEGIN)[0] + _BEGIN]
    lines += _table("[weights]", weights.model_dump())
    if operating:
        lines += _table("[operating]", {k: round(v, 6) for k, v in operating.items()})
    for label in labels:
        lines += _table("[[labels]]", label.model_dump())
    for figure in figures:
        lines += _table("[[figures]]", figure.model_dump())
    card.write_text("\n".join(lines) + "\n", encoding="utf-8")
