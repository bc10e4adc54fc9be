"""The truth about studies and runs: states, results, deliveries, audit."""

from dicom_node.ledger.audit import AuditFilter
from dicom_node.ledger.changes import Census
from dicom_node.ledger.counts import BUCKETS_S, Counts
from dicom_node.ledger.engine import Ledger, open_ledger
from dicom_node.ledger.history import HistoryDay
from dicom_node.ledger.migration import migrate
from dicom_node.ledger.sessions import Lifetime

__all__ = [
    "BUCKETS_S",
    "AuditFilter",
    "Census",
    "Counts",
    "HistoryDay",
    "Ledger",
    "Lifetime",
    "migrate",
    "open_ledger",
]
