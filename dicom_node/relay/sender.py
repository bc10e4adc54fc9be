"""What a caller sends on an association, read while it passes: PDUs, commands, data sets.

Sources: PS3.8 9.3 (PDUs and PDVs), PS3.7 6.3.1 and E.1 (commands). Values are not read, only how
the data sets are built: `dicom_node.pixels.walk`.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from dicom_node.errors import AssociationBroken, ObjectRefused
from dicom_node.pixels.inflation import LARGEST_BYTES
from dicom_node.pixels.walk import Walk, damaged
from dicom_node.supervision.dicom_door import DEFLATED

ASSOCIATE_RQ: Final = 1
ASSOCIATE_AC: Final = 2
P_DATA: Final = 4
RELEASE_RQ: Final = 5
RELEASE_RP: Final = 6
ABORT: Final = 7
HEAD: Final = struct.Struct(">BxI")
"""Of a PDU: its type, and how many bytes follow."""

_FIXED_PART: Final = 74
"""Bytes of an A-ASSOCIATE-AC before its items."""

_CONTEXT: Final = 0x21
_CONTEXT_HEAD: Final = 4
_ACCEPTANCE: Final = 0
_SYNTAX: Final = 0x40
_FRAGMENT: Final = struct.Struct(">IBB")
_COMMAND: Final = 1
_LAST: Final = 2
_CONTEXT_AND_CONTROL: Final = 2
_SHORT_PDU: Final = 4
"""Length of A-RELEASE-RQ, A-RELEASE-RP and A-ABORT (PS3.8 9.3.6 to 9.3.8)."""

LARGEST_PLAIN_BYTES: Final = 2 << 30
"""Of a data set: more than the largest study that the policy lets through, and what DCMTK takes."""

_MOST_COMMAND_BYTES: Final = 1 << 16
_LONGEST_REQUEST: Final = 16 << 20
"""Bytes of a request for storage commitment: of about a hundred thousand instances."""

N_ACTION_RQ: Final = 0x0130
_NO_DATA_SET: Final = 0x0101
_KEPT: Final = {
    0x00000002: "sop_class",
    0x00000003: "requested_class",
    0x00000100: "field",
    0x00000110: "message",
    0x00000800: "data_set",
    0x00001000: "sop_instance",
    0x00001001: "requested_instance",
    0x00001008: "action",
}
_PIECE: Final = 1 << 20
_NUMBER_BYTES: Final = 2


class Next(Enum):
    """What is to be done with what was read."""

    PASS_ON = auto()
    SWALLOW = auto()
    """It is of a request that Orthanc does not get."""

    ANSWER = auto()
    """That request is over: now its sender gets the status."""

    RELEASE = auto()


@dataclass(frozen=True, slots=True)
class Command:
    """What the caller asks for, as far as an answer needs it (PS3.7 E.1)."""

    context: int
    field: int
    message: int
    sop_class: str
    sop_instance: str
    has_data_set: bool
    action: int | None = None
    """Of an N-ACTION, whose class and instance are the requested ones."""

    @property
    def asks_for_commitment(self) -> bool:
        """Whether it is one of the Storage Commitment Push Model (PS3.4 J.3)."""
        return self.field == N_ACTION_RQ and self.sop_class == StorageCommitmentPushModel


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that Orthanc does not get: ``refusal`` says why, or the relay answers it itself."""

    command: Command
    refusal: ObjectRefused | None
    data_set: bytes
    syntax: str


class DataSet:
    """A data set that comes in fragments; inflated where its transfer syntax says so."""

    def __init__(self, syntax: str) -> None:
        self._walk = Walk.of(syntax, {})
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if syntax in DEFLATED else None
        self._walk.largest = LARGEST_BYTES if self._inflater else LARGEST_PLAIN_BYTES

    def feed(self, piece: memoryview) -> None:
        """Look at a fragment; raises ObjectRefused."""
        if self._inflater is None:
            self._walk.feed(piece)
            return
        rest = bytes(piece)
        try:
            while rest and not self._inflater.eof:
                self._walk.feed(self._inflater.decompress(rest, _PIECE))
                rest = self._inflater.unconsumed_tail
        except zlib.error as exc:
            raise damaged("it is not deflated as it says") from exc

    def finish(self) -> None:
        """Look whether everything came to its end; raises ObjectRefused."""
        self._walk.finish()


