"""Which SOP classes the node stores: what the policy names, as groups and as single UIDs.

Read by every door that an object may come through: DICOM, STOW-RS and Orthanc's plugin, whose
Python has none of the node's compiled packages. So nothing here needs any.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dicom_node.errors import SettingsError

DEFAULT_FILE: Final = Path(__file__).with_name("policy.toml")
NOT_SUPPORTED: Final = 0x0122
"""Refused: SOP Class Not Supported (PS3.7 C.5.6, PS3.4 B.2.3)."""

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_IMAGES: Final = """
    1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3 3.1 4 4.1 4.3 4.4 5 6 6.1 6.2 6.3 7 7.1 7.2 7.3 7.4
    12.1 12.1.1 12.2 12.2.1 12.3 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 14.1 14.2 20 30
    77.1 77.2 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1 77.1.5.2 77.1.5.4
    77.1.5.5 77.1.5.6 77.1.5.7 77.1.5.8 77.1.6 77.1.7 77.1.8 77.1.9 81.1 82.1 128 128.1 130
    481.1 481.23 481.24 501.1 501.2.1 501.2.2 601.1 601.2
"""
"""PS3.4 B.5: every class whose instances are images, the retired ones too."""

_REPORTS: Final = """
    79.1 88.1 88.2 88.3 88.4 88.11 88.22 88.33 88.34 88.35 88.40 88.50 88.65 88.67 88.68 88.69 88.70
    88.71 88.72 88.73 88.74 88.75 88.76 88.77
"""
_STATES: Final = "11.1 11.2 11.3 11.4 11.5 11.6 11.7 11.8 11.9 11.10 11.11 11.12"


def _uids(endings: str) -> frozenset[str]:
    return frozenset(_STORAGE + ending for ending in endings.split())


GROUPS: Final = {
    "images": _uids(_IMAGES),
    "structured-reports": _uids(_REPORTS),
    "presentation-states": _uids(_STATES),
    "key-objects": _uids("88.59"),
    "segmentations": _uids("66.4 66.5 66.7 66.8"),
    "encapsulated-pdf": _uids("104.1"),
}
"""What a policy may name in a word."""

DEFAULT: Final = tuple(GROUPS)
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_LONGEST_UID: Final = 64


def fault(name: str) -> str:
    """Say what is wrong with an entry of ``[storage] sop_classes``; empty where nothing is."""
    if name in GROUPS or (_UID.fullmatch(name) and len(name) <= _LONGEST_UID):
        return ""
    return f"{name!r} is no SOP class UID and none of {', '.join(GROUPS)}"


@dataclass(frozen=True, slots=True)
class Storable:
    """The SOP classes that a policy names."""

    uids: frozenset[str]

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """Return what these entries name; raise SettingsError where one names nothing."""
        chosen = tuple(names)
        if faults := [told for name in chosen if (told := fault(name))]:
            raise SettingsError(f"storage.sop_classes: {'; '.join(faults)}")
        return cls(frozenset().union(*(GROUPS.get(name, {name}) for name in chosen)))

    @classmethod
    def of_policy(cls, file: Path | None = None) -> Self:
        """Read it out of a policy file, and nothing else; raise SettingsError where it cannot."""
        path = file or DEFAULT_FILE
        try:
            rules = tomllib.loads(path.read_bytes().decode())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise SettingsError(f"policy file {path} cannot be read: {exc}") from exc
        section = rules.get("storage", {})
        names = section.get("sop_classes", DEFAULT) if isinstance(section, dict) else None
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise SettingsError(f"policy file {path} is wrong: storage.sop_classes is no list")
        return cls.named(names)

    def takes(self, sop_class_uid: str) -> bool:
        """Tell whether an object of this class is stored; padding (PS3.5 9.1) does not count."""
        return sop_class_uid.rstrip("\0 ") in self.uids
