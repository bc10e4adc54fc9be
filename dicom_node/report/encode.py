"""Result objects as DICOM files, the same bytes each time."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.domain import Heatmap, ObjectRef, TriageResult
from dicom_node.errors import ReportError
from dicom_node.ports import ResultWriter
from dicom_node.report.naming import IMPLEMENTATION_CLASS_UID
from dicom_node.report.provenance import VERSION

IMPLEMENTATION_VERSION_NAME: Final = f"DCMNODE_{VERSION}"[:16]


def objects(
    writer: ResultWriter,
    result: TriageResult,
    sources: Sequence[Dataset],
    heatmaps: Sequence[Heatmap],
) -> Iterator[tuple[ObjectRef, bytes]]:
    """Yield all that a writer makes of a run, as files, what `ResultWriter.reference` names first.

    Raises ReportError.
    """
    if not writer.applies(heatmaps):
        return
    yield writer.reference(result), to_file(writer.write(result, sources, heatmaps))
    for further in writer.further(result, sources, heatmaps):
        ref = ObjectRef(
            sop_class_uid=str(further.SOPClassUID),
            sop_instance_uid=str(further.SOPInstanceUID),
            series_instance_uid=str(further.SeriesInstanceUID),
        )
        yield ref, to_file(further)


def to_file(dataset: Dataset) -> bytes:
    """Return ``dataset`` as a Part 10 file in Explicit VR Little Endian (PS3.10 7.1).

    The file meta information is ours and fixed; nothing in it tells when it was written.
    Raises ReportError where a value cannot be encoded.
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    plain = Dataset(dataset)
    plain.file_meta = meta
    target = BytesIO()
    try:
        dcmwrite(target, plain, enforce_file_format=True)
    except (ValueError, TypeError, AttributeError) as exc:
        raise ReportError(
            f"object {dataset.SOPInstanceUID} cannot be encoded: {type(exc).__name__}"
        ) from exc
    return target.getvalue()
