"""What a long worklist costs: all items in Python, as it was, against heads first.

A SQLite ledger of studies in every state, read by the API's own code in this process. The answers
are compared before anything is timed. `304` is what a page gets that is up to date; `board` is
what the page asks for.

    .venv/bin/python -m bench.worklist --studies 3000 --rounds 15
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from dicom_node import jsonform, policy
from dicom_node.api import worklist
from dicom_node.api.services import Services
from dicom_node.intake.room import Room
from dicom_node.ledger import open_ledger
from dicom_node.settings import Settings
from dicom_node.worklist.order import order
from tests.fakes import FakeAdmission, FakeCatalogue
from tests.histories import many_studies

_LIMIT = 500
_NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        node = node_at(Path(scratch), lambda: _NOW)
        many_studies(node.ledger, options.studies, random.Random(1), node.clock())
        if json.loads(_as_it_was(node))["items"] != _items(worklist.worklist(node).body):
            raise SystemExit("the two answers differ")
        tag = worklist.worklist(node).headers["etag"]
        was = _time(options.rounds, lambda: _as_it_was(node))
        now = _time(options.rounds, lambda: worklist.worklist(node))
        board = _time(options.rounds, lambda: worklist.board(node))
        words = _time(options.rounds, lambda: worklist.board(node, q="muller"))
        unchanged = _time(options.rounds, lambda: worklist.worklist(node, if_none_match=tag))
        node.ledger.close()
    print(f"{options.studies} studies, limit {_LIMIT}: processor time, medians of {options.rounds}")
    print(f"as it was                {1000 * was:7.1f} ms")
    print(f"GET /ai/worklist         {1000 * now:7.1f} ms   {was / now:5.1f} times as fast")
    print(f"GET /ai/board (1,000)    {1000 * board:7.1f} ms")
    print(f"GET /ai/board?q=muller   {1000 * words:7.1f} ms")
    print(f"GET /ai/worklist -> 304  {1000 * unchanged:7.1f} ms   {was / unchanged:5.1f} times")


def node_at(home: Path, clock: Callable[[], datetime]) -> Services:
    """Return the services of an API without archive and queue, on an empty ledger."""
    settings = Settings(home=home)
    database = f"sqlite:///{home / 'ledger.sqlite3'}"
    ledger = open_ledger(database, settings.viewer_url, clock=clock)
    return Services(
        ledger=ledger,
        admission=FakeAdmission(ledger),
        catalogue=FakeCatalogue(),
        probes={},
        settings=settings,
        policy=policy.load(),
        room=Room((), 0, lambda: 0, 1),
        token="",
        look_up=lambda _path, _body: b"",
        clock=clock,
    )


def _as_it_was(node: Services) -> str:
    """Answer like the first version of the route: every item, then order, then cut."""
    items = order(node.ledger.queries.worklist(), node.policy, node.clock())
    return json.dumps({"items": [jsonform.item(item) for item in items[:_LIMIT]]})


def _items(body: bytes | memoryview) -> object:
    return json.loads(bytes(body))["items"]


def _time(rounds: int, call: Callable[[], object]) -> float:
    """Return processor time, which other load on the machine hardly moves."""
    seconds = []
    for _ in range(rounds):
        started = time.thread_time()
        call()
        seconds.append(time.thread_time() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