@dataclass(slots=True)
class Sender:
    """One caller's half of an association, behind its A-ASSOCIATE-RQ.

    ``contexts``: the transfer syntax of each accepted presentation context. ``message_bytes``
    is how much came of the message under way, None between two.
    """

    contexts: Mapping[int, str] = field(default_factory=dict)
    message_bytes: int | None = None
    _command: Command | None = None
    _refusal: ObjectRefused | None = None
    _head: bytearray = field(default_factory=bytearray)
    _pdu_left: int = 0
    _in_data: bool = False
    _fragment_left: int = 0
    _context: int = 0
    _control: int = 0
    _spoken: bytearray = field(default_factory=bytearray)
    _data_set: DataSet | None = None
    _own: bytearray | None = None
    """What came of a request that the relay answers itself."""

    def read(self, chunk: bytes | memoryview) -> Next:
        """Read what came; raises AssociationBroken where it is no DICOM."""
        view, at = memoryview(chunk), 0
        what = Next.PASS_ON
        while at < len(view):
            if self.message_bytes is None:
                self.message_bytes = 0
            if self._fragment_left or (self._pdu_left and not self._in_data):
                at += self._body(view[at:])
            else:
                head = _FRAGMENT if self._in_data else HEAD
                piece = view[at : at + head.size - len(self._head)]
                self._head += piece
                at += len(piece)
                if len(self._head) == head.size and self._begins() == RELEASE_RQ:
                    what = Next.RELEASE
            if self._keeps and self.message_bytes is None:
                if at < len(view) or self._pdu_left:
                    raise AssociationBroken("the caller does not wait for an answer")
                return Next.ANSWER
        return Next.SWALLOW if self._keeps else what

    def answered(self) -> Kept:
        """Return what is to be answered after `Next.ANSWER`, and go on as if it had not been."""
        command, refusal, own = self._command, self._refusal, self._own
        self._command = self._refusal = self._own = None
        if command is None:
            raise AssociationBroken("nothing was kept back")
        return Kept(command, refusal, bytes(own or b""), self.contexts[command.context])

    @property
    def _keeps(self) -> bool:
        return self._refusal is not None or self._own is not None

    def _begins(self) -> int | None:
        """Read the head of a PDU or of a fragment; return the type of a PDU."""
        if self._in_data:
            self._fragment_begins(*_FRAGMENT.unpack(self._head))
            kind = None
        else:
            kind, self._pdu_left = HEAD.unpack(self._head)
            self._in_data = kind == P_DATA
            if kind not in {P_DATA, RELEASE_RQ, RELEASE_RP, ABORT}:
                raise AssociationBroken(f"a PDU of type {kind} has no place in an association")
            if self._pdu_left == 0 or (kind != P_DATA and self._pdu_left != _SHORT_PDU):
                raise AssociationBroken(f"a PDU of type {kind} has a length that it cannot have")
        self._head.clear()
        return kind

    def _fragment_begins(self, length: int, context: int, control: int) -> None:
        size = 4 + length
        if length < _CONTEXT_AND_CONTROL or size > self._pdu_left:
            raise AssociationBroken("a fragment is longer than the PDU that holds it")
        if context not in self.contexts:
            raise AssociationBroken("a fragment names a presentation context that is not accepted")
        if bool(control & _COMMAND) != (self._command is None):
            raise AssociationBroken("a command stands in a data set, or a data set without one")
        if (self._command or self._spoken) and context != self._context:
            raise AssociationBroken("a message changes its presentation context")
        self._pdu_left -= size
        self._fragment_left = length - _CONTEXT_AND_CONTROL
        self._context, self._control = context, control
        if not self._fragment_left:
            self._fragment_ends()

    def _body(self, rest: memoryview) -> int:
        """Read what belongs to the fragment or the PDU under way; return how much that was."""
        if not self._in_data:
            taken = min(self._pdu_left, len(rest))
            self._pdu_left -= taken
            if not self._pdu_left:
                self.message_bytes = None
            return taken
        piece = rest[: self._fragment_left]
        self._fragment_left -= len(piece)
        self.message_bytes = (self.message_bytes or 0) + len(piece)
        if self._control & _COMMAND:
            self._spoken += piece
            if len(self._spoken) > _MOST_COMMAND_BYTES:
                raise AssociationBroken("a command is longer than any there is")
        elif self._refusal is None and self._data_set is not None:
            self._look(self._data_set, piece)
            self._keep(piece)
        if not self._fragment_left:
            self._fragment_ends()
        return len(piece)

    def _look(self, data_set: DataSet, piece: memoryview | None) -> None:
        try:
            if piece is None:
                data_set.finish()
            else:
                data_set.feed(piece)
        except ObjectRefused as exc:
            self._refusal = exc

    def _keep(self, piece: memoryview) -> None:
        if self._own is None:
            return
        self._own += piece
        if len(self._own) > _LONGEST_REQUEST:
            self._refusal, self._own = damaged("it is longer than any of its kind"), None

    def _fragment_ends(self) -> None:
        self._in_data = self._pdu_left > 0
        if not self._control & _LAST:
            return
        if self._control & _COMMAND:
            self._command = _command(self._context, bytes(self._spoken))
            self._spoken.clear()
            if self._command.asks_for_commitment:
                self._own = bytearray()
            if self._command.has_data_set:
                self._data_set = DataSet(self.contexts[self._context])
                return
        elif self._data_set is not None and self._refusal is None:
            self._look(self._data_set, None)
        self._data_set = None
        if not self._keeps:
            self._command = None
        self.message_bytes = None


