"""The rules of the house that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST_PLUGIN = 120
LONGEST_GUIDE = 150
LARGEST_FILE_BYTES = 20 * 1000 * 1000

REGISTRIES = (
    r"pypi\.org",
    r"pythonhosted\.org",
    r"npmjs\.(org|com)",
    r"deb\.debian\.org",
    r"download\.pytorch\.org",
)
MACHINES = ("/work/(main|shared)", "/opt/(wheels|pypi)", r"/home/\w+")
UNFINISHED = (r"\bTODO\b", r"\bFIXME\b", "raise NotImplementedError")
SLEEPS = (r"time\.sleep", "from time import .*sleep")


def repository(*patterns: str) -> list[Path]:
    """Return the files of the repository, new ones included, ignored ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    files = [ROOT / line for line in listed.stdout.splitlines()]
    return [file for file in files if file.is_file()]


def text_of(file: Path) -> str:
    """Return a text file's content; empty for a binary one."""
    content = file.read_bytes()
    return "" if b"\0" in content else content.decode()


def offenders(patterns: tuple[str, ...], files: list[Path]) -> list[str]:
    """Return ``file:line`` of each line that matches one of the patterns, but for this file."""
    wanted = re.compile("|".join(patterns))
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        if file != Path(__file__).resolve()
        for number, line in enumerate(text_of(file).splitlines(), 1)
        if wanted.search(line)
    ]


def test_the_plugin_is_thin() -> None:
    assert text_of(ROOT / "orthanc" / "triage_plugin.py").count("\n") <= LONGEST_PLUGIN


def test_contributing_is_short_enough_to_be_read() -> None:
    assert text_of(ROOT / "CONTRIBUTING.md").count("\n") <= LONGEST_GUIDE


def test_nothing_names_a_package_registry() -> None:
    assert offenders(REGISTRIES, repository()) == []


def test_nothing_names_a_path_of_one_machine() -> None:
    assert offenders(MACHINES, repository()) == []


def test_nothing_is_left_unfinished() -> None:
    assert offenders(UNFINISHED, repository("*.py", "script/*", "*.toml", "*.ts", "*.js")) == []


def test_no_test_sleeps() -> None:
    assert (
        offenders((r"time\.sl" "eep", r"from time import .*sl" "eep"), repository("tests/*")) == []
    )


@pytest.mark.parametrize("folder", ["tests", "orthanc"])
def test_no_package_file_where_there_is_no_package(folder: str) -> None:
    assert repository(f"{folder}/**/__init__.py", f"{folder}/__init__.py") == []


def test_no_image_of_a_patient_and_no_large_file() -> None:
    files = repository()
    assert [f.name for f in files if f.suffix in {".dcm", ".nii", ".jpg", ".jpeg"}] == []
    assert [f.name for f in files if f.stat().st_size > LARGEST_FILE_BYTES] == []
