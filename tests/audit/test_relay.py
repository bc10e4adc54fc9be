"""The trail reaches a real collector over TLS: whole, in order, and only the right one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node import log
from dicom_node.audit import relay, syslog
from dicom_node.audit.relay import Relay
from dicom_node.errors import DeliveryFailed
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import Retry
from tests.certificates import Authority
from tests.collectors import Collector, Hasty, ids
from tests.ledgers import Clock
from tests.nodes import free_port

RETRY = Retry(attempts=3, first_delay_s=2, longest_delay_s=60)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


def sink(authority: Authority, port: int, host: str = "127.0.0.1") -> syslog.Collector:
    mine = authority.issue("node.example")
    return syslog.Collector(host, port, authority.file, mine.certificate, mine.key)


class Stopwatch:
    """A clock that nobody can set back."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def forward(self, seconds: float) -> None:
        """Move on."""
        self.time += seconds


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


def carrier(ledger: Ledger, to: relay.Sink | None, watch: Stopwatch) -> Relay:
    return Relay(ledger.audit, ledger.studies, to, ("AITRIAGE", "node.example"), watch)


def test_every_entry_arrives_once_and_in_order(
    ledger: Ledger, authority: Authority, watch: Stopwatch
) -> None:
    users = [f"user {number}" for number in range(450)]
    for user in users:
        ledger.audit.append(user, "study.open")
    with Collector(authority.server(authority.issue("127.0.0.1"))) as collector:
        carry = carrier(ledger, sink(authority, collector.port), watch)
        carry.run(RETRY)
        ledger.audit.append("the last", "login")
        carry.run(RETRY)
        carry.run(RETRY)
    assert ids(collector.lines) == [*users, "the last"]


def test_a_collector_that_was_away_loses_nothing(
    ledger: Ledger, authority: Authority, watch: Stopwatch
) -> None:
    port = free_port()
    carry = carrier(ledger, sink(authority, port), watch)
    for user in ("one", "two"):
        ledger.audit.append(user, "study.open")
        carry.run(RETRY)
        watch.forward(3)
    with Collector(authority.server(authority.issue("127.0.0.1")), port) as collector:
        carry.run(RETRY)  # too early: the second failure waits for four seconds
        assert collector.lines == []
        watch.forward(2)
        carry.run(RETRY)
    assert ids(collector.lines) == ["one", "two"]


def test_a_restart_goes_on_where_it_stopped(
    ledger: Ledger, authority: Authority, watch: Stopwatch
) -> None:
    with Collector(authority.server(authority.issue("127.0.0.1"))) as collector:
        to = sink(authority, collector.port)
        for user in ("one", "two"):
            ledger.audit.append(user, "study.open")
            carrier(ledger, to, watch).run(RETRY)
    assert ids(collector.lines) == ["one", "two"]
    assert ledger.studies.cursor(relay.CURSOR) == 2


def test_collector_that_we_do_not_trust_gets_nothing(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path / "other", "other")
    with (
        Collector(other.server(other.issue("127.0.0.1"))) as collector,
        pytest.raises(DeliveryFailed, match="certificate verify failed"),
    ):
        sink(authority, collector.port).send(["secret"])
    assert collector.lines == []


def test_collector_under_another_name_gets_nothing(authority: Authority) -> None:
    with (
        Collector(authority.server(authority.issue("elsewhere.example"))) as collector,
        pytest.raises(DeliveryFailed, match="IP address mismatch"),
    ):
        sink(authority, collector.port).send(["secret"])
    assert collector.lines == []


def test_collector_that_does_not_trust_us_is_a_failure(authority: Authority) -> None:
    context = authority.server(authority.issue("127.0.0.1"))
    with Collector(context) as collector:
        stranger = syslog.Collector("127.0.0.1", collector.port, authority.file)
        with pytest.raises(DeliveryFailed):
            stranger.send(["secret"])
    assert collector.lines == []


@pytest.mark.parametrize("alert", [True, False])
def test_collector_that_closes_before_it_reads_is_a_failure(
    authority: Authority, alert: bool
) -> None:
    context = authority.server(authority.issue("127.0.0.1"))
    with (
        Hasty(context, alert=alert) as collector,
        pytest.raises(DeliveryFailed, match="closed before it had read"),
    ):
        sink(authority, collector.port).send(collector.once_closed("unread"))


def test_without_a_collector_nothing_is_carried(ledger: Ledger, watch: Stopwatch) -> None:
    ledger.audit.append("one", "login")
    carrier(ledger, None, watch).run(RETRY)
    assert ledger.studies.cursor(relay.CURSOR) == 0


def test_the_head_is_noted_in_the_log_now_and_then(
    ledger: Ledger, watch: Stopwatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("INFO")
    carry = carrier(ledger, None, watch)
    for seconds in (0, 60, 600, 600):
        watch.forward(seconds)
        carry.run(RETRY)
        ledger.audit.append("one", "login")
    heads = [text for text in capsys.readouterr().err.splitlines() if "audit.head" in text]
    assert len(heads) == 3
    assert f"sha256={'0' * 64}" in heads[0]


def test_a_clock_that_was_set_back_keeps_nothing_from_a_collector(
    ledger: Ledger, authority: Authority, clock: Clock, watch: Stopwatch
) -> None:
    port = free_port()
    carry = carrier(ledger, sink(authority, port), watch)
    ledger.audit.append("one", "login")
    carry.run(RETRY)
    clock.forward(-3600)
    watch.forward(3)
    with Collector(authority.server(authority.issue("127.0.0.1")), port) as collector:
        carry.run(RETRY)
    assert ids(collector.lines) == ["one"]
