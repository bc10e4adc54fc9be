"""The truth about studies and runs: states, results, deliveries, audit."""

from dicom_node.ledger.audit import AuditFilter
from dicom_node.ledger.counts import BUCKETS_S, Counts
from dicom_node.ledger.engine import Ledger, open_ledger
from dicom_node.ledger.history import HistoryDay
from dicom_node.ledger.migration import migrate

__all__ = [
    "BUCKETS_S",
    "AuditFilter",
    "Counts",
    "HistoryDay",
    "Ledger",
    "migrate",
    "open_ledger",
]
