"""Films made of others: the same picture as another study, with the header that a test wants."""

from pathlib import Path
from typing import Any

from pydicom import dcmread

from dicom_node import uids


def copy_of(file: Path, name: str, folder: Path, **attributes: Any) -> tuple[str, Path]:
    """Write a film into ``folder`` as a study of its own; return its Study Instance UID, file."""
    film = dcmread(file)
    film.SpecificCharacterSet = "ISO_IR 192"
    film.StudyInstanceUID = uids.derive("copy", name, "study")
    film.SeriesInstanceUID = uids.derive("copy", name, "series")
    film.SOPInstanceUID = uids.derive("copy", name, "film")
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.PatientID = film.AccessionNumber = name[:16]
    for keyword, value in attributes.items():
        setattr(film, keyword, value)
    written = folder / f"{name}.dcm"
    film.save_as(written, enforce_file_format=True)
    return str(film.StudyInstanceUID), written
