"""Names in every character set, and hostile ones, by C-STORE into a real node and out again."""

import json
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_node import uids
from tests import builders
from tests.hostile_names import EVERY_CHARSET, WORST
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

PYDICOM_CANNOT_WRITE = {"chinese_2022"}
ORTHANC_CANNOT_READ = {"latin9", "japanese_katakana"}
"""Orthanc 1.10 knows no ISO_IR 203 and decodes it as ASCII, and stays in one half of ISO 2022 IR 13
with 87; the report, which does not go by Orthanc's listing, is right in both."""

NAMES = {
    **{n: pair for n, pair in EVERY_CHARSET.items() if n not in PYDICOM_CANNOT_WRITE},
    **{n: ("ISO_IR 192", words) for n, words in WORST.items()},
}


def film(name: str) -> Dataset:
    charset, words = NAMES[name]
    patient = {**builders.PATIENT, "PatientName": words, "PatientID": f"NAMES-{name}"}
    return builders.Film(f"names {name}", charset=charset, patient=patient).build()


@pytest.fixture(scope="module")
def shown(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Send a film under every name; return what the worklist shows."""
    folder = tmp_path_factory.mktemp("names")
    files: list[Path] = []
    for name in NAMES:
        files.append(folder / f"{name}.dcm")
        files[-1].write_bytes(builders.as_file(film(name)))
    node.dcmsend(files)
    told = {n: node.final(uids.derive("test", f"names {n}", "study")) for n in NAMES}
    return {name: str(study["patient_name"]) for name, study in told.items()}


@pytest.mark.parametrize("name", sorted(NAMES.keys() - ORTHANC_CANNOT_READ))
def test_worklist_shows_the_name(name: str, shown: dict[str, str]) -> None:
    assert shown[name] == NAMES[name][1]


def test_no_name_reaches_a_log_or_makes_a_file(node: LiveNode, shown: dict[str, str]) -> None:
    words = [words.encode() for _, words in NAMES.values()]
    for file in (node.home / "logs").iterdir():
        content = file.read_bytes()
        assert [word for word in words if word in content] == [], file
    assert list(Path("/tmp").glob("evil*")) == []


def test_command_line_shows_names_without_control_characters(
    node: LiveNode, shown: dict[str, str]
) -> None:
    table = node.run("worklist").stdout
    assert "\x1b" not in table
    assert "\u202e" not in table
    assert WORST["html"][:20] in table
    listed = json.loads(node.run("worklist", "--json").stdout)["items"]
    names = {item["patient_name"] for item in listed}
    assert {shown[name] for name in NAMES} <= names
