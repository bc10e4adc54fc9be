"""The configured destinations, by name."""

from dicom_node.archive.dimse import DimseDestination
from dicom_node.archive.stow import StowDestination
from dicom_node.ports import Destination
from dicom_node.settings import Settings


def build(settings: Settings) -> dict[str, Destination]:
    """Return each configured destination by its name."""
    return {
        d.name: DimseDestination(d, settings.ae_title) if d.kind == "dimse" else StowDestination(d)
        for d in settings.destinations
    }
