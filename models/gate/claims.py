"""What a header claims and the pixels deny: noted, never obeyed."""

import re
from collections.abc import Mapping
from typing import Final

_CHEST_WORDS: Final = (
    "CHEST", "THORAX", "LUNG", "RIB", "BREAST", "STERNUM", "HEART", "TRUNK", "BODY", "TORSO",
)  # fmt: skip
_NOT_FRONTAL: Final = frozenset({"LL", "RL", "LLO", "RLO", "LAT", "LATERAL"})
_CODE_STRING: Final = re.compile("[A-Z0-9 _]{1,16}")
"""What may stand in such an attribute (PS3.5 6.2, CS); anything else is not repeated."""


def _word(claim: str) -> str:
    return claim if _CODE_STRING.fullmatch(claim) else "(unreadable)"


def contradicted(hints: Mapping[str, str], shown: str) -> tuple[str, ...]:
    """Return a sentence for each claim that a chest contradicts; ``shown``: a chest, in words."""
    found = []
    part = hints.get("body_part", "").upper()
    if part and not any(word in part for word in _CHEST_WORDS):
        found.append(f"The header names the body part {_word(part)}; the pixels show {shown}.")
    view = hints.get("view_position", "").upper()
    if view in _NOT_FRONTAL:
        found.append(f"The header names the view {view}; the pixels show {shown}.")
    return tuple(found)
