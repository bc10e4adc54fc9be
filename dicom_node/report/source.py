"""Source headers as result objects need them: complete, valid, UTF-8, without pixels."""

import dataclasses
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from pydicom import config
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag
from pydicom.valuerep import VR, PersonName, validate_value

from dicom_node import log
from dicom_node.damage import UNREADABLE
from dicom_node.domain import Patient, TriageResult, contradictions, filled
from dicom_node.errors import ReportError

UTF8: Final = "ISO_IR 192"

_OFFSET: Final = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")
"""Timezone Offset From UTC (PS3.3 C.12.1.1.8)."""

_ESCAPE: Final = re.compile(r"\x1b[\x20-\x2f]+[\x30-\x7e]")
"""Code extensions (ISO 2022) that pydicom leaves in decoded text, as for ISO 2022 IR 58."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no text may hold (PS3.5 6.1.3), half characters included; lines may end in LT, ST, UT."""

_LINE: Final = re.compile(r"[\t\n\f\r]")

_LINED_VR: Final = frozenset({VR.LT, VR.ST, VR.UT})

_DEEPEST: Final = 8
"""Sequences that patient, study and order attributes nest at most; a bomb nests thousands."""

_HIGHEST_GROUP: Final = 0x0040
"""Patient, study, series, acquisition and request attributes all lie below."""

_SKIPPED_VR: Final = frozenset({VR.OB, VR.OB_OW, VR.OD, VR.OF, VR.OL, VR.OV, VR.OW, VR.UN})

_TEXT_VR: Final = frozenset(
    {VR.AE, VR.AS, VR.CS, VR.DA, VR.DS, VR.DT, VR.IS, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.TM}
    | {VR.UC, VR.UI, VR.UR, VR.UT}
)

_NAME: Final = BaseTag(0x00100010)

_EMPTY_WHEN_MISSING: Final = (
    "PatientID PatientName PatientBirthDate PatientSex StudyID StudyDate StudyTime "
    "AccessionNumber ReferringPhysicianName"
).split()
"""Type 2 in the result object (PS3.3 C.7.1.1, C.7.2.1); highdicom fails without them."""

_IDENTITY: Final = frozenset(
    "PatientID PatientName IssuerOfPatientID AccessionNumber StudyInstanceUID SeriesInstanceUID "
    "SOPInstanceUID SOPClassUID".split()
)
"""Copied as they stand, be they valid or not: a changed one names somebody else."""

_WHOSE: Final = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "IssuerOfPatientID",
)  # fmt: skip
"""The parts of `Patient`, in its order."""

_IMAGE: Final = (
    *_WHOSE,
    *"SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality Rows "
    "Columns FrameOfReferenceUID PixelSpacing ImagerPixelSpacing SliceThickness "
    "SpacingBetweenSlices ImagePositionPatient ImageOrientationPatient PatientOrientation "
    "LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod".split(),
)
"""What the second and later images of a series are asked for."""


def headers(result: TriageResult, sources: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """Return a clean header for each instance of ``result.evidence``, in that order.

    The first is complete and gives patient and study; the others hold what tells one image
    from the next. Raises ReportError where ``sources`` are not exactly the evidence, or belong
    to another study or to two patients.
    """
    by_uid = {_sop_instance_uid(source): source for source in sources}
    wanted = [ref.sop_instance_uid for ref in result.evidence]
    if not wanted or set(wanted) != by_uid.keys():
        raise ReportError(
            f"study {result.study_instance_uid}: {len(by_uid)} source images do not match the "
            f"{len(wanted)} that were read; read the study again"
        )
    with warnings.catch_warnings(record=True) as faults:
        warnings.simplefilter("always")
        first = _complete(by_uid[wanted[0]])
        rest = [_copy(by_uid[uid], map(_tag, _IMAGE)) for uid in wanted[1:]]
    if faults:
        log.get().warning(
            "source_header_faulty", study_uid=result.study_instance_uid, count=len(faults)
        )
    _same_study(result, (first, *rest))
    _fill(first, rest)
    return (first, *rest)


def without_name(header: Dataset) -> Dataset:
    """Return a copy with an empty name: highdicom prints names that it finds unusual."""
    nameless = Dataset()
    nameless.update({element.tag: element for element in header if element.tag != _NAME})
    nameless.PatientName = None
    return nameless


def local_time(at: datetime, header: Dataset, zone: tzinfo | None) -> datetime:
    """Return ``at`` in the zone that the source states (0008,0201), else in the node's.

    The dates and times that are copied from the source are in the same zone, or nobody knows.
    """
    offset = str(header.get("TimezoneOffsetFromUTC", ""))
    if not offset:
        local = at.astimezone(zone)
        # a place's offset before 1920 had seconds, which (0008,0201) has not
        whole = round((local.utcoffset() or timedelta()) / timedelta(minutes=1))
        return at.astimezone(timezone(timedelta(minutes=whole)))
    minutes = 60 * int(offset[1:3]) + int(offset[3:5])
    return at.astimezone(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))


