"""From the bytes of a DICOM file to a data set, or a refusal."""

import zlib
from dataclasses import dataclass
from io import BytesIO

from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicom_node import charsets
from dicom_node.damage import UNREADABLE
from dicom_node.domain import InstanceRef, RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import header, inflation

TOO_MUCH_MEMORY = "Reading the image takes more memory than this node gives to one study."

_NAMES = (
    "PatientName", "PatientID", "StudyDescription", "ReferringPhysicianName", "InstitutionName",
)  # fmt: skip
"""Text by which an undeclared character set is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """An instance of the archive with its data set."""

    ref: InstanceRef
    dataset: Dataset


def load(ref: InstanceRef, dicom_file: bytes) -> Loaded:
    """Read the file of an archived instance; raises PixelError, as `parse`."""
    return Loaded(ref, parse(dicom_file))


def parse(dicom_file: bytes) -> Dataset:
    """Read a DICOM file from memory.

    Raises PixelError: UNDECODABLE, or IMAGE_TOO_LARGE where memory does not suffice. A file
    without preamble or meta information is refused too: guessing its encoding would read some
    other file wrongly (PS3.10 7.1).
    """
    # Foreign files hold odd UIDs, dates and names: no reason not to look at their pixels.
    config.settings.reading_validation_mode = config.IGNORE
    inflation.check(dicom_file)
    try:
        with header.tolerant():
            dataset = dcmread(BytesIO(dicom_file))
    except InvalidDicomError as exc:
        raise PixelError(RefusalCode.UNDECODABLE, "The file is not a DICOM file.") from exc
    except RecursionError as exc:
        raise PixelError(
            RefusalCode.UNDECODABLE, "The file nests sequences too deeply to be read."
        ) from exc
    except MemoryError as exc:
        raise PixelError(RefusalCode.IMAGE_TOO_LARGE, TOO_MUCH_MEMORY) from exc
    except (*UNREADABLE, zlib.error) as exc:
        raise PixelError(
            RefusalCode.UNDECODABLE, "The file is damaged: its data set cannot be read."
        ) from exc
    if not len(dataset):
        raise PixelError(RefusalCode.UNDECODABLE, "The file is damaged: its data set is empty.")
    _read_by_what_is_meant(dataset)
    return dataset


def _read_by_what_is_meant(dataset: Dataset) -> None:
    """Let pydicom read the text by another character set where the declared one cannot be true."""
    try:
        declared = header.texts(dataset, "SpecificCharacterSet")
    except PixelError:
        return
    # As stored: an empty value that is not kept deferred would be converted, and may raise.
    stored = (dataset.get_item(name, keep_deferred=True) for name in _NAMES if name in dataset)
    meant = charsets.meant(declared, [e.value for e in stored if isinstance(e.value, bytes)])
    if meant != declared:
        dataset.SpecificCharacterSet = [*meant]
        implicit, little = dataset.original_encoding
        dataset.set_original_encoding(implicit, little, charsets.encodings(meant))


def refer(dataset: Dataset) -> InstanceRef:
    """Name the instance that a data set holds; absent UIDs are empty strings."""
    return InstanceRef(
        sop_instance_uid=header.text(dataset, "SOPInstanceUID"),
        sop_class_uid=header.text(dataset, "SOPClassUID"),
        series_instance_uid=header.text(dataset, "SeriesInstanceUID"),
    )
