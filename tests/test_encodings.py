"""Text is read and written in an encoding that is named: a machine may have the locale C."""

import ast

import pytest

from tests.encodings import unsaid
from tests.test_house_rules import ROOT, repository, text_of


def test_every_text_file_and_every_pipe_is_opened_with_its_encoding() -> None:
    python = [file for file in repository() if file.suffix == ".py" or _is_script(text_of(file))]
    places = [
        f"{file.relative_to(ROOT)}:{call.lineno} {ast.unparse(call.func)}"
        for file in python
        for call in unsaid(text_of(file))
    ]
    assert places == []


def _is_script(text: str) -> bool:
    return text.startswith("#!") and "python" in text.partition("\n")[0]


@pytest.mark.parametrize(
    "source",
    [
        "open('x')",
        "open('x', 'w')",
        "open('x', mode='a+')",
        "os.fdopen(3, 'w')",
        "os.fdopen(3)",
        "io.open('x', 'rt')",
        "gzip.open('x', 'rt')",
        "path.open()",
        "path.open('w', newline='')",
        "(folder / 'x').open(buffering=1)",
        "path.read_text()",
        "path.read_text(errors='replace')",
        "path.write_text('x')",
        "path.write_text(data='x')",
        "subprocess.run(['x'], text=True)",
        "subprocess.Popen(['x'], universal_newlines=True)",
        "tempfile.NamedTemporaryFile('w')",
        "tempfile.TemporaryFile(mode='w+')",
    ],
)
def test_what_names_no_encoding_is_found(source: str) -> None:
    assert len(list(unsaid(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "open('x', 'rb')",
        "open('x', encoding='ascii')",
        "os.open('x', os.O_RDONLY)",
        "os.fdopen(3, 'wb')",
        "path.open('rb')",
        "path.open('w', encoding='utf-8')",
        "path.read_text('utf-8')",
        "path.write_text('x', 'utf-8')",
        "path.read_text(**how)",
        "Image.open(buffer)",
        "Image.open('film.png')",
        "viewer.open(study, stock=True)",
        "seal.open(sealed)",
        "subprocess.run(['x'], encoding='utf-8')",
        "subprocess.run(['x'])",
        "tempfile.NamedTemporaryFile()",
    ],
)
def test_what_names_one_or_needs_none_is_passed_over(source: str) -> None:
    assert list(unsaid(source)) == []
