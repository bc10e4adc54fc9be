"""One phantom film, sent again and again as studies of whatever patient a test needs."""

from copy import deepcopy
from itertools import count
from pathlib import Path

from pydicom import Dataset, dcmread

from dicom_node import uids
from dicom_node.phantom.samples import frontal
from tests.nodes import LiveNode

_NUMBERS = count(1)


class Films:
    """Sends films to a node."""

    def __init__(self, node: LiveNode, folder: Path) -> None:
        _, (self._film,) = frontal(43)
        self._node = node
        self._folder = folder

    def send(self, name: str) -> str:
        """Send a film of a patient with this name; return its Study Instance UID."""
        return self.send_file(self.render(name))

    def send_file(self, file: Path) -> str:
        """Send a rendered film, again perhaps; return its Study Instance UID."""
        assert all(outcome.stored for outcome in self._node.send([file]))
        return str(dcmread(file, stop_before_pixels=True).StudyInstanceUID)

    def render(self, name: str) -> Path:
        """Write a film of its own study to a file."""
        dataset = self._make(name)
        file = self._folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        return file

    def _make(self, name: str) -> Dataset:
        dataset = deepcopy(self._film)
        number = str(next(_NUMBERS))
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = name
        dataset.PatientID = f"FILM-{number}"
        dataset.StudyInstanceUID = uids.derive("browser", "study", number)
        dataset.SeriesInstanceUID = uids.derive("browser", "series", number)
        dataset.SOPInstanceUID = uids.derive("browser", "instance", number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset
