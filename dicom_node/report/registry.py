"""The registry of result writers: a new format is one file, and one line here."""

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Final

from dicom_node.ports import ResultWriter
from dicom_node.report.heatmap import HeatmapWriter
from dicom_node.report.provenance import Station
from dicom_node.report.sr import SrWriter

_FACTORIES: Final[tuple[Callable[[Station], ResultWriter], ...]] = (
    SrWriter,
    HeatmapWriter,
)


def writers(serial: str, zone: tzinfo | None = UTC) -> Mapping[str, ResultWriter]:
    """Return every writer by name; ``serial`` names this node in its objects (its AE title).

    ``zone`` is the site's; None is this machine's.
    """
    station = Station(serial, zone)
    made = (factory(station) for factory in _FACTORIES)
    return {writer.name: writer for writer in made}
