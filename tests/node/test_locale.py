"""A node under the locale C, in a folder and with words that are no ASCII, from start to report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.phantom.samples import demo_studies, frontal
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

_NAME = "Ørsted^Åse"
_UNSET = ("LANG", "LANGUAGE", "LC_CTYPE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> LiveNode:
    """Return a node that is still down and knows nothing of UTF-8 but by its own files."""
    home = tmp_path_factory.mktemp("knötchen")
    (home / "node.toml").write_text("# Prüfstation für Aufnahmen\n", encoding="utf-8")
    node = LiveNode.at(home)
    known = {name: value for name, value in node.environment.items() if name not in _UNSET}
    return replace(node, environment={**known, "LC_ALL": "C"})


def test_the_node_starts_and_reports_a_film_under_the_locale_c(
    plain: LiveNode, tmp_path: Path
) -> None:
    folder = tmp_path / "Aufnahmen für Åse"
    folder.mkdir()
    file = folder / "größe.dcm"
    with plain.running():
        _, (film,) = frontal(seed=5)
        film.SpecificCharacterSet = "ISO_IR 192"
        film.PatientName = _NAME
        film.save_as(file, enforce_file_format=True)
        told = plain.run("send", str(folder))
        assert "größe.dcm" not in told.stderr
        item = plain.final(str(film.StudyInstanceUID))
        assert item["state"] == "REPORTED"
        assert item["patient_name"] == _NAME
        (report,) = plain.stored(item["report"]["sop_instance_uid"])
        assert str(report.PatientName) == _NAME
        shown = plain.run("show", str(film.StudyInstanceUID), "--json").stdout
        assert json.loads(shown)["patient_name"] == _NAME
        assert plain.run("worklist").returncode == 0
        assert plain.get("/app/explorer.html").status_code == 200
        assert plain.run("doctor", "--json", check=False).stderr == ""
        (sample, *_) = demo_studies(tmp_path / "für die Vorführung", seed=12)
        done = plain.run("demo", "--input", str(sample.files[0].parent))
        assert "studies ended as they should" in done.stdout
    assert dcmread(file).PatientName == _NAME
