"""What libraries and the interpreter say, without what they quote.

A library's warning may hold a value of the file that it read, an exception's text the SQL with its
parameters, a URL the patient it asks for. Of all of this a log may tell who spoke, how gravely,
and where in the code it happened; never the words.
"""

import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

_TRUSTED: Final = frozenset({"celery", "kombu", "uvicorn"})
"""Their sentences are shown, with names and numbers of the node's own making only."""

_MUTED: Final = ("pydicom", "highdicom", "pynetdicom", "PIL", "matplotlib", "httpx", "httpcore")
"""Chatter about files and requests that the node itself answers, each with a code or a status."""


def where(exc: BaseException) -> str:
    """Return an error's class and its place in the code; never its text, which may hold data."""
    frames = traceback.extract_tb(exc.__traceback__)
    if not frames:
        return type(exc).__name__
    return f"{type(exc).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


class _Teller(logging.Handler):
    """Writes a foreign record as one line of the node's logs."""

    def emit(self, record: logging.LogRecord) -> None:
        level, name = record.levelname.lower(), record.name
        words = _words(record) if name.partition(".")[0] in _TRUSTED else ""
        error = where(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
        _line(level, name, words or error, error if words else "")


def contain() -> None:
    """Let nothing that a library logs, warns or raises reach standard error in its own words.

    For the processes of the node, whose standard error is a log file, at whatever log level: the
    level is about the node's own lines, and of a library only warnings and errors are told.
    """
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Teller)]:
        root.removeHandler(handler)
    root.addHandler(_Teller(logging.WARNING))
    for name in _MUTED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a record that cannot be formatted prints its arguments
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda told: _raised("unraisable", told.exc_value)
    threading.excepthook = lambda told: _raised("thread", told.exc_value)


def _words(record: logging.LogRecord) -> str:
    """Return a trusted library's sentence, its arguments reduced to numbers and classes."""
    sentence = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    arguments = record.args or ()
    try:
        if isinstance(arguments, dict):
            told = sentence % {key: _plain(value) for key, value in arguments.items()}
        else:
            told = sentence % tuple(_plain(value) for value in arguments) if arguments else sentence
    except (TypeError, ValueError, KeyError):
        told = sentence
    return " ".join(told.split())


def _plain(value: object) -> object:
    if isinstance(value, int | float):
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "…"


def _uncaught(kind: type[BaseException], exc: BaseException, _trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _raised("process", exc)


def _raised(what: str, exc: BaseException | None) -> None:
    causes = []
    while exc is not None:
        causes.append(where(exc))
        exc = exc.__cause__ or exc.__context__
    _line("error", what, "ended by an error", " from ".join(causes))


def _line(level: str, name: str, told: str, error: str) -> None:
    at = datetime.now(UTC).isoformat()
    quoted = told.replace('"', "'")
    tail = f' error="{error}"' if error else ""
    sys.stderr.write(
        f'timestamp={at} level={level} event=library logger={name} said="{quoted}"{tail}\n'
    )
    sys.stderr.flush()
