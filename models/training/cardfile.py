"""The part of a card that training writes, between two markers at the end of the file."""

import json
from pathlib import Path
from typing import Final, Protocol

from dicom_node.errors import ModelError
from models.card import Figure, Label, Part, Weights

_BEGIN: Final = "# --- written by `dicom-node models train`; do not edit below this line ---"


def _value(value: object) -> str:
    """Return a TOML value; TOML's basic strings and numbers are written as JSON's."""
    return json.dumps(value, ensure_ascii=False)


def _table(head: str, values: dict[str, object]) -> list[str]:
    pairs = [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]
    return ["", head, *pairs]


class Findings(Protocol):
    """What training found out about a model."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """Return the operating points."""
        ...

    @property
    def operating(self) -> dict[str, float]:
        """Return other numbers that serving needs."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Return what was measured."""
        ...

    @property
    def companions(self) -> tuple[Part, ...]:
        """Return the models that it works with."""
        ...


def write(card: Path, weights: Weights, found: Findings) -> None:
    """Replace the generated part of ``card`` (a ``card.toml``); raise ModelError without one."""
    text = card.read_text(encoding="utf-8")
    if _BEGIN not in text:
        raise ModelError(f"model card {card} lacks the line {_BEGIN!r}")
    lines = [text.partition(_BEGIN)[0] + _BEGIN]
    lines += _table("[weights]", weights.model_dump())
    if found.operating:
        lines += _table("[operating]", {k: round(v, 6) for k, v in found.operating.items()})
    for part in found.companions:
        lines += _table("[[parts]]", part.model_dump())
    for label in found.labels:
        lines += _table("[[labels]]", label.model_dump())
    for figure in found.figures:
        lines += _table("[[figures]]", figure.model_dump())
    card.write_text("\n".join(lines) + "\n", encoding="utf-8")
