"""One object cleaned by the Basic Application Level Confidentiality Profile (PS3.15 E.2)."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from pydicom import config
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID
from pydicom.valuerep import VR

from dicom_node.damage import UNREADABLE
from dicom_node.deidentify import content, table
from dicom_node.deidentify.keys import Pseudonyms
from dicom_node.deidentify.table import Action
from dicom_node.errors import ExportError
from dicom_node.uids import derive

METHOD: Final = "dicom-node: PS3.15 Basic Profile, keyed UIDs"
_NOBODY_DATE: Final = "19000101"
_DUMMIES: Final[dict[str, str]] = {VR.DA: _NOBODY_DATE, VR.DT: _NOBODY_DATE, VR.TM: "000000"}
_CODE: Final = re.compile(r"[A-Z0-9 _]{0,16}")
_TIME: Final = r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?"
_FORMS: Final = {
    VR.DA: re.compile(r"\d{8}"),
    VR.DT: re.compile(rf"\d{{8}}({_TIME})?([+-]\d{{4}})?"),
    VR.TM: re.compile(_TIME),
}
"""A whole day, or a time (PS3.5 6.2): what is longer may hold words, what is shorter no day."""
_IMPLEMENTATION: Final = UID(derive("implementation", "dicom-node"))
_TYPE_2: Final = (
    "AccessionNumber ReferringPhysicianName StudyDate StudyTime StudyID PatientBirthDate PatientSex"
).split()
"""Empty in every composite object (PS3.3 C.7.1.1, C.7.2.1)."""
_DATED: Final = frozenset({"ContentDate", "ContentTime"})
"""Type 1 in a report (PS3.3 C.17.2)."""
_BIRTH: Final = frozenset({"PatientBirthDate", "PatientBirthTime"})
_CODES: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113104", "Clean Structured Content Option"),
)
_MODIFIED_DATES: Final = (
    "113107",
    "Retain Longitudinal Temporal Information Modified Dates Option",
)
_DEEPEST: Final = 16


@dataclass(frozen=True, slots=True)
class Profile:
    """How to clean: the site's pseudonyms, and what becomes of dates."""

    pseudonyms: Pseudonyms
    shift_dates: bool = False


def cleaned(source: Dataset, profile: Profile) -> Dataset:
    """Return a new object without identity; ``source`` stays as it is.

    Kept are pixels, geometry, numbers, codes and what describes the equipment class; UIDs become
    keyed ones, so that references still meet; everything else goes. Raises ExportError where an
    attribute cannot be read, for what cannot be read cannot be cleaned.
    """
    try:
        person = _person(source)
        days = profile.pseudonyms.shift_days(*person) if profile.shift_dates else None
        walker = _Walker(profile.pseudonyms, days, source.get("Modality") == "SR")
        target = walker.dataset(source)
    except UNREADABLE as exc:
        raise ExportError(
            "an object holds values that cannot be read, so it cannot be cleaned"
        ) from exc
    _identify(target, profile.pseudonyms.patient(*person))
    _declare(target, shifted=profile.shift_dates)
    target.file_meta = _meta(source, target)
    return target


