"""Searches of the archive, past defects of Debian's Orthanc.

Its HTTP server hands GET arguments on without undoing their percent-encoding, so a QIDO search
with a space, an accent or an encoded comma finds nothing; and what its QIDO answers is in Latin-1,
so that a name in other letters is empty. JSON in a POST has no such trouble: the search goes by
``/tools/find``, QIDO is asked for UIDs alone, which need no encoding, and texts are taken from
Orthanc's index.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, Self

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pyorthanc import Orthanc

from dicom_node.archive import client
from dicom_node.domain import Entry, Level, MatchingKey
from dicom_node.settings import Settings

_UID_OF: Final = {
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.INSTANCE: "00080018",
}
_PATH_OF: Final = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}
_MODALITY: Final = "00080060"
_MODALITIES: Final = "00080061"
_CHARACTER_SET: Final = "00080005"
_TEXTS: Final = frozenset({"PN", "LO", "SH", "LT", "ST", "UC", "UT"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_AT_ONCE: Final = 50
"""UIDs in one request, which Orthanc 1.10 takes up to 16 KB long."""

_MOST_SPELLINGS: Final = 16


class OrthancCatalogue:
    """The catalogue port on a running Orthanc; safe to share between threads."""

    def __init__(self, connection: Orthanc) -> None:
        self._client = connection

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Prepare a client for the configured Orthanc; the first call opens the connection."""
        return cls(client.connect(settings))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def matching(
        self, keys: Sequence[MatchingKey], level: Level = Level.STUDY, most: int = 0
    ) -> tuple[str, ...]:
        """Return the UIDs of what matches every key, in no order; ``most``: so many at most.

        Case and, where the characters are not ASCII, accents count as Orthanc's index has them.
        Raises ArchiveUnavailable.
        """
        found: dict[str, None] = {}
        for query in _queries(keys, level):
            wish = {"Level": level.value, "Query": query, "CaseSensitive": False, "Expand": True}
            answer = self._find(wish | ({"Limit": most} if most else {}))
            # One study for each patient id that carries the UID: once is enough here.
            found.update(dict.fromkeys(one["MainDicomTags"][_keyword(level)] for one in answer))
        return tuple(found)

    def described(
        self,
        wanted: Sequence[str],
        fields: Sequence[str],
        level: Level = Level.STUDY,
        origin: str = "",
    ) -> tuple[Entry, ...]:
        """Return an entry for each UID, in this order, with these attributes beside QIDO's.

        What is gone has no entry, and a study that two patients share has one: viewers take the UID
        for a key. ``origin`` is where the caller found the node, for Retrieve URLs. Raises
        ArchiveUnavailable.
        """
        entries: dict[str, Entry] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            texts = self._texts(some, level)
            for attributes in self._answers(some, fields, level, origin):
                uid = str(attributes[_UID_OF[level]]["Value"][0])
                entries.setdefault(uid, Entry(uid, _whole(attributes, texts.get(uid, {}))))
        return tuple(entries[uid] for uid in wanted if uid in entries)

    def studies_of(self, orthanc_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the UIDs of the studies that these resources are or belong to.

        Raises ArchiveUnavailable.
        """
        if not orthanc_ids:
            return ()
        told = self._content(orthanc_ids, Level.STUDY)
        return tuple(sorted({str(one["MainDicomTags"]["StudyInstanceUID"]) for one in told}))

    def _answers(
        self, uids: Sequence[str], fields: Sequence[str], level: Level, origin: str
    ) -> list[Mapping[str, Any]]:
        query = f"{_keyword(level)}={','.join(uids)}"
        if fields:
            query += f"&includefield={','.join(fields)}"
        url = f"{self._client.url}/dicom-web/{_PATH_OF[level]}?{query}"
        scheme, _, host = (origin or self._client.url).partition("://")
        headers = {  # the first two for Retrieve URLs
            "Host": host,
            "Forwarded": f"host={host};proto={scheme}",
            "Accept": "application/dicom+json",
        }
        answers: list[Mapping[str, Any]] = client.ask(
            lambda: self._client.get(url, headers=headers)
        ).json()
        return answers

    def _texts(self, uids: Sequence[str], level: Level) -> dict[str, Mapping[str, str]]:
        """Return what Orthanc's index holds of these, by UID and keyword, with what is above."""
        query = {_keyword(level): "\\".join(uids)}
        found = self._find({"Level": level.value, "Query": query, "Expand": True})
        above = self._above(found, level)
        return {
            one["MainDicomTags"][_keyword(level)]: {
                **above.get(one["ParentSeries" if level is Level.INSTANCE else "ID"], {}),
                **one["MainDicomTags"],
            }
            for one in reversed(found)  # of two patients the first, as in the answers
        }

    def _above(
        self, found: Sequence[Mapping[str, Any]], level: Level
    ) -> dict[str, Mapping[str, str]]:
        """Return the texts of patient, study and series, by Orthanc's id of the lowest of them."""
        if level is Level.STUDY:
            return {one["ID"]: one["PatientMainDicomTags"] for one in found}
        series = found
        if level is Level.INSTANCE:
            series = self._content(sorted({one["ParentSeries"] for one in found}), Level.SERIES)
        studies = self._content(sorted({one["ParentStudy"] for one in series}), Level.STUDY)
        of_study = {
            one["ID"]: {**one["PatientMainDicomTags"], **one["MainDicomTags"]} for one in studies
        }
        return {
            one["ID"]: {**of_study.get(one["ParentStudy"], {}), **one["MainDicomTags"]}
            for one in series
        }

    def _find(self, wish: Mapping[str, object]) -> list[Any]:
        found: list[Any] = client.ask(lambda: self._client.post_tools_find(wish)).json()
        return found

    def _content(self, orthanc_ids: Sequence[str], level: Level) -> list[Any]:
        if not orthanc_ids:
            return []
        wish = {"Resources": [*orthanc_ids], "Level": level.value}
        told: list[Any] = client.ask(lambda: self._client.post_tools_bulk_content(json=wish)).json()
        return told


def spellings(name: str) -> tuple[str, ...]:
    """Return the patterns by which a person's name is found in any of its component groups.

    A name without ``=`` is that of one group (PS3.4 C.2.2.2.1, PS3.5 6.2.1): ``Yamada^Tarou``, or
    as it is written, or as it is spoken.
    """
    whole = unicodedata.normalize("NFC", name)
    if "=" in whole:
        return (whole,)
    open_end = whole.endswith("*")
    found = [whole] if open_end else [whole, f"{whole}=*"]
    if not whole.isascii() and not whole.startswith("*"):
        found += [f"*={one}" for one in found]
    return tuple(found)


def _queries(keys: Sequence[MatchingKey], level: Level) -> Iterator[dict[str, str]]:
    """Yield what Orthanc is asked, so that it finds what the keys match."""
    told = [(_attribute(key, level), _values(key)) for key in keys if key.value not in {"", "*"}]
    names = [attribute for attribute, _ in told]
    for count, values in enumerate(product(*(values for _, values in told))):
        if count < _MOST_SPELLINGS:
            yield dict(zip(names, values, strict=True))


def _attribute(key: MatchingKey, level: Level) -> str:
    """Return the tag to search for; a study has no modality, but it has modalities."""
    is_studys = level is Level.STUDY and key.attribute == _MODALITY
    return _MODALITIES if is_studys else key.attribute


def _values(key: MatchingKey) -> tuple[str, ...]:
    """Return a value in Orthanc's words: it parts lists by backslashes, QIDO by commas."""
    vr = _vr(key.attribute)
    if vr == "PN":
        return spellings(key.value)
    if vr == "UI" or key.attribute in {_MODALITIES, _MODALITY}:
        return (key.value.replace(",", "\\"),)
    return (unicodedata.normalize("NFC", key.value),)


def _vr(tag: str) -> str:
    try:
        return dictionary_VR(int(tag, 16))
    except KeyError:
        return ""


def _keyword(level: Level) -> str:
    return keyword_for_tag(int(_UID_OF[level], 16))


def _whole(attributes: Mapping[str, Any], texts: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an answer with its modalities as a list and its texts in every letter.

    An object without Modality adds none, and a study of such objects alone has no element: OHIF's
    list breaks for everybody on an empty one.
    """
    whole = {tag: {**element} for tag, element in attributes.items()}
    for tag, element in whole.items():
        text = texts.get(keyword_for_tag(int(tag, 16)))
        if element.get("vr") in _TEXTS and text:
            element["Value"] = list(_said(text, element["vr"]))
    if apart := _apart(whole.pop(_MODALITIES, {}).get("Value") or ()):
        whole[_MODALITIES] = {"vr": "CS", "Value": sorted(apart)}
    whole[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8 (PS3.18 F.2)
    return whole


def _said(text: str, vr: str) -> Iterator[str | Mapping[str, str]]:
    values = [text] if vr in {"LT", "ST", "UT"} else text.split("\\")
    if vr != "PN":
        yield from values
        return
    for value in values:
        groups = zip(_GROUPS, value.split("="), strict=False)
        yield {name: group for name, group in groups if group}


def _apart(values: Iterable[str | None]) -> set[str]:
    """Part values that Orthanc 1.10 joins, as in ``["CR\\\\SR"]``."""
    return {modality for value in values for modality in (value or "").split("\\")} - {""}