def _same_study(result: TriageResult, images: Sequence[Dataset]) -> None:
    if any(image.get("StudyInstanceUID") != result.study_instance_uid for image in images):
        raise ReportError(f"a source image is not of study {result.study_instance_uid}")
    if contradictions(map(patient, images)):
        raise ReportError(f"study {result.study_instance_uid} holds images of two patients")


def patient(image: Dataset) -> Patient:
    """Return whose a clean header, or an object of the node's own, says it is."""
    return Patient(*(str(image.get(keyword) or "") for keyword in _WHOSE))


def _fill(first: Dataset, rest: Sequence[Dataset]) -> None:
    """Give the report what its key image lacks of the patient's identity and another one has."""
    known = filled(map(patient, (first, *rest)))
    for keyword, value in zip(_WHOSE, dataclasses.astuple(known), strict=True):
        if value and not first.get(keyword):
            setattr(first, keyword, value)


def _complete(source: Dataset) -> Dataset:
    header = _copy(source, source.keys())
    header.SpecificCharacterSet = UTF8
    for keyword in _EMPTY_WHEN_MISSING:
        if keyword not in header:
            setattr(header, keyword, None)
    if header.get("PatientIdentityRemoved") == "YES" and not _says_how(header):
        header.DeidentificationMethod = "not stated by the source"
    if header.PatientSex not in {"M", "F", "O", "", None}:
        header.PatientSex = None
    if not _OFFSET.fullmatch(str(header.get("TimezoneOffsetFromUTC", "+0000"))):
        del header.TimezoneOffsetFromUTC
    return header


def _sop_instance_uid(source: Dataset) -> str:
    try:
        return str(source.get("SOPInstanceUID", ""))
    except UNREADABLE:
        return ""  # matches no evidence: the report is refused for that


def _says_how(header: Dataset) -> bool:
    """Tell whether the de-identification is described, as Type 1C asks (PS3.3 C.7.1.1)."""
    return bool(
        header.get("DeidentificationMethod") or header.get("DeidentificationMethodCodeSequence")
    )


def _copy(source: Dataset, tags: Iterable[BaseTag], depth: int = 0) -> Dataset:
    header = Dataset()
    for tag in tags:
        if tag in source and tag.group <= _HIGHEST_GROUP and not tag.is_private:
            element = _clean(source, tag, depth)
            if element is not None:
                header.add(element)
    return header


def _clean(source: Dataset, tag: BaseTag, depth: int) -> DataElement | None:
    """Return the element re-made from its decoded value; None where it cannot be kept."""
    try:
        element = source[tag]
        if element.VR in _SKIPPED_VR or element.keyword in {"", "SpecificCharacterSet"}:
            return None
        value = _value(element, depth)
        if element.keyword not in _IDENTITY:
            _validate(element.VR, value)
            _single(tag, value)
        return DataElement(tag, _vr(element), value, validation_mode=config.IGNORE)
    except UNREADABLE:
        warnings.warn(f"{tag} has an impossible value", stacklevel=2)
        return None


def _value(element: DataElement, depth: int) -> Any:  # noqa: ANN401 - what the VR says
    """Return the value free of the source's character set: names as str, items re-made."""
    if element.VR == VR.SQ:
        if depth >= _DEEPEST:
            raise ValueError("sequences nest too deeply")
        return DicomSequence([_copy(item, item.keys(), depth + 1) for item in element.value])
    if isinstance(element.value, MultiValue):
        return [_plain(v, element.VR) for v in element.value]
    return _plain(element.value, element.VR)


def _plain(value: Any, vr: str) -> Any:  # noqa: ANN401 - as above
    """Return text without escape sequences and control characters, which no report may carry."""
    if not (isinstance(value, PersonName) or type(value) is str):
        return value
    text = _CONTROL.sub("", _ESCAPE.sub("", str(value)))
    return text if vr in _LINED_VR else _LINE.sub(" ", text)


def _validate(vr: str, value: Any) -> None:  # noqa: ANN401 - as above
    if vr not in _TEXT_VR:
        return
    for one in value if isinstance(value, list) else [value]:
        if one is not None:
            validate_value(vr, str(one), config.RAISE)


def _vr(element: DataElement) -> str:
    """Return the VR that PS3.6 gives the attribute; raise ValueError where the value has none."""
    known = dictionary_VR(element.tag)
    if element.VR in known.split(" or "):
        return element.VR
    if element.VR in _TEXT_VR and known in _TEXT_VR:
        return known
    raise ValueError("the value is of another kind than the attribute")


def _single(tag: BaseTag, value: Any) -> None:  # noqa: ANN401 - as above
    """Raise ValueError for several values where PS3.6 knows one: no reader expects them."""
    if isinstance(value, list) and dictionary_VM(tag) == "1":
        raise ValueError("several values instead of one")


def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ReportError(f"{keyword} is no DICOM keyword")
    return BaseTag(tag)
