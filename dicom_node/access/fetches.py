"""Whose images a request asks Orthanc for: the studies behind its path, as Orthanc knows them.

Orthanc is asked once for each resource, on one of the threads that are kept for the node itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from cachetools import TTLCache

LookUp = Callable[[str, bytes], bytes]
"""Orthanc's REST API: GET, with a body POST; empty for what Orthanc does not know."""

_KEPT: Final = 65_536
_KEPT_S: Final = 3600.0
_STUDIES_OF: Final = {
    "patients": "/patients/{}/studies",
    "studies": "/studies/{}",
    "series": "/series/{}/study",
    "instances": "/instances/{}/study",
}
_OF_A_RESOURCE: Final = re.compile(r"/+(patients|studies|series|instances)/+([^/]+).*", re.DOTALL)
_OF_DICOMWEB: Final = re.compile(r"/+dicom-web/+studies/+([^/]+).*", re.DOTALL)
_WADO: Final = re.compile(r"/+wado/*")


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that Orthanc holds, by its own id or by its UID; ``level`` as paths name it."""

    level: str
    name: str
    by_uid: bool = False


def resource_of(path: str, query: Mapping[str, str]) -> Resource | None:
    """Return what a GET asks for; None where it is no patient's, study's, series' or image's."""
    if found := _OF_A_RESOURCE.fullmatch(path):
        return Resource(found[1], found[2])
    if found := _OF_DICOMWEB.fullmatch(path):
        return Resource("studies", found[1], by_uid=True)
    uid = query.get("objectUID", "") if _WADO.fullmatch(path) else ""
    return Resource("instances", uid, by_uid=True) if uid else None


class Fetches:
    """Tells the studies of a request; remembers those of each resource, so that it asks once."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._known: TTLCache[Resource, tuple[str, ...]] = TTLCache(_KEPT, _KEPT_S)
        self._lock = Lock()

    def studies(self, path: str, query: Mapping[str, str]) -> tuple[str, ...]:
        """Return the UIDs of the studies that a GET asks for; none where Orthanc has none."""
        wanted = resource_of(path, query)
        if wanted is None:
            return ()
        with self._lock:
            known = self._known.get(wanted)
        if known is None:
            known = tuple(sorted(set(self._asked(wanted))))
            if known and wanted.level != "patients":  # who may get another study meanwhile
                with self._lock:
                    self._known[wanted] = known
        return known

    def _asked(self, wanted: Resource) -> list[str]:
        if not wanted.by_uid:
            return self._uids(wanted.level, wanted.name)
        hits = json.loads(self._look_up("/tools/lookup", wanted.name.encode()) or b"[]")
        kind = "Study" if wanted.level == "studies" else "Instance"
        ids = [hit["ID"] for hit in hits if hit["Type"] == kind]
        return [uid for one in ids for uid in self._uids(wanted.level, one)]

    def _uids(self, level: str, orthanc_id: str) -> list[str]:
        told = json.loads(self._look_up(_STUDIES_OF[level].format(orthanc_id), b"") or b"[]")
        studies = told if isinstance(told, list) else [told]
        return [study["MainDicomTags"]["StudyInstanceUID"] for study in studies]
