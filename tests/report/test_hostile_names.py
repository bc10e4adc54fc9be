"""Names in every character set, and hostile ones, come out right in reports, files and tables."""

from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from rich.console import Console

from dicom_node.cli import table
from dicom_node.domain import Refusal, RefusalCode, RunState, WorklistItem
from dicom_node.pixels.load import parse
from dicom_node.report import registry
from dicom_node.report.encode import to_file
from tests import builders
from tests.hostile_names import EVERY_CHARSET, WORST
from tests.validators import dciodvfy_errors

WRITERS = registry.writers("AITRIAGE")


def film(charset: str | tuple[str, ...], name: str) -> Dataset:
    patient = {**builders.PATIENT, "PatientName": name}
    return builders.Film("names", charset=charset, patient=patient).build()


def reread(image: Dataset) -> tuple[Dataset, bytes]:
    file = to_file(WRITERS["sr"].write(builders.result([image]), [image], []))
    return dcmread(BytesIO(file)), file


@pytest.mark.parametrize("name", sorted(EVERY_CHARSET))
def test_name_of_every_character_set_is_the_same_in_the_report(name: str) -> None:
    charset, words = EVERY_CHARSET[name]
    image = film(charset, words if name != "chinese_2022" else "")
    if name == "chinese_2022":  # pydicom writes it without its escapes; these are PS3.5 K.2's
        value = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"
        tag = BaseTag(0x00100010)
        image._dict[tag] = RawDataElement(tag, "PN", len(value), value, 0, False, True)
    report, file = reread(image)
    assert report.SpecificCharacterSet == "ISO_IR 192"
    assert str(report.PatientName) == words
    assert words.encode() in file


@pytest.mark.parametrize("name", sorted(WORST))
def test_hostile_name_is_the_same_in_the_report(name: str, tmp_path: Path) -> None:
    report, file = reread(film("ISO_IR 192", WORST[name]))
    assert str(report.PatientName) == WORST[name]
    (tmp_path / "sr.dcm").write_bytes(file)
    assert dciodvfy_errors(tmp_path / "sr.dcm") == []


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        (b"ISO_IR 192", b"M\xfcller^X"),  # Latin-1 that claims to be UTF-8
        (b"ISO_IR 100", "Müller^X ".encode()),  # UTF-8 that claims to be Latin-1
        (b"ISO_IR 999", b"M\xfcller^X"),
        (b"\\ISO 2022 IR 87", b"\x1b$B\x21\x1b(B^X"),  # half a character
        (b"ISO_IR 192", b"\xed\xa0\x80^X "),  # a lone surrogate
        (b"ISO_IR 6", b"\x1b]0;title\x07\x1b[2J^"),
        (b"ISO_IR 192", b"a\x00b\r\n\x1b[31m^x "),
    ],
)
def test_wrongly_declared_name_gives_a_readable_report(charset: bytes, raw: bytes) -> None:
    image = film("ISO_IR 100", "@" * len(raw))
    file = builders.as_file(image)
    old = b"CS\x0a\x00ISO_IR 100"
    padded = charset + b" " * (len(charset) % 2)
    file = file.replace(old, b"CS" + len(padded).to_bytes(2, "little") + padded)
    broken = parse(file.replace(b"@" * len(raw), raw))
    report, _ = reread(broken)
    assert report.SpecificCharacterSet == "ISO_IR 192"
    str(report.PatientName).encode()  # no surrogate, nothing that UTF-8 cannot say


def refused(words: str) -> WorklistItem:
    """Return an item whose sender chose all the words."""
    return WorklistItem(
        study_instance_uid="1.2.3", accession_number=words, patient_id=words, patient_name=words,
        modality=words, study_description=words, state=RunState.REFUSED, priority=None,
        priority_reason=None, findings=(), model=None, error=None, received_at=None,
        refusal=Refusal(RefusalCode.MODALITY_NOT_SUPPORTED, f"No model reads modality {words}."),
        reported_at=None, wait_s=None, assessment=None, viewer_url="", report=None, images=None,
    )  # fmt: skip


def drawn(words: str) -> str:
    target = StringIO()
    Console(file=target, width=400, force_terminal=True, color_system=None).print(
        table.worklist([refused(words)])
    )
    return target.getvalue()


@given(st.text(st.characters(), max_size=30))
def test_terminal_gets_no_control_character_from_a_name(words: str) -> None:
    printed = drawn(words)
    assert not {c for c in printed if ord(c) < 32 and c != "\n"}
    assert "\x9b" not in printed
    assert "\u202e" not in printed


@pytest.mark.parametrize("name", ["html", "sql", "path", "percent", "markup", "astral"])
def test_terminal_shows_hostile_names_as_they_are(name: str) -> None:
    assert WORST[name] in drawn(WORST[name])
