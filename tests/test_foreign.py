"""Libraries and the interpreter say where and how gravely, never what they read."""

import subprocess
import sys

SECRET = "Marked^Patient"

PROGRAM = """
import logging, sys, threading, warnings
from dicom_node import foreign
foreign.contain()
foreign.contain()
secret = {secret!r}
{body}
"""


def said_by(body: str) -> str:
    """Run a program that contains its libraries; return what reached standard error."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(secret=SECRET, body=body)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert SECRET not in ran.stderr, ran.stderr
    assert ran.stdout == ""
    return ran.stderr


def test_log_of_an_unknown_library_is_told_without_its_words() -> None:
    said = said_by("logging.getLogger('lib.part').error('cannot read ' + secret)")
    assert "event=library logger=lib.part" in said
    assert "level=error" in said


def test_sentence_of_a_known_library_keeps_numbers_and_classes_alone() -> None:
    said = said_by(
        "logging.getLogger('celery.worker').warning("
        "'lost %s after %d tries: %r', secret, 3, ValueError(secret))"
    )
    assert "said=\"lost … after 3 tries: 'ValueError'\"" in said


def test_traceback_becomes_a_place() -> None:
    said = said_by(
        "try:\n    raise ValueError(secret)\n"
        "except ValueError:\n    logging.getLogger('uvicorn.error').exception('Exception in app')"
    )
    assert 'error="ValueError at <string>:' in said
    assert "Traceback" not in said


def test_uncaught_errors_of_process_and_thread_become_places() -> None:
    said = said_by(
        "def fail():\n    raise KeyError(secret)\n"
        "thread = threading.Thread(target=fail)\nthread.start()\nthread.join()\n"
        "try:\n    fail()\nexcept KeyError as exc:\n    raise RuntimeError(secret) from exc"
    )
    assert "logger=thread" in said
    assert "RuntimeError at <string>" in said
    assert "from KeyError at <string>" in said


def test_warnings_and_broken_records_are_contained() -> None:
    said = said_by(
        "warnings.warn('Invalid value: ' + secret)\n"
        "logging.getLogger('celery').error('%d of', secret)\n"
        "logging.getLogger('pydicom').error(secret)"
    )
    assert "logger=py.warnings" in said
    assert "logger=pydicom" not in said
