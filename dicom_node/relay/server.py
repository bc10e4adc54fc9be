"""``python -m dicom_node.relay.server``: the relay between the DICOM door and Orthanc.

Orthanc's parser dies of a data set that nests too deeply, and with it everybody's association. So
each data set is looked at while it passes. One that is not built as it should be is refused with a
status: Orthanc, which has had a part of it, loses the connection, the caller keeps the association
and goes on with another one to Orthanc. A caller who only drips is cut off.
"""

import asyncio
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from dicom_node import foreign, log, settings
from dicom_node.errors import AssociationBroken, ObjectRefused
from dicom_node.relay.sender import (
    ABORT,
    HEAD,
    P_DATA,
    RELEASE_RP,
    Command,
    Next,
    Sender,
    accepted_contexts,
)
from dicom_node.supervision.home import Layout
from dicom_node.supervision.listeners import listen_unix

GRACE_S: Final = 30.0
"""Time for which a caller may be waited for within one message, and one second more for each..."""

LEAST_BYTES_PER_S: Final = 1024
"""...of so many bytes: slower than any modality, faster than who only wants to hold a thread."""

_CHUNK: Final = 1 << 18
_LONGEST_GREETING: Final = 1 << 16
_GREETING_S: Final = 60.0
_CONNECT_S: Final = 5.0
_LOOK_S: Final = 1.0
_NO_DATA_SET: Final = 0x0101
_RESPONSE: Final = 0x8000
_FINAL_COMMAND: Final = 3


@dataclass(frozen=True, slots=True)
class Orthanc:
    """Where Orthanc listens."""

    host: str
    port: int

    async def associate(self, request: bytes) -> "Upstream":
        """Return an association that Orthanc has answered; raises OSError, TimeoutError."""
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=_CHUNK)
        upstream = Upstream(reader, writer)
        with ExitStack() as undo:
            undo.callback(upstream.close)
            writer.write(request)
            async with asyncio.timeout(_GREETING_S):
                upstream.reply = await whole_pdu(reader)
            undo.pop_all()
        return upstream


@dataclass(slots=True)
class Upstream:
    """One connection to Orthanc."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reply: bytes = b""
    pump: "asyncio.Task[None] | None" = None

    def close(self) -> None:
        """Hang up without a word, as a caller does who has died."""
        if self.pump is not None:
            self.pump.cancel()
        self.writer.transport.abort()


@dataclass(slots=True)
class Conversation:
    """One caller's connection, from its A-ASSOCIATE-RQ to its end."""

    orthanc: Orthanc
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: Sender = field(default_factory=Sender)
    upstream: Upstream | None = None
    request: bytes = b""
    waited_s: float = 0.0
    """How long this message's caller has been waited for."""

    waiting_since: float | None = None

    async def run(self) -> None:
        """Speak until one of both hangs up."""
        try:
            self.request = await whole_pdu(self.reader)
            await self._associate()
            while chunk := await self._heard():
                await self._pass(chunk)
        except AssociationBroken as exc:
            log.get().warning("dicom.association_broken", error=str(exc))
            self.writer.write(HEAD.pack(ABORT, 4) + bytes([0, 0, 2, 0]))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
            log.get().info("dicom.connection_lost", error=type(exc).__name__)
        finally:
            if self.upstream is not None:
                self.upstream.close()
            self.writer.close()

    def look(self, now: float) -> None:
        """Cut off a caller who has been waited for too long within a message."""
        if self.waiting_since is None or self.sender.message_bytes is None:
            return
        waited_s = self.waited_s + now - self.waiting_since
        if waited_s > GRACE_S + self.sender.message_bytes / LEAST_BYTES_PER_S:
            log.get().warning("dicom.caller_too_slow", elapsed_ms=round(waited_s * 1000))
            self.writer.transport.abort()

    async def _heard(self) -> bytes:
        under_way = self.sender.message_bytes is not None
        self.waiting_since = time.monotonic()
        chunk = await self.reader.read(_CHUNK)
        waited_s = time.monotonic() - self.waiting_since
        self.waited_s = self.waited_s + waited_s if under_way else 0.0
        self.waiting_since = None
        return chunk

    async def _associate(self) -> None:
        """Associate with Orthanc, and tell the caller what it answers the first time."""
        again = bool(self.upstream)
        upstream = await self.orthanc.associate(self.request)
        contexts = accepted_contexts(upstream.reply)
        if again and contexts != self.sender.contexts:
            upstream.close()
            raise AssociationBroken("Orthanc accepts other presentation contexts than before")
        self.upstream = upstream
        if not again:
            self.sender.contexts = contexts
            self.writer.write(upstream.reply)
        upstream.pump = asyncio.create_task(self._pump(upstream))

    async def _pump(self, upstream: Upstream) -> None:
        """Pass on what Orthanc says; when it hangs up, so does the relay."""
        with suppress(OSError):
            while chunk := await upstream.reader.read(_CHUNK):
                self.writer.write(chunk)
                await self.writer.drain()
        self.writer.close()

    async def _pass(self, chunk: bytes) -> None:
        what = self.sender.read(chunk)
        upstream = self.upstream
        if what in {Next.SWALLOW, Next.ANSWER}:
            if upstream is not None and not upstream.writer.is_closing():
                upstream.close()
            if what is Next.ANSWER:
                self._answer()
            return
        if upstream is None or upstream.writer.is_closing():
            if what is Next.RELEASE:
                self.writer.write(HEAD.pack(RELEASE_RP, 4) + bytes(4))
                return
            await self._associate()
            upstream = self.upstream
        if upstream is not None:
            upstream.writer.write(chunk)
            await upstream.writer.drain()

    def _answer(self) -> None:
        command, refusal = self.sender.answered()
        log.get().warning("dicom.object_refused", sop_uid=command.sop_instance, error=str(refusal))
        self.writer.write(response(command, refusal))


