"""Log lines: ``event key=value``, with UIDs and ids only.

Values are restricted by `FIELDS`: a call with another key raises, so that a patient's name
cannot reach a log file by accident.
"""

import io
import logging
import sys
from typing import Final, TextIO, cast

import structlog

FIELDS: Final = frozenset(
    "study_uid series_uid sop_uid orthanc_id run_id state stage code attempt destination model "
    "version sha256 policy device queue task trigger count elapsed_ms due_s port pid error "
    "reason_code cursor user_role method path status process priority kind".split()
)
_STANDARD: Final = frozenset({"event", "level", "timestamp", "logger"})


def _only_known_fields(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    unknown = event.keys() - FIELDS - _STANDARD
    if unknown:
        raise ValueError(f"log fields not allowed: {', '.join(sorted(unknown))}")
    return event


class _StandardError(io.TextIOBase):
    """Standard error as it stands when a line is written: tests and shells exchange it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "INFO") -> None:
    """Send every log line of this process to standard error, one line each."""
    structlog.configure(
        processors=[
            _only_known_fields,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )


def get() -> structlog.typing.FilteringBoundLogger:
    """Return the logger of the node."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
