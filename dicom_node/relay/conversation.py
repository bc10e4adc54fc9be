"""One caller's connection to the relay, and its connections to Orthanc, one after the other.

Most of a CT is the middle of long values, so each byte is received into one buffer, looked at
there, and sent on from there.
"""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, cast

from dicom_node import log
from dicom_node.errors import AssociationBroken
from dicom_node.relay.commitment import Commitments
from dicom_node.relay.response import response
from dicom_node.relay.sender import (
    ABORT,
    HEAD,
    RELEASE_RP,
    Next,
    Sender,
    accepted_contexts,
)

GRACE_S: Final = 30.0
"""Time for which a caller may be waited for within one message, and one second more for each..."""

LEAST_BYTES_PER_S: Final = 1024
"""...of so many bytes: slower than any modality, faster than who only wants to hold a thread."""

_CHUNK: Final = 1 << 18
_LONGEST_GREETING: Final = 1 << 16
_GREETING_S: Final = 60.0
_CONNECT_S: Final = 5.0
_CALLING: Final = slice(26, 42)
"""Where the calling AE title stands in an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""


class _Side(asyncio.BufferedProtocol):
    """One connection, of which all that comes lies in one buffer for a moment."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_CHUNK))
        self._greeting: bytearray | None = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where what comes is to be laid."""
        del sizehint
        return self._buffer

    def _send_on(self, chunk: memoryview | bytes, to: asyncio.Transport) -> None:
        """Write a part of the buffer; what is not gone at once keeps it, and a new one comes."""
        to.write(chunk)
        if to.get_write_buffer_size():
            self._buffer = memoryview(bytearray(_CHUNK))

    def _greeted(self, chunk: memoryview) -> tuple[bytes, bytes] | None:
        """Return the first PDU and what came behind it, once it is whole.

        Raises AssociationBroken.
        """
        if self._greeting is None:
            return None
        self._greeting += chunk
        if len(self._greeting) < HEAD.size:
            return None
        _, length = HEAD.unpack_from(self._greeting)
        if length > _LONGEST_GREETING:
            raise AssociationBroken("a greeting is longer than any there is")
        end = HEAD.size + length
        if len(self._greeting) < end:
            return None
        said, behind = bytes(self._greeting[:end]), bytes(self._greeting[end:])
        self._greeting = None
        return said, behind


@dataclass(frozen=True, slots=True)
class Orthanc:
    """Where Orthanc listens."""

    host: str
    port: int

    async def associate(self, request: bytes, caller: "Conversation") -> "Upstream":
        """Return an association that Orthanc has answered; raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            _, upstream = await loop.create_connection(
                lambda: Upstream(caller), self.host, self.port
            )
        with ExitStack() as undo:
            undo.callback(upstream.close)
            upstream.transport.write(request)
            async with asyncio.timeout(_GREETING_S):
                await upstream.reply
            undo.pop_all()
        return upstream


