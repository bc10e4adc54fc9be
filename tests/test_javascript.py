"""The rules of the house for what runs in browsers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "orthanc" / "viewer").glob("*.*js"))
LONGEST = 300
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(")
ELSEWHERE = re.compile(r"['\"`](https?:)?//")


@pytest.mark.parametrize("file", MODULES, ids=lambda f: f.name)
def test_module_is_short_and_writes_text_alone(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    assert text.startswith("//"), "a module begins with what it is for"
    assert MARKUP.findall(text) == []
    assert ELSEWHERE.findall(text) == []


@pytest.mark.parametrize("file", [f for f in MODULES if f.suffix == ".mjs"], ids=lambda f: f.name)
def test_what_is_exported_is_explained(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("export ") and not line.startswith("export default"):
            assert lines[number - 1].rstrip().endswith("*/"), f"{file.name}:{number + 1}"
