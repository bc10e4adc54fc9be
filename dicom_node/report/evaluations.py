"""The Qualitative Evaluations of a report: TID 1500 row 12, which highdicom cannot write."""

from typing import Final

from highdicom.sr import ContainerContentItem, ContentSequence
from pydicom.sr.codedict import codes as dcm

from dicom_node import codes
from dicom_node.domain import Presence, Priority, TriageResult
from dicom_node.report import items, normality
from dicom_node.report.items import concept
from dicom_node.report.provenance import RESEARCH

PRESENCE: Final = {
    Presence.PRESENT: codes.PRESENT,
    Presence.ABSENT: codes.ABSENT,
    Presence.UNDETERMINED: codes.UNDETERMINED,
}
URGENCY: Final = {
    Priority.STAT: codes.ACR_CATEGORY_1,
    Priority.HIGH: codes.ACR_CATEGORY_2,
    Priority.ROUTINE: codes.ACR_CATEGORY_3,
    Priority.LOW: codes.LOW_PRIORITY,
}


def evaluations(result: TriageResult) -> ContainerContentItem:
    """Return normality, priority, each class as present, absent or undetermined, and notes."""
    whole = items.container(concept(codes.QUALITATIVE_EVALUATIONS))
    whole.ContentSequence = ContentSequence(
        [
            items.code(concept(codes.NORMALITY), concept(normality.of(result.findings))),
            items.code(concept(codes.PRIORITY), concept(URGENCY[result.priority])),
            *(
                items.code(concept(finding.code), concept(PRESENCE[finding.presence]))
                for finding in result.findings
            ),
            *(items.text(dcm.DCM.Comment, sentence) for sentence in _comments(result)),
        ]
    )
    return whole


def _comments(result: TriageResult) -> tuple[str, ...]:
    urgency = f"Reading priority {result.priority.value}: {result.priority_reason}"
    return (RESEARCH, urgency, *_images(result), *result.notes)


def _images(result: TriageResult) -> tuple[str, ...]:
    """Return how many images were read; the notes tell why the others were not."""
    if result.images is None:
        return ()
    return (f"Images read: {result.images.read} of {result.images.eligible}.",)
