"""A real node for the tests: Orthanc, Redis, workers and API, on ports of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes import LiveNode
from tests.pacs import destination
from tests.small import small_node


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start one node for the whole session; its logs are printed where it does not come up."""
    home = tmp_path_factory.mktemp("node")
    live = LiveNode.at(home)
    (home / "node.toml").write_text(
        destination(live.destination_port, timeout_s=300), encoding="utf-8"
    )
    with live.running():
        yield live


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start one node with little of everything, for the whole session."""
    with small_node(tmp_path_factory.mktemp("small")) as live:
        yield live


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for rendered phantoms."""
    return tmp_path_factory.mktemp("phantoms")