def response(command: Command, refusal: ObjectRefused) -> bytes:
    """Return the P-DATA-TF that refuses what a command's data set holds (PS3.7 9.3, annex C)."""
    answer = Dataset()
    if UID(command.sop_class).is_valid:
        answer.AffectedSOPClassUID = command.sop_class
    answer.CommandField = command.field | _RESPONSE
    answer.MessageIDBeingRespondedTo = command.message
    answer.CommandDataSetType = _NO_DATA_SET
    answer.Status = refusal.reason
    answer.ErrorComment = str(refusal)[:64]
    if UID(command.sop_instance).is_valid:
        answer.AffectedSOPInstanceUID = command.sop_instance
    body = encode(answer, is_implicit_vr=True, is_little_endian=True) or b""
    length = Dataset()
    length.CommandGroupLength = len(body)
    said = (encode(length, is_implicit_vr=True, is_little_endian=True) or b"") + body
    fragment = (len(said) + 2).to_bytes(4) + bytes([command.context, _FINAL_COMMAND]) + said
    return HEAD.pack(P_DATA, len(fragment)) + fragment


async def whole_pdu(reader: asyncio.StreamReader) -> bytes:
    """Return the next PDU; raises IncompleteReadError, AssociationBroken."""
    head = await reader.readexactly(HEAD.size)
    _, length = HEAD.unpack(head)
    if length > _LONGEST_GREETING:
        raise AssociationBroken("a greeting is longer than any there is")
    return head + await reader.readexactly(length)


class Relay:
    """All conversations, and the look at who keeps Orthanc waiting."""

    def __init__(self, orthanc: Orthanc) -> None:
        self._orthanc = orthanc
        self._open: dict[asyncio.Task[None], Conversation] = {}

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold the conversation of one connection."""
        conversation = Conversation(self._orthanc, reader, writer)
        task = asyncio.current_task()
        if task is not None:
            self._open[task] = conversation
            task.add_done_callback(self._open.pop)
        await conversation.run()

    async def look(self) -> None:
        """Look at all conversations once a second."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            for conversation in list(self._open.values()):
                conversation.look(now)


async def serve(listener: socket.socket, orthanc: Orthanc) -> None:
    """Relay until told to stop."""
    relay, over = Relay(orthanc), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    server = await asyncio.start_unix_server(relay.take, sock=listener, limit=_CHUNK)
    looking = asyncio.create_task(relay.look())
    log.get().info("relay.started", pid=os.getpid())
    await over.wait()
    looking.cancel()
    server.close()


def main() -> None:
    """Serve until told to stop."""
    site = settings.load()
    log.configure(site.log_level)
    foreign.contain()
    host = urlsplit(site.orthanc).hostname or ""
    listener = listen_unix(Layout.of(site).dicom_socket)
    asyncio.run(serve(listener, Orthanc(host, site.orthanc_dicom_port)))


if __name__ == "__main__":
    main()
