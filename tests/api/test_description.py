"""The API keeps to its own description, against whatever schemathesis makes of that."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.api.streams import Stream
from dicom_node.api.watch import Watch
from dicom_node.domain import RunState
from dicom_node.ledger import Ledger
from tests.event_streams import serving
from tests.fakes import KnowingAdmission
from tests.ledgers import STUDY, fill, report
from tests.nodes import free_port

SEED = "1"
EXAMPLES = "10"

Reached = set[tuple[str, str]]


class OneEvent(Watch):
    """Ends each stream after its first event: whoever waits for the end would wait for ever."""

    async def events(self, stream: Stream, last: str) -> AsyncIterator[bytes]:
        async for event in super().events(stream, last):
            yield event
            return


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite3"


@pytest.fixture
def app(services: Services, ledger: Ledger, serving: None) -> FastAPI:
    fill(ledger)
    report(ledger)
    app = create(replace(services, admission=KnowingAdmission(ledger)))
    app.state.watch = OneEvent(app.state.services, app.state.door)
    return app


def settled(ledger: Ledger) -> str:
    """Return schemathesis' settings: what is in the ledger, where a path asks for it."""
    detail = ledger.queries.detail("1.2.4")
    assert detail is not None
    failed = next(run.run_id for run in detail.runs if run.state is RunState.FAILED)
    values = {"path.study_instance_uid": STUDY, "path.run_id": failed}
    return "[parameters]\n" + "".join(
        f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in values.items()
    )


def reached(har: Path, document: dict[str, Any]) -> Reached:
    """Return the operations of the document that have answered 2xx."""
    routes = {
        path: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for path in document["paths"]
    }
    done: Reached = set()
    for entry in json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]:
        path, method = httpx.URL(entry["request"]["url"]).path, entry["request"]["method"].lower()
        if 200 <= entry["response"]["status"] < 300:
            done |= {(method, name) for name, route in routes.items() if route.fullmatch(path)}
    return done


@pytest.mark.parametrize(
    ("known", "options"),
    [(False, ()), (True, ("--phases", "coverage,fuzzing", "--include-path-regex", "[{]"))],
    ids=["anything", "what the ledger holds"],
)
def test_api_is_as_it_is_described(
    app: FastAPI, ledger: Ledger, tmp_path: Path, known: bool, options: tuple[str, ...]
) -> None:
    (tmp_path / "schemathesis.toml").write_text(settled(ledger) if known else "", encoding="utf-8")
    address = f"http://127.0.0.1:{free_port()}"
    har = tmp_path / "seen.har"
    with serving(app, tmp_path, address) as api:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "run", f"{address}/ai/openapi.json",
                "--header", f"X-Node-Token: {api.token}", "--header", f"X-Node-Claim: {api.token}",
                "--seed", SEED, "--max-examples", EXAMPLES, "--checks", "all", "--no-color",
                "--generation-database", "none", "--request-timeout", "60",
                "--report", "har", "--report-har-path", har, *options,
            ],
            capture_output=True, text=True, check=False, cwd=tmp_path, encoding="utf-8",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    document = app.openapi()
    operations = {(verb, path) for path, verbs in document["paths"].items() for verb in verbs}
    expected = {(verb, path) for verb, path in operations if known == ("{" in path)}
    assert expected <= reached(har, document)