class Upstream(_Side):
    """One connection to Orthanc; what it says is passed on, and when it hangs up, so is that."""

    def __init__(self, caller: "Conversation") -> None:
        super().__init__()
        self._caller: Conversation | None = caller
        self.reply: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        """Orthanc's greeting, and what came behind it."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be written to."""
        return self._caller is not None and not self.transport.is_closing()

    def buffer_updated(self, nbytes: int) -> None:
        """Keep Orthanc's greeting, pass on what else it says."""
        if self._caller is None:
            return
        if self._greeting is None:
            self._send_on(self._buffer[:nbytes], self._caller.transport)
            return
        try:
            greeted = self._greeted(self._buffer[:nbytes])
        except AssociationBroken as exc:
            self.reply.set_exception(exc)
            self.close()
        else:
            if greeted is not None:
                self.reply.set_result(greeted)

    def pause_writing(self) -> None:
        """Hear no more of the caller while Orthanc takes nothing."""
        if self._caller is not None:
            self._caller.hold(self)

    def resume_writing(self) -> None:
        """Hear the caller again."""
        if self._caller is not None:
            self._caller.go_on(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for a greeting, or the caller."""
        if not self.reply.done():
            self.reply.set_exception(exc or ConnectionResetError("Orthanc hung up"))
        elif self._caller is not None:
            self._caller.lost(self)
        self._caller = None

    def close(self) -> None:
        """Hang up without a word, as a caller does who has died."""
        if self._caller is not None:
            self._caller.go_on(self)
        self._caller = None
        self.transport.abort()


class Conversation(_Side):
    """One caller's connection, from its A-ASSOCIATE-RQ to its end; in ``under_way`` until then."""

    def __init__(
        self, orthanc: Orthanc, commitments: Commitments, under_way: "set[Conversation]"
    ) -> None:
        super().__init__()
        self._orthanc, self._commitments, self._under_way = orthanc, commitments, under_way
        self._sender = Sender()
        self._request = b""
        self._upstream: Upstream | None = None
        self._opening: asyncio.Task[None] | None = None
        self._holding: set[object] = set()
        self._waited_s = 0.0
        self._waiting_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Listen to the caller."""
        super().connection_made(transport)
        self._under_way.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of Orthanc too."""
        if exc is not None:
            log.get().info("dicom.connection_lost", error=type(exc).__name__)
        self._under_way.discard(self)
        if self._opening is not None:
            self._opening.cancel()
        if self._upstream is not None:
            self._upstream.close()

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came, and pass it on or answer it."""
        self._waited()
        try:
            self._hear(self._buffer[:nbytes])
        except AssociationBroken as exc:
            self._break_off(exc)
        self._wait()

    def pause_writing(self) -> None:
        """Hear no more of Orthanc while the caller takes nothing."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        """Hear Orthanc again."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    def hold(self, who: object) -> None:
        """Hear no more of the caller, whom nobody waits for meanwhile."""
        self._holding.add(who)
        self.transport.pause_reading()
        self._waited()

    def go_on(self, who: object) -> None:
        """Hear the caller again, once nobody else wants it held."""
        self._holding.discard(who)
        if not self._holding and not self.transport.is_closing():
            self.transport.resume_reading()
            self._wait()

    def lost(self, upstream: Upstream) -> None:
        """Hang up, as Orthanc did."""
        if upstream is self._upstream:
            self.transport.close()

    def look(self) -> None:
        """Cut off a caller who has been waited for too long within a message."""
        if self._waiting_since is None or self._sender.message_bytes is None:
            return
        waited_s = self._waited_s + time.monotonic() - self._waiting_since
        if waited_s > GRACE_S + self._sender.message_bytes / LEAST_BYTES_PER_S:
            log.get().warning("dicom.caller_too_slow", elapsed_ms=round(waited_s * 1000))
            self.transport.abort()

    def _wait(self) -> None:
        self._waiting_since = None if self._holding else time.monotonic()

    def _waited(self) -> None:
        """Count how long this message's caller has been waited for."""
        if self._waiting_since is None:
            return
        if self._sender.message_bytes is None:
            self._waited_s = 0.0
        else:
            self._waited_s += time.monotonic() - self._waiting_since
        self._waiting_since = None

    def _hear(self, chunk: memoryview) -> None:
        if self._greeting is None:
            self._pass(chunk)
        elif greeted := self._greeted(chunk):
            self._request, behind = greeted
            if behind:
                raise AssociationBroken("the caller does not wait for an answer")
            self._associate(b"")

    def _pass(self, chunk: memoryview) -> None:
        what = self._sender.read(chunk)
        upstream = self._upstream
        if what in {Next.SWALLOW, Next.ANSWER}:
            if upstream is not None:
                upstream.close()
            if what is Next.ANSWER:
                self._answer()
        elif upstream is not None and upstream.is_open:
            self._send_on(chunk, upstream.transport)
        elif what is Next.RELEASE:
            self.transport.write(HEAD.pack(RELEASE_RP, 4) + bytes(4))
        else:
            self._associate(bytes(chunk))

    def _associate(self, held: bytes) -> None:
        """Open an association with Orthanc, which then gets what is held."""
        self.hold(self)
        self._opening = asyncio.create_task(self._open(held))

    async def _open(self, held: bytes) -> None:
        try:
            upstream = await self._orthanc.associate(self._request, self)
            self._take(upstream, held)
        except AssociationBroken as exc:
            self._break_off(exc)
        except (OSError, TimeoutError) as exc:
            log.get().info("dicom.connection_lost", error=type(exc).__name__)
            self.transport.close()
        finally:
            self.go_on(self)

    def _take(self, upstream: Upstream, held: bytes) -> None:
        """Go on with an association; the caller is told what Orthanc answers the first time."""
        first = self._upstream is None
        reply, behind = upstream.reply.result()
        contexts = accepted_contexts(reply)
        if not first and contexts != self._sender.contexts:
            upstream.close()
            raise AssociationBroken("Orthanc accepts other presentation contexts than before")
        self._upstream = upstream
        if first:
            self._sender.contexts = contexts
            self.transport.write(reply + behind)
        if not upstream.is_open:  # as after an A-ASSOCIATE-RJ
            self.transport.close()
        elif held:
            upstream.transport.write(held)

    def _break_off(self, why: AssociationBroken) -> None:
        log.get().warning("dicom.association_broken", error=str(why))
        if self._upstream is not None:
            self._upstream.close()
        self.transport.write(HEAD.pack(ABORT, 4) + bytes([0, 0, 2, 0]))
        self.transport.close()

    def _answer(self) -> None:
        kept = self._sender.answered()
        command, refusal = kept.command, kept.refusal
        if refusal is not None:
            uid = command.sop_instance
            log.get().warning("dicom.object_refused", sop_uid=uid, error=str(refusal))
            self.transport.write(response(command, refusal.reason, str(refusal)))
            return
        title = self._request[_CALLING].decode("ascii", "replace").strip()
        status, why = self._commitments.answer(title, kept)
        self.transport.write(response(command, status, why))
