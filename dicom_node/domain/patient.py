"""Whose an image is: what tells patients apart, and what does not."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from dicom_node.domain.names import may_be_one

_NO_LETTER: Final = re.compile(r"\s+")
_DAYLESS: Final = frozenset({4, 6})
"""Digits of a birth date that tells the year, or year and month."""
_WHOLE_DATE: Final = 8
_SEXES: Final = frozenset("MFO")


@dataclass(frozen=True, slots=True)
class Patient:
    """The identity that an image carries, each part '' where it has none (PS3.3 C.7.1.1)."""

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    issuer: str = ""

    def contradicts(self, other: "Patient") -> tuple[str, ...]:
        """Name the attributes by which these are two people; empty where they may be one.

        What is empty, or says that nothing is known, contradicts nothing; neither does spelling.
        """
        return tuple(
            attribute
            for attribute, same in (
                ("patient ID", _is_same(self.patient_id, other.patient_id)),
                ("issuer of the patient ID", _is_same(self.issuer, other.issuer)),
                ("name", may_be_one(self.name, other.name)),
                ("birth date", _is_same_date(self.birth_date, other.birth_date)),
                ("sex", _is_same_sex(self.sex, other.sex)),
            )
            if not same
        )


def contradictions(patients: Iterable[Patient]) -> tuple[str, ...]:
    """Name the attributes in which any two of these contradict each other."""
    distinct = dict.fromkeys(patients)
    found: dict[str, None] = {}
    for one, two in combinations(distinct, 2):
        found |= dict.fromkeys(one.contradicts(two))
    return tuple(found)


def filled(patients: Iterable[Patient]) -> Patient:
    """Return the first identity, with what it lacks from those that follow."""
    whole = Patient()
    for one in patients:
        whole = Patient(
            whole.patient_id or one.patient_id,
            whole.name or one.name,
            whole.birth_date or one.birth_date,
            whole.sex or one.sex,
            whole.issuer or one.issuer,
        )
    return whole


def _is_same(one: str, two: str) -> bool:
    return not (mine := _plain(one)) or not (theirs := _plain(two)) or mine == theirs


def _plain(text: str) -> str:
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", text)).casefold()


def _is_same_date(one: str, two: str) -> bool:
    mine, theirs = sorted((_digits(one), _digits(two)), key=len)
    return not mine or theirs.startswith(mine)


def _digits(date: str) -> str:
    """Return the known digits of a date, as far as they tell a year, a month, a day."""
    digits = re.sub(r"\D", "", date)[:_WHOLE_DATE]
    if len(digits) == _WHOLE_DATE:
        digits = digits.removesuffix("00").removesuffix("00") if digits[4:] == "0000" else digits
        digits = digits.removesuffix("00") if len(digits) == _WHOLE_DATE else digits
    known = len(digits) == _WHOLE_DATE or len(digits) in _DAYLESS
    return digits if known and digits.strip("0") else ""


def _is_same_sex(one: str, two: str) -> bool:
    mine, theirs = one.strip()[:1].upper(), two.strip()[:1].upper()
    return mine == theirs or not {mine, theirs} <= _SEXES
