"""Which reports stand, by what each says of its predecessors (PS3.3 C.17.2.1)."""

from collections.abc import Collection

from pydicom import Dataset


def not_replaced(reports: Collection[Dataset]) -> list[Dataset]:
    """Return the reports that no other one names as its predecessor."""
    replaced = {
        str(sop.ReferencedSOPInstanceUID)
        for report in reports
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }
    return [one for one in reports if one.SOPInstanceUID not in replaced]
