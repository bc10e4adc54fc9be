"""The broker's client against a Redis that greets and then does not do what it is asked."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from dicom_node.domain import Trigger, Urgency
from dicom_node.errors import QueueUnavailable
from dicom_node.intake.broker import RUN_QUEUE, Level
from dicom_node.intake.dispatch import Dispatcher

_OK = b"+OK\r\n"
_GREETINGS = {
    b"PING": b"+PONG\r\n",
    b"HELLO": b"%1\r\n+proto\r\n:3\r\n",
    b"CLIENT": _OK,
    b"SELECT": _OK,
}


class Sick(socketserver.ThreadingTCPServer):
    """Answers each command but greetings with one error, or hangs up where there is none."""

    daemon_threads = True

    def __init__(self, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(socketserver.StreamRequestHandler):
    """Reads whole commands, arrays of strings."""

    server: Sick

    def handle(self) -> None:
        while (line := self.rfile.readline()).startswith(b"*"):
            words = [self._word() for _ in range(int(line[1:]))]
            answer = _GREETINGS.get(words[0].upper(), self.server.answer)
            if not answer:
                return
            self.wfile.write(answer)

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:length]


@pytest.fixture(
    params=[
        b"-OOM command not allowed when used memory > 'maxmemory'\r\n",
        b"",
    ],
    ids=["full", "gone"],
)
def dispatcher(request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
    with Sick(request.param) as redis:
        url = f"redis://127.0.0.1:{redis.server_address[1]}/0"
        with closing(Dispatcher.connect(url)) as connected:
            yield connected
        redis.shutdown()


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.depth(RUN_QUEUE),
        lambda queue: queue.enqueue("run", Urgency.STAT),
        lambda queue: queue.submit(Level.STUDY_UID, "1.2.3", Trigger.STABLE),
    ],
    ids=["depth", "enqueue", "submit"],
)
def test_broker_that_does_not_do_its_work_is_unavailable(
    dispatcher: Dispatcher, ask: Callable[[Dispatcher], object]
) -> None:
    with pytest.raises(QueueUnavailable):
        ask(dispatcher)
