"""The order that a report answers, taken from its source images."""

from typing import Final

from pydicom.dataset import Dataset

_FROM_ITEM: Final = (
    "RequestedProcedureID RequestedProcedureDescription RequestedProcedureCodeSequence"
).split()
_FROM_STUDY: Final = (
    "PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest"
).split()


def references(header: Dataset) -> list[Dataset] | None:
    """Return the items of Referenced Request Sequence (0040,A370), PS3.3 C.17.2.

    Copied where the source has them, else built from its Request Attributes Sequence
    (0040,0275); None where the source names no order.
    """
    if header.get("ReferencedRequestSequence"):
        return list(header.ReferencedRequestSequence)
    orders = header.get("RequestAttributesSequence")
    return [_item(header, order) for order in orders] if orders else None


def _item(header: Dataset, order: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = order.get("StudyInstanceUID") or header.StudyInstanceUID
    item.ReferencedStudySequence = []
    item.AccessionNumber = order.get("AccessionNumber") or header.AccessionNumber
    for keyword in _FROM_ITEM:
        setattr(item, keyword, order.get(keyword))
    for keyword in _FROM_STUDY:
        setattr(item, keyword, header.get(keyword))
    return item