@dataclass(frozen=True, slots=True)
class _Walker:
    pseudonyms: Pseudonyms
    days: int | None
    is_report: bool

    def dataset(self, source: Dataset, depth: int = 0, *, is_content: bool = False) -> Dataset:
        if depth > _DEEPEST:
            raise ExportError("sequences nest too deeply to be cleaned")
        target = Dataset()
        for element in source:
            new = self.element(element, depth)
            if new is not None:
                target.add(new)
        content.clean(target, is_content=is_content)
        return target

    def element(  # noqa: PLR0911  # one line for each kind
        self, element: DataElement, depth: int
    ) -> DataElement | None:
        """Return what stands for an element; None where nothing does."""
        tag, vr = element.tag, element.VR
        if tag.is_private or table.is_overlay(tag) or not dictionary_has_tag(tag):
            return None
        if vr == VR.SQ:
            return self._sequence(element, depth)
        action = table.action(tag)
        if vr == VR.UI:
            return _with(element, self._uids(element))
        if vr in table.MOMENTS:
            return self._moment(element, action)
        if action is Action.EMPTY:
            return _with(element, "" if vr in table.FREE_TEXT | {VR.CS, VR.AS} else None)
        if action is Action.DUMMY and vr in table.FREE_TEXT and tag not in content.KEPT:
            return _with(element, content.REMOVED)
        if action is not None and tag not in table.KEPT_TEXT | content.KEPT:
            return None
        return element_as_it_is(element)

    def _sequence(self, element: DataElement, depth: int) -> DataElement | None:
        is_content = element.keyword == "ContentSequence"
        if element.tag not in table.KEPT_SEQUENCES or (is_content and not self.is_report):
            return None
        items = [self.dataset(item, depth + 1, is_content=is_content) for item in element.value]
        return DataElement(element.tag, VR.SQ, DicomSequence(items))

    def _uids(self, element: DataElement) -> str | list[str]:
        if isinstance(element.value, MultiValue):
            return [self.pseudonyms.uid(str(one)) for one in element.value]
        return self.pseudonyms.uid(str(element.value or ""))

    def _moment(self, element: DataElement, action: Action | None) -> DataElement | None:
        if self.days is not None and element.keyword not in _BIRTH:
            shifted = _shifted(element, self.days)
            if shifted or element.keyword not in _DATED:
                return _with(element, shifted)
        if element.keyword in _DATED or action is Action.DUMMY:
            return _with(element, _DUMMIES[element.VR])
        return _with(element, "") if action is Action.EMPTY else None


def element_as_it_is(element: DataElement) -> DataElement | None:
    """Return an attribute that the profile leaves alone, if its value can hold no words."""
    if element.VR in table.BINARY:
        return element if element.tag in table.KEPT_BYTES else None
    if element.VR in table.FREE_TEXT:
        return element if element.tag in table.KEPT_TEXT | content.KEPT else None
    if element.VR == VR.CS:
        many = element.value if isinstance(element.value, MultiValue) else [element.value or ""]
        return element if all(_CODE.fullmatch(str(one)) for one in many) else None
    return element


def _with(element: DataElement, value: Any) -> DataElement:  # noqa: ANN401 - what the VR says
    return DataElement(element.tag, element.VR, value, validation_mode=config.IGNORE)


def _shifted(element: DataElement, days: int) -> str:
    """Move the day of a DA or DT into the past; a TM stays, what is neither goes."""
    text = str(element.value or "").strip()
    if not _FORMS[VR(element.VR)].fullmatch(text):
        return ""
    if element.VR == VR.TM:
        return text
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{day:%Y%m%d}{text[8:]}"


def _person(source: Dataset) -> tuple[str, str]:
    """Return issuer and id of the patient; of one without an id, his study.

    People without an id are not all the same one.
    """
    patient = str(source.get("PatientID") or "")
    if patient.strip():
        return str(source.get("IssuerOfPatientID") or ""), patient
    return "StudyInstanceUID", str(source.get("StudyInstanceUID") or "")


def _identify(target: Dataset, pseudonym: str) -> None:
    target.SpecificCharacterSet = "ISO_IR 192"
    target.PatientID = pseudonym
    target.PatientName = pseudonym
    for keyword in _TYPE_2:
        if keyword not in target:
            setattr(target, keyword, "")


def _declare(target: Dataset, *, shifted: bool) -> None:
    """Say that, and how, the object was de-identified (PS3.15 E.1.1, PS3.3 C.7.1.1, C.7.2.1)."""
    target.PatientIdentityRemoved = "YES"
    target.DeidentificationMethod = METHOD
    codes = (*_CODES, _MODIFIED_DATES) if shifted else _CODES
    target.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    target.LongitudinalTemporalInformationModified = "MODIFIED" if shifted else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _meta(source: Dataset, target: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = target.SOPClassUID
    meta.MediaStorageSOPInstanceUID = target.SOPInstanceUID
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "DICOM_NODE"
    return meta
