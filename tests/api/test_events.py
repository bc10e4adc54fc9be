"""Server-sent events: what is told, when, and to whom."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.types import Message

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.api.watch import Pace, Watch
from dicom_node.domain import Assessment, Priority, Role
from dicom_node.errors import ArchiveUnavailable
from dicom_node.ledger import Ledger
from tests.event_streams import ApiServer, serving
from tests.ledgers import STUDY, Clock, add_user, fill, report, study
from tests.nodes import NotYetError, eventually

FAST = Pace(rows_s=0.05, node_s=0.05, rights_s=0.05)


@dataclass
class Orthanc:
    """A probe that the test breaks."""

    away: bool = False
    asked: int = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.away:
            raise ArchiveUnavailable(f"Orthanc has not answered for {self.asked} s")
        return f"version 1.10.1, asked {self.asked} times"


@pytest.fixture
def orthanc() -> Orthanc:
    return Orthanc()


@pytest.fixture
def node(services: Services, orthanc: Orthanc) -> Services:
    return replace(services, probes={"orthanc": orthanc})


Starter = Callable[..., ApiServer]


@pytest.fixture
def start(node: Services) -> Iterator[Starter]:
    """Return what starts the API as often as a test likes, one after another."""
    opened = []

    def begin(pace: Pace = FAST) -> ApiServer:
        app = create(node)
        app.state.watch = Watch(node, app.state.door, pace)
        folder = Path(tempfile.mkdtemp(prefix="node-events-"))
        manager = serving(app, folder)
        opened.append(manager)
        return manager.__enter__()

    yield begin
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture
def api(start: Starter) -> ApiServer:
    return start()


def looked_again(orthanc: Orthanc, times: int = 5) -> None:
    """Wait until the node has been asked some times more, and the ledger about as often."""
    before = orthanc.asked
    for attempt in eventually():
        with attempt:
            if orthanc.asked < before + times:
                raise NotYetError("the watch has not looked")


def log_in(api: ApiServer, user: tuple[str, str]) -> str:
    form = {"user": user[0], "password": user[1]}
    with api.client() as client:
        answer = client.post("/ai/login", data=form)
        assert answer.status_code == 303
        return answer.headers["set-cookie"].partition(";")[0]


def test_first_event_is_the_nodes_state(api: ApiServer) -> None:
    with api.events() as reader:
        assert reader.status == 200
        assert reader.headers["content-type"].startswith("text/event-stream")
        assert reader.headers["cache-control"] == "no-store"
        assert reader.headers["x-accel-buffering"] == "no"
        first = reader.next().data
    parts = {part["name"]: part["ok"] for part in first["node"]["parts"]}
    assert parts["orthanc"] is True
    assert parts["worker"] is False
    assert first["node"]["ready"] is False
    assert (first["studies"], first["everything"], first["node"]["notice"]) == ([], False, "")


def test_each_change_names_its_rows_and_without_one_nothing_is_sent(
    api: ApiServer, ledger: Ledger, orthanc: Orthanc, clock: Clock
) -> None:
    with api.events() as reader:
        reader.next()
        at_first = bytes(reader.raw)
        looked_again(orthanc)
        assert bytes(reader.raw) == at_first
        ledger.studies.record(study("1.2.9"), "CR")
        assert reader.next().studies == ["1.2.9"]
        report(ledger, uid="1.2.3")
        assert reader.next().studies == ["1.2.3"]
        looked_again(orthanc)
        while not reader.none_left():
            pass
        before = bytes(reader.raw)
        assessment = Assessment("accept", None, "", "ada", "2.25.11", clock())
        ledger.assessments.add("1.2.3", assessment)
        assert reader.next().studies == ["1.2.3"]
        assert reader.none_left()
        assert bytes(reader.raw).startswith(before)


def test_time_that_changes_the_order_is_a_change(
    api: ApiServer, ledger: Ledger, orthanc: Orthanc, clock: Clock
) -> None:
    report(ledger, priority=Priority.ROUTINE)
    clock.forward(60)
    report(ledger, uid="1.2.3", priority=Priority.STAT)
    with api.events() as reader:
        first = reader.next()
        clock.forward(60)
        looked_again(orthanc)
        assert reader.none_left()
        clock.forward(240 * 60)
        assert reader.next().studies == [STUDY]
    with api.events(first.mark) as later:
        assert later.next().studies == [STUDY]


def test_state_of_the_node_is_told_when_it_changes_and_not_when_a_figure_does(
    api: ApiServer, orthanc: Orthanc
) -> None:
    with api.events() as reader:
        reader.next()
        orthanc.away = True
        told = reader.next().data["node"]
        (part,) = (part for part in told["parts"] if part["name"] == "orthanc")
        assert not part["ok"]
        assert part["message"].startswith("Orthanc has not answered")
        looked_again(orthanc)
        assert reader.none_left()
        orthanc.away = False
        (part,) = (p for p in reader.next().data["node"]["parts"] if p["name"] == "orthanc")
        assert part == {"name": "orthanc", "ok": True, "message": ""}


def test_stream_goes_on_after_the_last_event_even_in_another_process(
    start: Starter, ledger: Ledger, orthanc: Orthanc
) -> None:
    first = start()
    fill(ledger)
    with first.events() as reader:
        mark = reader.next().mark
    with first.events(mark) as again:
        ledger.studies.record(study("1.2.9"), "CR")
        assert again.next().studies == ["1.2.9"]
    first.stop()
    report(ledger, uid="1.2.8")
    second = start()
    with second.events(mark) as resumed:
        told = resumed.next()
        assert {"1.2.8", "1.2.9"} <= set(told.studies)
        assert not told.data["everything"]
    with second.events(told.mark) as current:
        looked_again(orthanc)
        assert current.raw == b""
        orthanc.away = True
        assert current.next().studies == []
    with second.events(told.mark) as missed:
        assert not missed.next().data["node"]["parts"][0]["ok"]


@pytest.mark.parametrize("last", ["x", "7", "9-9-9.1.00000000", "1-1.1.00000000", b"\xe9"])
def test_event_of_which_the_node_knows_nothing_may_mean_any_change(
    api: ApiServer, last: str | bytes
) -> None:
    with api.events(last) as reader:
        assert reader.next().data["everything"] is True


def test_one_look_serves_all_streams(start: Starter, ledger: Ledger, orthanc: Orthanc) -> None:
    api = start(replace(FAST, streams_of_one=20))
    with ExitStack() as opened:
        readers = [opened.enter_context(api.events()) for _ in range(20)]
        for reader in readers:
            reader.next()
        asked = orthanc.asked
        ledger.studies.record(study("1.2.9"), "CR")
        assert [reader.next().studies for reader in readers] == [["1.2.9"]] * 20
        looked_again(orthanc)
        assert orthanc.asked < asked + 200


def test_nobody_is_asked_while_nobody_listens(api: ApiServer, orthanc: Orthanc) -> None:
    with api.events() as reader:
        reader.next()
    with api.client() as client:
        for attempt in eventually():
            with attempt:
                before = orthanc.asked
                for _ in range(20):
                    client.get("/ai/session")
                if orthanc.asked > before:
                    raise NotYetError("the watch goes on")


def test_streams_are_bounded_in_all_and_for_each_user(start: Starter, ledger: Ledger) -> None:
    api = start(replace(FAST, streams=3, streams_of_one=2))
    users = [add_user(ledger, name, Role.READER) for name in ("ada", "bea", "cay")]
    with api.events(auth=users[0]) as _, api.events(auth=users[0]) as second:
        with api.client(auth=users[0]) as client:
            refused = client.get("/ai/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        with api.events(auth=users[1]) as other, api.client(auth=users[2]) as client:
            assert other.status == 200
            assert client.get("/ai/events").status_code == 503
            assert client.get("/ai/worklist").status_code == 200
        second.next()
    admitted(api, users[2])


def admitted(api: ApiServer, user: tuple[str, str]) -> None:
    """Wait until a stream can be had again."""
    for attempt in eventually():
        with attempt, api.events(auth=user) as reader:
            if reader.status != 200:
                raise NotYetError(str(reader.status))


def leave(api: ApiServer, ledger: Ledger, how: str, cookie: str) -> None:
    if how == "logout":
        with api.client(headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}) as client:
            assert client.post("/ai/logout").status_code == 303
    elif how == "disabled":
        ledger.users.set_disabled("ada", True)
    elif how == "removed":
        ledger.users.remove("ada")
    elif how == "password":
        ledger.users.set_password("ada", "another hash")
    else:
        ledger.sessions.end_all("ada")


@pytest.mark.parametrize("how", ["logout", "disabled", "removed", "password", "ended"])
def test_stream_ends_with_its_session_and_nobody_elses_does(
    api: ApiServer, ledger: Ledger, how: str
) -> None:
    bea = add_user(ledger, "bea", Role.READER)
    cookie = log_in(api, add_user(ledger, "ada", Role.READER))
    with (
        api.events(headers={"Cookie": cookie}) as reader,
        api.events(auth=bea) as other,
    ):
        reader.next()
        other.next()
        leave(api, ledger, how, cookie)
        ledger.studies.record(study("1.2.9"), "CR")
        reader.wait_over()
        assert reader.none_left()
        assert other.next().studies == ["1.2.9"]
        assert not other.over.is_set()


def test_stream_keeps_no_session_alive(api: ApiServer, ledger: Ledger, clock: Clock) -> None:
    cookie = log_in(api, add_user(ledger, "ada", Role.READER))
    with api.events(headers={"Cookie": cookie}) as reader:
        reader.next()
        clock.forward(24 * 3600)
        reader.wait_over()
    with api.client(headers={"Cookie": cookie}) as client:
        assert client.get("/ai/events").status_code == 401


def test_stream_of_everybody_ends_when_the_node_gets_a_user(api: ApiServer, ledger: Ledger) -> None:
    with api.events() as reader:
        reader.next()
        add_user(ledger, "ada", Role.OPERATOR)
        reader.wait_over()


def test_basic_credentials_end_with_the_user(api: ApiServer, ledger: Ledger) -> None:
    with api.events(auth=add_user(ledger, "ada", Role.READER)) as reader:
        reader.next()
        ledger.users.set_disabled("ada", True)
        reader.wait_over()


def test_stranger_gets_no_stream_and_opening_one_is_a_look_at_the_list(
    api: ApiServer, ledger: Ledger
) -> None:
    reader = add_user(ledger, "ada", Role.READER)
    with api.client() as client:
        assert client.get("/ai/events").status_code == 401
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        assert client.get("/ai/events", headers=headers).status_code == 403
    with api.events(auth=reader) as stream:
        stream.next()
    looks = [e.actor for e in ledger.audit.entries() if e.action == "worklist.open"]
    assert looks == ["ada"]


def test_client_that_does_not_read_is_dropped(node: Services) -> None:
    app = create(node)
    app.state.watch = Watch(node, app.state.door, replace(FAST, unread_s=0.1))
    sent = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()  # the socket takes no more

    headers = [(b"x-node-token", node.token.encode())]
    scope = {"type": "http", "method": "GET", "path": "/ai/events", "headers": headers}
    asyncio.run(asyncio.wait_for(app({**scope, "query_string": b""}, receive, send), 30))
    assert sent == ["http.response.start", "http.response.body", "http.response.body"]


def test_streams_end_when_the_ledger_cannot_be_read(api: ApiServer, ledger: Ledger) -> None:
    with api.events() as reader:
        reader.next()
        with ledger.database.exclusive() as connection:
            connection.execute(text("ALTER TABLE assessments RENAME TO elsewhere"))
        reader.wait_over()


def test_server_that_is_told_to_stop_ends_its_streams_first(api: ApiServer) -> None:
    with api.events() as reader:
        reader.next()
        api.stop()
        reader.wait_over()
