"""Result objects as DICOM files, the same bytes each time."""

from io import BytesIO
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.errors import ReportError
from dicom_node.report.naming import IMPLEMENTATION_CLASS_UID
from dicom_node.report.provenance import VERSION

IMPLEMENTATION_VERSION_NAME: Final = f"DCMNODE_{VERSION}"[:16]


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
