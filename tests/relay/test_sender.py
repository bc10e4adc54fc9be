"""What the relay reads out of a caller's half of an association."""

import random
import struct
import zlib

import pytest
from hypothesis import given, strategies
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from bench.fuzz import caller
from bench.fuzz.wire import Element
from dicom_node.errors import AssociationBroken
from dicom_node.relay.sender import Next, Sender, accepted_contexts
from tests import bombs

_UID = "1.2.3"
_CONTEXTS = {1: ExplicitVRLittleEndian, 3: DeflatedExplicitVRLittleEndian}


def sender() -> Sender:
    return Sender(_CONTEXTS)


def message(content: bytes, *, context: int = 1, part: int = 1000, field: int = 1) -> bytes:
    """Return the PDUs of a request with a data set."""
    said = caller.command(field, 7, SecondaryCaptureImageStorage, _UID)
    pdus = caller.fragment(context, said, command=True, last=True)
    for at in range(0, max(len(content), 1), part):
        last = at + part >= len(content)
        pdus += caller.fragment(context, content[at : at + part], command=False, last=last)
    return pdus


def sound(size: int = 5000) -> bytes:
    return (
        Element(0x00080018, b"UI", b"1.2.3\0").encoded()
        + bombs.sequences(30)
        + Element(0x7FE00010, b"OW", bytes(size)).encoded()
    )


def read(given: Sender, stream: bytes, sizes: random.Random) -> list[Next]:
    """Return what is to be done with each piece of a stream."""
    found, at = [], 0
    while at < len(stream):
        size = sizes.choice((1, 3, 11, 400, 9000))
        found.append(given.read(stream[at : at + size]))
        at += size
    return found


@given(strategies.integers(0, 2**32), strategies.sampled_from([2, 250, 1000, 60_000]))
def test_sound_messages_pass_in_any_pieces(seed: int, part: int) -> None:
    echo = caller.command(caller.C_ECHO_RQ, 8, caller.VERIFICATION)
    stream = message(sound(), part=part) + caller.fragment(1, echo, command=True, last=True)
    reader = sender()
    assert set(read(reader, stream * 2, random.Random(seed))) == {Next.PASS_ON}
    assert reader.message_bytes is None


@given(strategies.integers(0, 2**32), strategies.sampled_from([250, 1000, 60_000]))
def test_deep_data_set_is_swallowed_and_answered_once(seed: int, part: int) -> None:
    deep = bombs.sequences(2000) + Element(0x7FE00010, b"OW", bytes(20_000)).encoded()
    reader, sizes = sender(), random.Random(seed)
    found, at, stream = [], 0, message(deep, part=part)
    while at < len(stream):
        size = sizes.choice((1, 3, 11, 400, 9000))
        found.append(reader.read(stream[at : at + size]))
        at += size
    assert found[-1] is Next.ANSWER
    assert Next.ANSWER not in found[:-1]
    kept = reader.answered()
    assert kept.refusal is not None
    assert (kept.command.message, kept.command.sop_instance) == (7, _UID)
    assert kept.refusal.reason == 0xC000
    assert set(read(reader, message(sound()), sizes)) == {Next.PASS_ON}


@pytest.mark.parametrize("field", [caller.C_STORE_RQ, caller.C_FIND_RQ, 0x0021, 0x0010, 0x0130])
def test_data_set_of_any_request_is_looked_at(field: int) -> None:
    reader = sender()
    assert reader.read(message(bombs.sequences(2000), part=60_000, field=field)) is Next.ANSWER


def test_data_set_that_ends_too_early_is_refused() -> None:
    cut = Element(0x7FE00010, b"OW", bytes(300), 400).encoded()
    assert sender().read(message(cut)) is Next.ANSWER


@pytest.mark.parametrize("depth", [10, 5000])
def test_deflated_data_set_is_looked_into(depth: int) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = packer.compress(bombs.sequences(depth)) + packer.flush()
    expected = Next.PASS_ON if depth == 10 else Next.ANSWER
    assert sender().read(message(content, context=3)) is expected


def test_what_is_not_deflated_as_it_says_is_refused() -> None:
    assert sender().read(message(b"\xff" * 200, context=3)) is Next.ANSWER


@pytest.mark.parametrize(
    "stream",
    [
        caller.pdu(caller.ASSOCIATE_RQ, bytes(80)),
        caller.pdu(9, bytes(4)),
        caller.pdu(caller.P_DATA, b""),
        caller.pdu(caller.RELEASE_RQ, bytes(100)),
        caller.pdu(caller.P_DATA, struct.pack(">IBB", 5000, 1, 3) + bytes(20)),
        caller.pdu(caller.P_DATA, struct.pack(">IBB", 1, 1, 3) + bytes(20)),
        caller.fragment(5, bytes(20), command=True, last=True),
        caller.fragment(1, bytes(20), command=False, last=True),
        caller.fragment(1, bytes(20), command=True, last=True),
        caller.fragment(1, bombs.sequences(500, explicit=False), command=True, last=True),
        caller.fragment(1, bytes(40_000), command=True, last=False) * 2,
        message(b"")[:-12] + caller.pdu(caller.ASSOCIATE_RQ, bytes(80)),
        message(bombs.sequences(500)) + message(sound()),
    ],
)
def test_what_is_no_dicom_breaks_the_association(stream: bytes) -> None:
    with pytest.raises(AssociationBroken):
        sender().read(stream + bytes(200))


@given(strategies.binary(max_size=400))
def test_noise_is_passed_on_or_breaks_the_association(noise: bytes) -> None:
    reader = sender()
    try:
        assert reader.read(caller.pdu(caller.P_DATA, noise))
    except AssociationBroken:
        return


def test_release_is_told() -> None:
    assert sender().read(caller.pdu(caller.RELEASE_RQ, bytes(4))) is Next.RELEASE


def test_time_counts_from_the_first_byte_to_the_end_of_a_message() -> None:
    reader = sender()
    whole = message(sound())
    assert reader.message_bytes is None
    reader.read(whole[:3])
    assert reader.message_bytes == 0
    reader.read(whole[3:2000])
    assert reader.message_bytes
    reader.read(whole[2000:])
    assert reader.message_bytes is None


def test_contexts_that_were_accepted_are_read_out_of_the_answer() -> None:
    def context(number: int, result: int) -> bytes:
        syntax = b"\x40\0" + struct.pack(">H", 19) + b"1.2.840.10008.1.2.1"
        return (
            b"\x21\0" + struct.pack(">H", 4 + len(syntax)) + bytes([number, 0, result, 0]) + syntax
        )

    reply = caller.pdu(caller.ASSOCIATE_AC, bytes(68) + context(1, 0) + context(3, 4))
    assert accepted_contexts(reply) == {1: ExplicitVRLittleEndian}
