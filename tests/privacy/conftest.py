"""A node that a marked patient has taken every way through."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage
from pynetdicom import AE, evt

from tests.marked_ways import take_every_way
from tests.nodes import LiveNode, free_port

_DESTINATIONS = """
[[destinations]]
name = "away"
kind = "dimse"
port = {away}
ae_title = "AWAY"
timeout_s = 2
[[destinations]]
name = "rejecting"
kind = "dimse"
port = {rejecting}
ae_title = "REJECT"
timeout_s = 5
"""


def _reject(event: evt.Event) -> Dataset:
    """Refuse what is stored, in words that name the patient (PS3.7 C.4.1.3)."""
    answer = Dataset()
    answer.Status = 0xC000
    answer.ErrorComment = f"no {event.dataset.PatientName} here"[:64]
    return answer


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the node's temporary files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> Iterator[LiveNode]:
    """Start a node that logs all it can, with two destinations that do not take its results."""
    home = tmp_path_factory.mktemp("private")
    ae = AE("REJECT")
    ae.add_supported_context(Comprehensive3DSRStorage)
    rejecting = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, _reject)]
    )
    assert rejecting is not None
    environment = {
        **os.environ,
        "NODE_LOG_LEVEL": "DEBUG",
        "NODE_CHECKPOINTS": str(home / "checkpoints"),
        "TMPDIR": str(scratch),
    }
    live = LiveNode(home, free_port(), free_port(), free_port(), environment)
    (home / "node.toml").write_text(
        _DESTINATIONS.format(away=live.destination_port, rejecting=rejecting.server_address[1]),
        encoding="utf-8",
    )
    try:
        with live.running():
            yield live
    finally:
        rejecting.shutdown()


@pytest.fixture(scope="module")
def said(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Take every way, and return each answer that is no worklist."""
    return take_every_way(node, tmp_path_factory.mktemp("sent"))
