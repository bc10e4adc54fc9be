"""Parts that die at their start, with a real supervisord and real processes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.settings import Settings
from dicom_node.supervision import deaths, lifecycle, render
from dicom_node.supervision.client import Part
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import Program
from tests.nodes import NotYetError, eventually, free_port

_DEADLINE_S = 120.0
_MORTAL = 'date +%s.%N >>"{births}"; {life}; echo "{words}"; echo as ever; exit 3'


def run(home: Path, *commands: str) -> Settings:
    """Start a supervisord of these shell commands, named part0, part1…, as the node's parts."""
    settings = Settings(home=home, http_port=free_port(), dicom_port=free_port())
    layout = Layout.of(settings)
    layout.create()
    parts = [Program(f"part{n}", ("/bin/sh", "-c", c), n) for n, c in enumerate(commands)]
    layout.supervisor_file.write_text(render.supervisor(layout, parts), encoding="utf-8")
    lifecycle.start_detached(layout.supervisor_file)
    return settings


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Settings]:
    """Return a node whose second part lives for the time that the file ``life`` says, and dies."""
    births, life = tmp_path / "births", tmp_path / "life"
    births.touch()
    life.write_text("2", encoding="utf-8")
    mortal = _MORTAL.format(
        births=births, life=f'sleep "$(cat {life})"', words="RuntimeError: no explorer.js in é"
    )
    settings = run(tmp_path / "nöde", "sleep 600", mortal)
    yield settings
    lifecycle.stop(settings)


def waited(settings: Settings) -> tuple[float, str]:
    """Wait for the node as ``up`` does; return how long it took and what was amiss."""
    start = time.monotonic()
    ready, amiss = lifecycle.wait_ready(settings, _DEADLINE_S, lambda _: None)
    assert not ready
    return time.monotonic() - start, amiss


@pytest.mark.parametrize("life_s", ["0", "0.5", "2", "6"])
def test_a_part_that_dies_at_its_start_is_named_with_its_last_line_in_time(
    node: Settings, life_s: str
) -> None:
    (node.root.parent / "life").write_text(life_s, encoding="utf-8")
    took_s, amiss = waited(node)
    assert took_s < _DEADLINE_S  # it did not wait for what will not come
    assert "part1" in amiss
    assert "part0" not in amiss
    assert "RuntimeError: no explorer.js in é" in amiss


def test_a_node_in_the_foreground_names_it_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, http_port=free_port(), dicom_port=free_port())
    layout = Layout.of(settings)
    layout.create()
    mortal = Program("mortal", ("/bin/sh", "-c", "echo KeyError: x; exit 3"), 1)
    layout.supervisor_file.write_text(render.supervisor(layout, [mortal]), encoding="utf-8")
    script = (
        "import sys; from pathlib import Path; from dicom_node.cli import lifecycle as cli\n"
        "from dicom_node.settings import Settings; from dicom_node.supervision import lifecycle\n"
        "site = Settings(home=Path(sys.argv[1]))\n"
        "lifecycle.start_in_foreground(\n"
        "    Path(sys.argv[2]), lambda lives: cli._tell_start(site, 120, lives))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(layout.supervisor_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as up:
        try:
            assert up.stderr is not None
            told = next(line for line in up.stderr if "mortal is" in line)
        finally:
            up.terminate()
    assert told.startswith("the node is not ready: mortal is ")
    assert told.endswith("KeyError: x\n")


def test_status_names_it_too_whichever_state_it_is_in(node: Settings) -> None:
    states = set()
    for attempt in eventually(30):
        with attempt:
            _, part = lifecycle.state(node)
            if part.has_died:
                assert "RuntimeError: no explorer.js" in deaths.told(part)
                states.add(part.state)
            if states != {"BACKOFF", "STARTING"}:
                raise NotYetError(part.state)


def test_restarts_back_off_where_a_part_lives_for_some_seconds(node: Settings) -> None:
    births = node.root.parent / "births"
    for attempt in eventually(120):
        with attempt:
            born = [float(line) for line in births.read_text(encoding="utf-8").split()]
            if len(born) < 6:
                raise NotYetError(str(born))
    pauses = [later - earlier for earlier, later in pairwise(born)]
    assert pauses[-1] > pauses[0]  # by a second each time


def test_a_program_that_is_gone_is_named_with_the_reason(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, http_port=free_port(), dicom_port=free_port())
    layout = Layout.of(settings)
    layout.create()
    gone = Program("gone", ("/nowhere/orthanc",), 1)
    layout.supervisor_file.write_text(render.supervisor(layout, [gone]), encoding="utf-8")
    lifecycle.start_detached(layout.supervisor_file)
    try:
        took_s, amiss = waited(settings)
    finally:
        lifecycle.stop(settings)
    assert took_s < _DEADLINE_S  # it did not wait for what will not come
    assert "gone" in amiss
    assert "can't find command '/nowhere/orthanc'" in amiss


def part(state: str, uptime_s: int | None, ended_at_s: int | None, log: Path) -> Part:
    return Part("p", state, None if uptime_s is None else 7, uptime_s, "", str(log), ended_at_s)


def test_a_part_that_is_killed_once_and_lives_on_is_not_named(tmp_path: Path) -> None:
    watch, log = deaths.Watch(), tmp_path / "p.log"
    seen = [("STARTING", 0, None), ("STARTING", 2, None), ("BACKOFF", None, 1002)]
    seen += [("STARTING", uptime_s, 1002) for uptime_s in range(4)]
    told = [watch.see([part(*one, log)], waited_s) for waited_s, one in enumerate(seen)]
    assert told == [None] * len(seen)
    assert watch.unsettled() == ()
    assert watch.see([part("STARTING", 20, 1002, log)], 30) is None


def test_what_ended_before_anybody_watched_does_not_count(tmp_path: Path) -> None:
    watch = deaths.Watch()
    assert watch.see([part("RUNNING", 4000, 17, tmp_path / "p.log")], 60) is None
    assert watch.unsettled() == ()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"", "its log is empty"),
        (b"one\n\n two \n\n", "two"),
        (b"E1129 plugin.cpp:1] no such file\nW1129 main.cpp:2] Orthanc has stopped\n",
         "E1129 plugin.cpp:1] no such file"),
        (b"nginx: [emerg] bind() to 127.0.0.1:80\nbye\n", "nginx: [emerg] bind() to 127.0.0.1:80"),
        (b"Traceback:\n  raise KeyError(x)\nKeyError: 'x'\n", "KeyError: 'x'"),
        ("KeyError: 'ö".encode("latin-1"), "KeyError: '�"),
    ],
)  # fmt: skip
def test_last_words(tmp_path: Path, written: bytes, told: str) -> None:
    log = tmp_path / "p.log"
    log.write_bytes(written)
    assert deaths.last_words(part("BACKOFF", None, 5, log)) == told


def test_last_words_without_a_log(tmp_path: Path) -> None:
    assert deaths.last_words(part("BACKOFF", None, 5, tmp_path / "none.log")) == "its log is empty"


@given(written=st.binary(max_size=40_000))
def test_last_words_are_one_line_whatever_is_in_the_log(
    written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("logs") / "p.log"
    log.write_bytes(written)
    told = deaths.last_words(part("BACKOFF", None, 5, log))
    assert len(told.splitlines()) == 1
