"""A ledger on each kind of database, with a clock that the test moves."""

from collections.abc import Iterator

import pytest

from dicom_node.ledger import Ledger, open_ledger
from tests.databases import postgres_server, url
from tests.ledgers import Clock, viewer_url

__all__ = ["clock", "ledger", "postgres_server", "url"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(url, viewer_url, clock=clock)
    yield opened
    opened.close()