def _command(context: int, spoken: bytes) -> Command:
    walk = Walk.of(ImplicitVRLittleEndian, _KEPT)
    try:
        walk.over(spoken, 0, len(spoken))
    except ObjectRefused as exc:
        raise AssociationBroken("a command is not built as PS3.7 says") from exc

    def number(name: str) -> int:
        value = walk.found.get(name, b"")
        if len(value) != _NUMBER_BYTES:
            raise AssociationBroken(f"a command has no {name.replace('_', ' ')} number")
        return int.from_bytes(value, "little")

    def text(name: str) -> str:
        return walk.found.get(name, b"").decode("ascii", "replace").strip("\0 ")

    answers = bool(number("field") & 0x8000)
    return Command(
        context,
        number("field"),
        0 if answers or "message" not in walk.found else number("message"),
        text("sop_class") or text("requested_class"),
        text("sop_instance") or text("requested_instance"),
        number("data_set") != _NO_DATA_SET,
        number("action") if "action" in walk.found else None,
    )


def accepted_contexts(reply: bytes) -> dict[int, str]:
    """Return the transfer syntax of each context that an A-ASSOCIATE-AC accepts (PS3.8 9.3.3.2)."""
    found = {}
    for kind, value in _items(reply[_FIXED_PART:]):
        if kind == _CONTEXT and len(value) >= _CONTEXT_HEAD and value[2] == _ACCEPTANCE:
            names = dict(_items(value[_CONTEXT_HEAD:]))
            found[value[0]] = names.get(_SYNTAX, b"").decode("ascii", "replace").strip("\0 ")
    return found


def _items(body: bytes) -> list[tuple[int, bytes]]:
    """Return the items of a PDU with their types, up to one that is cut off."""
    found, at = [], 0
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        found.append((kind, body[at + 4 : at + 4 + length]))
        at += 4 + length
    return found
