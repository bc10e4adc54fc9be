"""The DICOM door: who is let in, what is refused and how, and whom it cannot hold up."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from pydicom import dcmread, uid

from bench.fuzz import caller, wire
from bench.fuzz.caller import Association, Caller, Ended, fragment, pdu, received
from bench.fuzz.wire import Element
from dicom_node import uids
from dicom_node.pixels.walk import CANNOT_UNDERSTAND, DEEPEST
from tests import bombs
from tests.dcmtk import dcmtk
from tests.doors import Door
from tests.nodes import NotYetError, eventually

pytestmark = pytest.mark.node

_CLASS: Final = uid.SecondaryCaptureImageStorage
_NOT_SUPPORTED: Final = 0x0122
_DOES_NOT_MATCH: Final = 0xA900
"""Error: Data Set does not match SOP Class (PS3.4 B.2.3), as Orthanc says by itself."""

_BIG: Final = 700_000
"""More than the door can keep back."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.at(tmp_path_factory.mktemp("door")) as opened:
        yield opened


def instance(name: str, *more: bytes, sop_class: str = _CLASS) -> tuple[str, bytes]:
    """Return the UID and the elements of a small object, with more behind them."""
    own = uids.derive("door", name)
    texts = ((0x00080016, b"UI", sop_class), (0x00080018, b"UI", own), (0x00080060, b"CS", "OT"),
             (0x00100020, b"LO", "DOOR"), (0x0020000D, b"UI", uids.derive("door", "study")),
             (0x0020000E, b"UI", uids.derive("door", "series")))  # fmt: skip
    head = b"".join(Element(t, vr, v.encode() + b"\0" * (len(v) % 2)).encoded()
                    for t, vr, v in texts)  # fmt: skip
    return own, head + b"".join(more)


def pixels(true: int, stated: int) -> bytes:
    return Element(0x7FE00010, b"OW", bytes(true), stated).encoded()


def nested_by_length(depth: int) -> bytes:
    """Return sequences of stated length within one another, in Implicit VR."""
    value = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
        value = struct.pack("<HHI", 0x0040, 0xA730, len(item)) + item
    return value


