"""What one part of the node needs of another, as protocols."""

from dicom_node.ports.archive import (
    Archive,
    Catalogue,
    ChangeLog,
    Destination,
    Holdings,
    StoredResults,
)
from dicom_node.ports.intake import Admission, Queue
from dicom_node.ports.ledger import DeliveryBook, RunBook, ShadowBook, StudyBook
from dicom_node.ports.models import Classifier, Gate, Runtime, ShadowReader
from dicom_node.ports.report import ResultWriter

__all__ = [
    "Admission",
    "Archive",
    "Catalogue",
    "ChangeLog",
    "Classifier",
    "DeliveryBook",
    "Destination",
    "Gate",
    "Holdings",
    "Queue",
    "ResultWriter",
    "RunBook",
    "Runtime",
    "ShadowBook",
    "ShadowReader",
    "StoredResults",
    "StudyBook",
]
