"""Mutations of one DICOM file, drawn from a seed: the same seed, the same bytes."""

import random
from collections.abc import Callable
from dataclasses import replace

from bench.fuzz import values, wire
from bench.fuzz.wire import Element

Pool = tuple[bytes, ...]

_WORDS = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\x00\x00\x00\x80",
          b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0",
          b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\x4f\xff\x51",
          b"\xff\x90", b"DICM", b"SQ\0\0")  # fmt: skip
_HEADER_BYTES = 3000
_STREAM_HEADER = 400
_MOST = 2_500_000
"""Nothing that a mutation makes is longer: quantity is another test's subject."""


def mutated(rng: random.Random, file: bytes, pool: Pool) -> bytes:
    """Return the file after one to four mutations, some of bytes, some that know the elements."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        change = rng.choice(_BY_ELEMENT) if rng.random() < 0.7 else rng.choice(_BY_BYTE)  # noqa: PLR2004
        file = change(rng, file, pool)[:_MOST]
    return file


def _place(rng: random.Random, file: bytes) -> int:
    """Pick an offset: most often in the header, where a byte means something."""
    end = len(file) if rng.random() < 0.4 else min(len(file), _HEADER_BYTES)  # noqa: PLR2004
    return rng.randrange(end) if end else 0


def _flip(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    changed = bytearray(file)
    for _ in range(rng.choice((1, 2, 8, 40)) if file else 0):
        changed[_place(rng, file)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    word, at = rng.choice(_WORDS), _place(rng, file)
    return file[:at] + word + file[at + len(word) :]


def _insert(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    at = _place(rng, file)
    return (
        file[:at] + rng.choice((rng.choice(_WORDS), rng.randbytes(rng.randrange(64)))) + file[at:]
    )


def _remove(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    at = _place(rng, file)
    return file[:at] + file[at + rng.choice((1, 2, 4, 100, 5000)) :]


def _truncate(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    return file[: _place(rng, file)]


def _repeat(rng: random.Random, file: bytes, _pool: Pool) -> bytes:
    at, length = _place(rng, file), rng.choice((2, 16, 300, 4000))
    return file[:at] + file[at : at + length] * rng.choice((2, 3, 20)) + file[at + length :]


def _splice(rng: random.Random, file: bytes, pool: Pool) -> bytes:
    other = rng.choice(pool)
    return file[: _place(rng, file)] + other[_place(rng, other) :]


def _elements(
    change: Callable[[random.Random, list[Element]], None],
) -> Callable[[random.Random, bytes, Pool], bytes]:
    """Make a mutation of a file from one of its list of elements."""

    def changed(rng: random.Random, file: bytes, pool: Pool) -> bytes:
        elements = wire.split(file)
        if not elements:
            return _flip(rng, file, pool)
        change(rng, elements)
        return wire.joined(file[: wire.PREAMBLE], elements)

    return changed


def _pick(rng: random.Random, elements: list[Element]) -> int:
    """Pick an element: mostly one that the node reads."""
    known = {tag for tag, _ in values.LOOKED_AT} | {wire.TRANSFER_SYNTAX}
    read = [i for i, e in enumerate(elements) if e.tag in known]
    return rng.choice(read) if read and rng.random() < 0.8 else rng.randrange(len(elements))  # noqa: PLR2004


def _odd_value(rng: random.Random, elements: list[Element]) -> None:
    at = _pick(rng, elements)
    one = elements[at]
    elements[at] = replace(one, value=values.hostile(rng, one.tag, one.vr), length=None)


def _added(rng: random.Random, elements: list[Element]) -> None:
    for tag, vr in rng.sample(values.LOOKED_AT, rng.choice((1, 1, 3))):
        new = Element(tag, vr, values.hostile(rng, tag, vr))
        elements[:] = [e for e in elements if e.tag != tag]
        at = next((i for i, e in enumerate(elements) if e.tag > tag), len(elements))
        elements.insert(at, new)


def _other_vr(rng: random.Random, elements: list[Element]) -> None:
    at = _pick(rng, elements)
    elements[at] = replace(elements[at], vr=rng.choice(values.VRS))


def _false_length(rng: random.Random, elements: list[Element]) -> None:
    at = _pick(rng, elements)
    true = len(elements[at].value)
    lies = (0, 1, true + 1, true - 1, true + 2, true * 2, 0xFFFE, 0x7FFFFFFF, 0xFFFFFFFE,
            wire.UNDEFINED)  # fmt: skip
    elements[at] = replace(elements[at], length=max(0, rng.choice(lies)))


def _without(rng: random.Random, elements: list[Element]) -> None:
    for _ in range(rng.choice((1, 1, 2, 5))):
        if elements:
            del elements[_pick(rng, elements)]


def _doubled(rng: random.Random, elements: list[Element]) -> None:
    elements.insert(rng.randrange(len(elements)), elements[_pick(rng, elements)])


def _exchanged(rng: random.Random, elements: list[Element]) -> None:
    a, b = _pick(rng, elements), _pick(rng, elements)
    first, second = elements[a], elements[b]
    elements[a] = replace(first, value=second.value)
    elements[b] = replace(second, value=first.value)


def _other_syntax(rng: random.Random, elements: list[Element]) -> None:
    uid = rng.choice(values.TRANSFER_SYNTAXES)
    for at, one in enumerate(elements):
        if one.tag == wire.TRANSFER_SYNTAX:
            elements[at] = replace(one, value=uid + b"\0" * (len(uid) % 2))


def _codestream(rng: random.Random, elements: list[Element]) -> None:
    """Damage the pixel data, most often where the codestream says what it holds."""
    for at, one in enumerate(elements):
        if one.tag == wire.PIXEL_DATA and one.value:
            stream = bytearray(one.value)
            near = min(len(stream), _STREAM_HEADER if rng.random() < 0.7 else len(stream))  # noqa: PLR2004
            for _ in range(rng.choice((1, 2, 5, 30))):
                where = rng.randrange(near)
                word = rng.choice((rng.randbytes(1), rng.randbytes(2), rng.choice(_WORDS)))
                stream[where : where + len(word)] = word
            if rng.random() < 0.2:  # noqa: PLR2004
                del stream[rng.randrange(len(stream)) :]
            elements[at] = replace(one, value=bytes(stream))


def _fragments(rng: random.Random, elements: list[Element]) -> None:
    """Rewrap the pixel data: false offset tables, many fragments, none, no end (PS3.5 A.4)."""
    for at, one in enumerate(elements):
        if one.tag == wire.PIXEL_DATA:
            body = one.value[rng.choice((0, 8, 16)) :]
            parts = [wire.item(rng.choice((b"", rng.randbytes(8), b"\xff" * 4)))]
            size = rng.choice((1, 7, 1000, len(body) + 1))
            parts += [
                wire.item(body[i : i + size]) for i in range(0, min(len(body), 200 * size), size)
            ]
            end = b"" if rng.random() < 0.5 else wire.Element(0xFFFEE0DD, b"", b"").encoded()  # noqa: PLR2004
            elements[at] = replace(one, value=b"".join(parts) + end, length=wire.UNDEFINED)


_BY_BYTE = (_flip, _flip, _overwrite, _insert, _remove, _truncate, _repeat, _splice)
_BY_ELEMENT = tuple(
    _elements(change)
    for change in (
        _odd_value, _odd_value, _odd_value, _added, _added, _other_vr, _false_length, _without,
        _doubled, _exchanged, _other_syntax, _codestream, _codestream, _fragments,
    )
)  # fmt: skip
