"""Searches of the archive, past a defect of Debian's Orthanc.

Its HTTP server hands GET arguments on without undoing their percent-encoding, so a QIDO search
with a space, an accent or an encoded comma finds nothing. JSON in a POST has no such trouble:
the search goes by ``/tools/find``, and QIDO is asked for UIDs alone, which need no encoding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pyorthanc import Orthanc

from dicom_node.archive import client
from dicom_node.domain import MatchingKey, StudyEntry
from dicom_node.settings import Settings

_STUDY_UID: Final = "0020000D"
_MODALITIES: Final = "00080061"
_LISTS: Final = frozenset({_STUDY_UID, "StudyInstanceUID", _MODALITIES, "ModalitiesInStudy"})
_AT_ONCE: Final = 50
"""UIDs in one request, which Orthanc 1.10 takes up to 16 KB long."""


class OrthancCatalogue:
    """The catalogue port on a running Orthanc; safe to share between threads."""

    def __init__(self, connection: Orthanc, host: str, scheme: str = "http") -> None:
        self._client = connection
        self._scheme = scheme
        self._host = host

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Prepare a client for the configured Orthanc; the first call opens the connection."""
        public = urlsplit(settings.public)
        return cls(client.connect(settings), public.netloc, public.scheme)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def matching(self, keys: Sequence[MatchingKey]) -> tuple[str, ...]:
        """Return the Study Instance UIDs of the studies that match every key, in no order.

        Case and, where the characters are not ASCII, accents count as Orthanc's index has them.
        Raises ArchiveUnavailable.
        """
        query = {key.attribute: _value(key) for key in keys}
        wish = {"Level": "Study", "Query": query, "CaseSensitive": False, "Expand": True}
        found = client.ask(lambda: self._client.post_tools_find(wish)).json()
        # One study for each patient id that carries the UID: once is enough here.
        return tuple(dict.fromkeys(s["MainDicomTags"]["StudyInstanceUID"] for s in found))

    def described(
        self, study_instance_uids: Sequence[str], fields: Sequence[str]
    ) -> tuple[StudyEntry, ...]:
        """Return an entry for each study, in this order, with these attributes beside QIDO's.

        A study that is gone has no entry, and one that two patients share has one: viewers take
        the UID for a key. Raises ArchiveUnavailable.
        """
        entries: dict[str, StudyEntry] = {}
        for start in range(0, len(study_instance_uids), _AT_ONCE):
            for entry in self._described(study_instance_uids[start : start + _AT_ONCE], fields):
                entries.setdefault(entry.study_instance_uid, entry)
        return tuple(entries[uid] for uid in study_instance_uids if uid in entries)

    def _described(self, uids: Sequence[str], fields: Sequence[str]) -> list[StudyEntry]:
        query = f"StudyInstanceUID={','.join(uids)}"
        if fields:
            query += f"&includefield={','.join(fields)}"
        url = f"{self._client.url}/dicom-web/studies?{query}"
        headers = {  # the first two for Retrieve URLs
            "Host": self._host,
            "Forwarded": f"host={self._host};proto={self._scheme}",
            "Accept": "application/dicom+json",
        }
        found = client.ask(lambda: self._client.get(url, headers=headers)).json()
        return [StudyEntry(_uid(attributes), _whole(attributes)) for attributes in found]


def _uid(attributes: Mapping[str, Any]) -> str:
    return str(attributes[_STUDY_UID]["Value"][0])


def _whole(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer with its modalities as a list; Orthanc 1.10 says ``["CR\\\\SR"]``.

    An object without Modality adds none, and a study of such objects alone has no element: OHIF's
    list breaks for everybody on an empty one.
    """
    told = attributes.get(_MODALITIES, {}).get("Value") or ()
    apart = {part for value in told for part in str(value or "").split("\\")} - {""}
    others = {tag: element for tag, element in attributes.items() if tag != _MODALITIES}
    return {**others, _MODALITIES: {"vr": "CS", "Value": sorted(apart)}} if apart else others


def _value(key: MatchingKey) -> str:
    """Return a value in Orthanc's words: it parts lists by backslashes, QIDO by commas."""
    return key.value.replace(",", "\\") if key.attribute in _LISTS else key.value
