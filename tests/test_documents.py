"""Documents that must keep up with the code."""

import tomllib
from pathlib import Path

import pytest

from dicom_node.settings import Settings
from dicom_node.supervision.programs import programs

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_setting_has_a_row(name: str) -> None:
    assert f"| `NODE_{name.upper()}` |" in OPERATIONS


def test_each_process_has_a_row(tmp_path: Path) -> None:
    for program in programs(Settings(home=tmp_path, redis_url="", orthanc_url="")):
        assert f"| `{program.name}` |" in OPERATIONS


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        name = requirement.partition("==")[0].partition("[")[0]
        assert f"| `{name}` |" in table, name


def test_readme_names_the_two_commands_and_the_limits() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = "\n".join(text.splitlines()[:40])
    for needed in ("script/demo", "script/test", "research only", "C-STORE"):
        assert needed in first_screen


def test_each_link_inside_the_documents_leads_somewhere() -> None:
    for file in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for part in file.read_text(encoding="utf-8").split("](")[1:]:
            target = part.partition(")")[0].partition("#")[0]
            if target and "://" not in target:
                assert (file.parent / target).exists(), f"{file.name}: {target}"