def many(size: int) -> bytes:
    """Return small elements, as many as fill a header of this size."""
    one = Element(0x00204000, b"LT", b"x" * 1000).encoded()
    return one * (size // len(one))


_MALFORMED: Final = {
    "deeper than reports go": bombs.sequences(DEEPEST + 1),
    "ten thousand deep": bombs.sequences(10_000),
    "a hundred thousand deep": bombs.sequences(100_000),
    "deep and never closed": bombs.sequences(10_000, closed=False),
    "deep behind a large header": many(_BIG) + bombs.sequences(10_000),
    "pixels shorter than stated": pixels(1000, 2000),
    "many pixels shorter than stated": pixels(_BIG, _BIG + 2),
    "pixels of two gigabytes": pixels(1000, 0x7FFFFFFE),
    "pixels of four gigabytes": pixels(1000, 0xFFFFFFFE),
    "text of four gigabytes": Element(0x00420011, b"UT", b"x" * 1000, 0xFFFFFFFE).encoded(),
    "sequence longer than the object": Element(
        0x0040A730, b"SQ", wire.item(b""), 0x7FFFFFF0
    ).encoded(),
    "item longer than its sequence": Element(0x0040A730, b"SQ", wire.item(b"", 100)).encoded(),
    "item outside of a sequence": wire.item(b""),
    "end of no sequence": struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
    "VR that is none": Element(0x00400001, b"it", b"1234").encoded(),
    "bytes of undefined length": Element(0x00420011, b"OB", b"123", wire.UNDEFINED).encoded(),
    "half an element": b"\x40\x00\x01\x00",
    "noise": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("kind", _MALFORMED)
def test_malformed_object_is_refused_and_all_associations_last(door: Door, kind: str) -> None:
    process = door.orthanc_pid
    with door.caller(calling="OTHER").associate(_CLASS) as other:
        with door.caller().associate(_CLASS) as association:
            own, content = instance(kind, _MALFORMED[kind])
            assert association.store(own, content) == CANNOT_UNDERSTAND
            good, sound = instance(f"behind {kind}")
            assert association.store(good, sound) == 0
        beside, sound = instance(f"beside {kind}")
        assert other.store(beside, sound) == 0
    held = door.stored()
    assert {good, beside} <= held
    assert own not in held
    assert door.orthanc_pid == process
    assert not door.revive()


def test_implicit_nesting_by_length_is_refused(door: Door) -> None:
    syntax = uid.ImplicitVRLittleEndian
    with door.caller().associate(_CLASS, [syntax]) as association:
        for content in (nested_by_length(1000), bombs.sequences(1000, explicit=False)):
            assert association.store("1.2.3", content, syntax) == CANNOT_UNDERSTAND
        assert association.echo() == 0


def test_search_and_retrieval_pass_the_door(door: Door, tmp_path: Path) -> None:
    own, content = instance("fetched", pixels(_BIG, _BIG))
    with door.caller().associate(_CLASS) as association:
        assert association.store(own, content) == 0
    where = ("-aec", "AITRIAGE", "127.0.0.1", str(door.settings.dicom_port))
    keys = ("-k", "0008,0052=IMAGE", "-k", f"0008,0018={own}")
    study = ("-k", f"0020,000D={uids.derive('door', 'study')}")
    series = ("-k", f"0020,000E={uids.derive('door', 'series')}")
    for tool, more in (("findscu", ("-S",)), ("getscu", ("-S", "+B", "-od", str(tmp_path)))):
        done = subprocess.run(
            [dcmtk(tool), *more, *keys, *study, *series, *where],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (fetched,) = tmp_path.iterdir()
    assert len(dcmread(fetched, force=True).PixelData) == _BIG


@pytest.mark.parametrize("size", [2, 10, 250, 16_000, 100_000])
@pytest.mark.parametrize("pixel_bytes", [0, 2, 40_000, _BIG])
def test_sound_object_is_stored_whatever_its_fragments(
    door: Door, size: int, pixel_bytes: int
) -> None:
    if size < 250 and pixel_bytes > 2:
        size += 1000
    tail = pixels(pixel_bytes, pixel_bytes) if pixel_bytes else b""
    own, content = instance(f"{size} {pixel_bytes}", bombs.sequences(32), tail)
    with door.caller().associate(_CLASS) as association:
        for piece in association.pieces(caller.C_STORE_RQ, own, content, part=size):
            association.send(piece)
        assert association.status() == 0
    assert own in door.stored()


def test_deflated_objects_are_not_accepted_by_default(door: Door) -> None:
    deflated = uid.DeflatedExplicitVRLittleEndian
    with door.caller().associate(_CLASS, [caller.EXPLICIT, deflated]) as association:
        assert association.contexts[deflated] is None
        assert association.contexts[caller.EXPLICIT] is not None


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        pdu(9, b"unknown"),
        pdu(caller.P_DATA, bytes(80)),
        pdu(caller.ASSOCIATE_RQ, bytes(80), 0xFFFFFFFF),
        pdu(caller.ASSOCIATE_RQ, bytes(4)),
    ],
)
def test_what_is_no_request_for_an_association_is_closed_at_once(door: Door, said: bytes) -> None:
    with door.caller(timeout_s=8).connect() as connection:  # sooner than the greeting may take
        connection.sendall(said)
        assert ended(connection)


@pytest.mark.parametrize(
    "said",
    [
        pdu(9, b"unknown"),
        pdu(caller.ASSOCIATE_AC, bytes(70)),
        pdu(caller.P_DATA, bytes(10), 0x7FFFFFFF),
        pdu(caller.P_DATA, b"\0\0\0\1\1\3"),
        fragment(1, b"no command", command=True, last=True),
        fragment(1, b"\0" * 8, command=False, last=True),
        fragment(1, b"x" * 5000, command=True, last=False),
    ],
)
def test_what_breaks_the_protocol_ends_its_own_association_alone(door: Door, said: bytes) -> None:
    with door.caller(calling="OTHER").associate(_CLASS) as other:
        broken = door.caller().associate(_CLASS)
        with broken.connection:
            broken.send(said)
            assert ended(broken.connection)
        assert other.echo() == 0


def ended(connection: socket.socket) -> bool:
    """Tell whether the door closes the connection before time is up, with an A-ABORT or without."""
    try:
        return connection.recv(1) in {b"", bytes([caller.ABORT])}
    except ConnectionResetError:
        return True


def hold(stack: ExitStack, who: Caller, kind: str) -> socket.socket | Association:
    """Open a connection that would keep a thread busy; it stays until the stack unwinds."""
    if kind in {"silent", "half a request"}:
        connection = stack.enter_context(who.connect())
        if kind == "half a request":
            connection.sendall(caller.request(who, _CLASS, [caller.EXPLICIT])[:90])
        return connection
    association = who.associate(_CLASS)
    stack.callback(association.connection.close)
    if kind == "half an object":
        first, second = list(association.pieces(caller.C_STORE_RQ, "1.2.3", bytes(3000)))
        association.send(first + second[:100])
    return association


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.77"])
@pytest.mark.parametrize(
    ("kind", "count"),
    [("silent", 300), ("half a request", 100), ("idle", 18), ("half an object", 18)],
)
def test_slow_senders_hold_up_nobody(door: Door, kind: str, count: int, source: str) -> None:
    with ExitStack() as stack:
        held = [hold(stack, door.caller(source=source), kind) for _ in range(count)]
        own, content = instance(f"beside {count} {kind} {source}")
        with door.caller(timeout_s=30).associate(_CLASS) as good:
            assert good.store(own, content) == 0
        last = held[-1]
        assert still_open(last.connection if isinstance(last, Association) else last)


def still_open(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True


_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_DEPTHS: Final = [65, 3_000, 50_000]


@pytest.mark.parametrize("depth", _DEPTHS)
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("part", [250, 16_000])
def test_deep_object_is_refused_and_nobody_loses_an_association(
    door: Door, depth: int, closed: bool, part: int
) -> None:
    pid = door.orthanc_pid
    deep, content = instance(f"deep {depth} {closed} {part}", bombs.sequences(depth, closed=closed))
    sound, other = instance(f"behind {depth} {closed} {part}", pixels(_BIG, _BIG))
    with door.caller(calling="OTHER").associate(_CLASS) as bystander:
        with door.caller().associate(_CLASS) as association:
            for piece in association.pieces(caller.C_STORE_RQ, deep, content, part=part):
                association.send(piece)
            assert association.status() == CANNOT_UNDERSTAND
            assert association.store(sound, other) == 0
        assert bystander.echo() == 0
    assert door.orthanc_pid == pid
    assert sound in door.stored()
    assert deep not in door.stored()


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_deep_object_is_refused_in_every_syntax(door: Door, syntax: str) -> None:
    explicit = syntax != uid.ImplicitVRLittleEndian
    deep = bombs.sequences(5000, explicit=explicit)
    if syntax == uid.ExplicitVRBigEndian:
        deep = struct.pack(">HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
        deep = (deep + struct.pack(">HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 5000
    with door.caller().associate(_CLASS, [syntax]) as association:
        assert association.store("1.2.3", deep, syntax) == CANNOT_UNDERSTAND
        assert association.echo() == 0


def test_deep_search_is_refused(door: Door) -> None:
    with door.caller().associate(_FIND) as association:
        for piece in association.pieces(caller.C_FIND_RQ, "", bombs.sequences(20_000)):
            association.send(piece)
        assert association.status() == CANNOT_UNDERSTAND
        assert association.echo() == 0


def test_deep_command_ends_its_own_association_only(door: Door) -> None:
    pid = door.orthanc_pid
    said = bombs.sequences(3000, explicit=False)
    association = door.caller().associate(_CLASS)
    with association.connection:
        association.send(caller.fragment(1, said, command=True, last=True))
        assert ended(association.connection)
    with door.caller().associate(_CLASS) as next_one:
        assert next_one.echo() == 0
    assert door.orthanc_pid == pid


def test_who_drips_is_cut_off_and_holds_up_nobody(door: Door) -> None:
    with ExitStack() as stack:
        dripping = []
        for number in range(18):
            association = door.caller(source=f"127.0.0.{100 + number % 3}").associate(_CLASS)
            stack.callback(association.connection.close)
            first, second = list(association.pieces(caller.C_STORE_RQ, "1.2.3", bytes(3000)))
            association.send(first + second[:100])
            dripping.append((association, iter(second[100:])))
        own, content = instance("beside those who drip", pixels(_BIG, _BIG))
        with door.caller().associate(_CLASS) as good:
            assert good.store(own, content) == 0
        for association, rest in dripping:
            assert is_cut_off(association.connection, rest)


def is_cut_off(connection: socket.socket, rest: Iterator[int]) -> bool:
    """Send a byte a second until the door hangs up; False where it takes all."""
    connection.settimeout(1)
    for byte in rest:
        try:
            connection.sendall(bytes([byte]))
            return connection.recv(1) in {b"", bytes([caller.ABORT])}
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


_MODALITIES: Final = [
    {"name": "ct", "ae_title": "CT-1", "host": "127.0.0.1"},
    {"name": "spaced", "ae_title": "DX ROOM 2", "host": "127.0.0.3"},
]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.at(tmp_path_factory.mktemp("named"), modalities=_MODALITIES) as opened:
        yield opened


@pytest.mark.parametrize(
    ("calling", "source", "called", "reason"),
    [
        ("CT-2", "127.0.0.1", "AITRIAGE", 3),
        ("ct-1", "127.0.0.1", "AITRIAGE", 3),
        ("CT-1", "127.0.0.9", "AITRIAGE", 3),
        ("DX ROOM 2", "127.0.0.1", "AITRIAGE", 3),
        ("CT-1", "127.0.0.1", "aitriage", 7),
        ("CT-1", "127.0.0.1", "OTHER", 7),
    ],
)
def test_title_address_and_called_title_are_tied_together(
    named: Door, calling: str, source: str, called: str, reason: int
) -> None:
    who = named.caller(calling=calling, source=source, called=called)
    with who.connect() as connection:
        connection.sendall(caller.request(who, _CLASS, [caller.EXPLICIT]))
        assert received(connection) == (caller.ASSOCIATE_RJ, bytes([0, 1, 1, reason]))


@pytest.mark.parametrize(("calling", "source"), [("CT-1", "127.0.0.1"), ("DX ROOM 2", "127.0.0.3")])
def test_named_caller_gets_in_and_the_end_is_logged(named: Door, calling: str, source: str) -> None:
    with named.caller(calling=calling, source=source).associate(_CLASS) as association:
        assert association.echo() == 0
    title = calling.replace(" ", "%20")
    wanted = f"event=dicom.association_ended calling_ae={title} address={source} verdict=ok"
    for attempt in eventually():
        with attempt:
            if wanted not in named.log("haproxy"):
                raise NotYetError(named.log("haproxy"))


def test_unknown_title_cannot_forge_a_line_of_the_log(named: Door) -> None:
    with pytest.raises(Ended):
        named.caller(calling="A\nevent=x b=c").associate(_CLASS)
    for attempt in eventually():
        with attempt:
            if "calling_ae=A%0Aevent%3Dx%20b%3Dc address" not in named.log("haproxy"):
                raise NotYetError(named.log("haproxy"))


@pytest.mark.parametrize(
    "sop_class", [uid.RTPlanStorage, uid.RawDataStorage, "1.3.12.2.1107.5.9.1"]
)
def test_class_that_policy_does_not_name_is_refused_and_the_association_lasts(
    door: Door, sop_class: str
) -> None:
    own, content = instance(f"class {sop_class}", pixels(_BIG, _BIG), sop_class=sop_class)
    with door.caller().associate(sop_class) as association:
        assert association.store(own, content) == _NOT_SUPPORTED
        assert association.echo() == 0
    with door.caller().associate(_CLASS) as liar:
        assert liar.store(own, content) == _DOES_NOT_MATCH
        assert liar.echo() == 0
    assert own not in door.stored()
