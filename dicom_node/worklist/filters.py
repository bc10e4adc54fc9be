"""Which studies of the worklist a reader wants to see; pure."""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dicom_node.domain import Priority, RunState, WorklistHead

_SEPARATORS = str.maketrans("^=", "  ")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a study must be; None, and an empty ``text``, let all through.

    Every word of ``text`` must occur in the patient's name or id, the accession number, the
    description or the UID. Case and accents do not count: "muller" finds "MÜLLER^ANNA".
    """

    state: RunState | None = None
    modality: str | None = None
    priority: Priority | None = None
    text: str = ""


def keep(heads: Iterable[WorklistHead], wanted: Filter) -> tuple[WorklistHead, ...]:
    """Return the studies that pass the filter."""
    tests: list[Callable[[WorklistHead], bool]] = []
    if wanted.state is not None:
        tests.append(lambda head: head.state is wanted.state)
    if wanted.modality is not None:
        tests.append(lambda head: head.modality == wanted.modality)
    if wanted.priority is not None:
        tests.append(lambda head: head.priority is wanted.priority)
    if words := fold(wanted.text).split():
        tests.append(lambda head: _says(head, words))
    return tuple(head for head in heads if all(test(head) for test in tests))


def fold(text: str) -> str:
    """Return text as it is compared: without accents, case, or DICOM's separators of names."""
    plain = unicodedata.normalize("NFKD", text.translate(_SEPARATORS))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


def _says(head: WorklistHead, words: Iterable[str]) -> bool:
    parts = (
        head.patient_name,
        head.patient_id,
        head.accession_number,
        head.study_description,
        head.study_instance_uid,
    )
    told = fold("\n".join(parts))
    return all(word in told for word in words)
