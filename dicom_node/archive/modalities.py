"""What an instance is: its own affair, since a series may hold what its first arrival was not.

Orthanc keeps one modality for a series, that of the instance which came first. Some stations put
a presentation state or a report into the series of the images that it belongs to.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydicom.uid import SecondaryCaptureImageStorage

Entry = Mapping[str, Any]

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_CLASSES: Final[Mapping[str, str]] = {
    "1": "CR", "1.1": "DX", "1.1.1": "DX", "2": "CT", "2.1": "CT", "2.2": "CT",
    "88.59": "KO", "66.4": "SEG", "481.3": "RTSTRUCT",
}  # fmt: skip
_FAMILIES: Final[Mapping[str, str]] = {
    "9": "OT", "11": "PR", "66": "OT", "88": "SR", "104": "DOC", "481": "OT",
}  # fmt: skip
"""Storage SOP classes, and families of them, by what follows their common root (PS3.6 A)."""


def of_class(sop_class_uid: str) -> str:
    """Return the modality that a SOP class stands for, '' where it tells none."""
    if not sop_class_uid.startswith(_STORAGE):
        return ""
    rest = sop_class_uid.removeprefix(_STORAGE)
    family, _, _ = rest.partition(".")
    return _CLASSES.get(rest) or _FAMILIES.get(family, "")


def grouped(
    series_modality: str, entries: Sequence[Entry], own: Callable[[Entry], str]
) -> dict[str, list[Entry]]:
    """Group the instances of a series by modality, in the order given.

    ``own`` asks an instance for the modality that its header names: one of each SOP class where
    these are mixed, and each secondary capture, whose class says nothing.
    """
    classes = {_sop_class(entry) for entry in entries}
    if len(entries) <= 1 or (len(classes) == 1 and SecondaryCaptureImageStorage not in classes):
        return {series_modality: list(entries)}
    told: dict[str, str] = {}
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        sop_class = _sop_class(entry)
        key = str(entry["ID"]) if sop_class == SecondaryCaptureImageStorage else sop_class
        if key not in told:
            told[key] = own(entry) or of_class(sop_class) or series_modality
        groups[told[key]].append(entry)
    return dict(groups)


def _sop_class(entry: Entry) -> str:
    return str(entry.get("Metadata", {}).get("SopClassUid", ""))
