"""Log lines: known fields only, on whatever standard error is at the time."""

import contextlib
import io
from collections.abc import Iterator

import pytest
import structlog

from dicom_node import log


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_line_is_event_and_known_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.get().info("run.reported", study_uid="1.2.3")
    line = capsys.readouterr().err
    assert "event=run.reported" in line
    assert "study_uid=1.2.3" in line


def test_field_that_could_hold_a_name_is_an_error() -> None:
    log.configure()
    with pytest.raises(ValueError, match="patient_name"):
        log.get().info("run.reported", patient_name="Somebody")


def test_line_goes_to_the_standard_error_of_the_moment() -> None:
    first, second = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(first):
        log.configure()
        log.get().info("one")
    first.close()
    with contextlib.redirect_stderr(second):
        log.get().info("two")
    assert "event=two" in second.getvalue()
