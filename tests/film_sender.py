"""One phantom film, sent again and again as studies of whatever patient a test needs."""

from itertools import count
from pathlib import Path

from pydicom import dcmread

from dicom_node.phantom.samples import frontal
from tests.films import copy_of
from tests.nodes import LiveNode

_NUMBERS = count(1)


class FilmSender:
    """Sends films to a node."""

    def __init__(self, node: LiveNode, folder: Path) -> None:
        _, (film,) = frontal(43)
        self._film = folder / "film.dcm"
        film.save_as(self._film, enforce_file_format=True)
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
        number = next(_NUMBERS)
        _, file = copy_of(self._film, f"WORKLIST-{number}", self._folder, PatientName=name)
        return file
