"""Workers, as the ledger knows them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """A worker's sign of life: whether it takes studies, and why not where it takes none."""

    name: str
    ready: bool
    message: str
    device: str
    seen_at: datetime
