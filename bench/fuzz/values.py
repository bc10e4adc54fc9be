"""Values that have broken readers before, by VR, and the attributes that the node looks at."""

import random
import struct

from bench.fuzz import wire

CHARSETS = (
    b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 101", b"ISO_IR 109", b"ISO_IR 110", b"ISO_IR 13",
    b"ISO_IR 126", b"ISO_IR 127", b"ISO_IR 138", b"ISO_IR 144", b"ISO_IR 148", b"ISO_IR 166",
    b"ISO_IR 192", b"ISO_IR 203", b"GB18030", b"GBK", b"\\ISO 2022 IR 13",
    b"\\ISO 2022 IR 87", b"\\ISO 2022 IR 159", b"\\ISO 2022 IR 149", b"\\ISO 2022 IR 58",
    b"ISO 2022 IR 13\\ISO 2022 IR 87", b"ISO 2022 IR 6\\ISO 2022 IR 100\\ISO 2022 IR 149",
    b"ISO_IR 192\\ISO 2022 IR 87", b"GB18030\\ISO 2022 IR 58", b"ISO_IR 999", b"UTF-8", b"utf_7",
    b"rot13", b"hex", b"idna", b"punycode", b"unicode_escape", b"\\" * 40, b"\xff\xfe", b"ISO_IR",
)  # fmt: skip
"""Specific Character Set: every defined term, combinations, and Python codecs that are none."""

TEXTS = (
    b"", b" ", b"\\", b"\\" * 500, b"^^^^^^^^", b"=" * 20, b"a" * 70_000, b"\0" * 40, b"\xff" * 33,
    b"\x80\xfe\xff", b"\xed\xa0\x80", b"\x1b$B\x1b(B", b"\x1b$)C\xff", b"\x1b", b"\x1b[31m\x07",
    b"\r\n\x0c\x1b]0;x\x07", b"<img src=x onerror=alert(1)>", b"'; DROP TABLE studies; --",
    b"../../../../etc/passwd", b"%s%n%d{0}{__class__}$(id)`id`", b"[bold]x[/]", b"\xe2\x80\xae",
    b"CHEST", b"CT", b"CR", b"DX", b"ORIGINAL\\PRIMARY\\AXIAL", b"YES", b"\x30\x82",
)  # fmt: skip

NUMBERS = (
    b"", b" ", b"0", b"-0", b"-1", b"1", b"NaN", b"nan", b"inf", b"-inf", b"Infinity", b"1e308",
    b"-1e308", b"1e309", b"1e-320", b"9" * 20, b"9" * 4400, b"1.5", b"0x10", b"1,5", b"1_000",
    b"\xd9\xa1", b"1\\2", b"1\\2\\3", b"0\\0", b"0\\0\\0", b"1\\NaN", b"1\\0\\0\\0\\1\\0",
    b"0\\0\\0\\0\\0\\0", b"1\\0\\0\\1\\0\\0", b"-1\\0\\0\\0\\-1\\0", b"inf\\inf\\inf",
    b"2147483648",
    b"-2147483649", b"4294967296", b"1\\" * 3000, b"+", b".", b"e", b"1e", b"--1", b"1 2",
)  # fmt: skip

MOMENTS = (b"", b"00000000", b"99999999", b"20261340", b"19000229", b"-1", b"240000", b"256199.9",
           b"20260101-", b"20260101000000.000000+1400", b"+9999", b"-0000", b"+2500", b"2026.01.01",
           b"\xff\xff")  # fmt: skip

UIDS = (b"", b"0", b"1..2", b"1.2.", b".1", b"1." * 200 + b"1", b"a.b", b"1.2.3\0\0\0", b"01.02",
        b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.1.7", b"1.2\\1.3", b"\xff",
        b"../1.2")  # fmt: skip

TRANSFER_SYNTAXES = (
    b"", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.51",
    b"1.2.840.10008.1.2.4.57", b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.80",
    b"1.2.840.10008.1.2.4.81", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.91",
    b"1.2.840.10008.1.2.4.201", b"1.2.840.10008.1.2.4.203", b"1.2.840.10008.1.2.5",
    b"1.2.840.10008.1.2.4.100", b"1.2.840.10008.1.1", b"1.2.3", b"1..2",
)  # fmt: skip

_US = (0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 32, 64, 127, 255, 256, 512, 32767, 32768, 65535)
_MOMENT_VR = frozenset({b"DA", b"TM", b"DT", b"AS"})
_NUMBER_VR = frozenset({b"DS", b"IS"})
_BINARY = {b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"FD": 8, b"AT": 4}
VRS = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB",
       b"OD", b"OF", b"OL", b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM",
       b"UC", b"UI", b"UL", b"UN", b"UR", b"US", b"UT", b"UV", b"??", b"\0\0", b"\xff\xff",
       b"  ")  # fmt: skip

LOOKED_AT: tuple[tuple[int, bytes], ...] = (
    (0x00080005, b"CS"), (0x00080008, b"CS"), (0x00080016, b"UI"), (0x00080018, b"UI"),
    (0x00080020, b"DA"), (0x00080030, b"TM"), (0x00080050, b"SH"), (0x00080060, b"CS"),
    (0x00080064, b"CS"), (0x00080070, b"LO"), (0x00080090, b"PN"), (0x00080201, b"SH"),
    (0x00081030, b"LO"), (0x0008103E, b"LO"), (0x00081140, b"SQ"), (0x00081032, b"SQ"),
    (0x00100010, b"PN"), (0x00100020, b"LO"), (0x00100021, b"LO"), (0x00100030, b"DA"),
    (0x00100040, b"CS"), (0x00101010, b"AS"), (0x00101020, b"DS"), (0x00120062, b"CS"),
    (0x00180015, b"CS"), (0x00181164, b"DS"), (0x00181210, b"SH"), (0x00185101, b"CS"),
    (0x0020000D, b"UI"), (0x0020000E, b"UI"), (0x00200011, b"IS"), (0x00200012, b"IS"),
    (0x00200013, b"IS"), (0x00200032, b"DS"), (0x00200037, b"DS"), (0x00200052, b"UI"),
    (0x00280002, b"US"), (0x00280004, b"CS"), (0x00280006, b"US"), (0x00280008, b"IS"),
    (0x00280010, b"US"), (0x00280011, b"US"), (0x00280030, b"DS"), (0x00280100, b"US"),
    (0x00280101, b"US"), (0x00280102, b"US"), (0x00280103, b"US"), (0x00280120, b"US"),
    (0x00280121, b"US"), (0x00281040, b"CS"), (0x00281050, b"DS"), (0x00281051, b"DS"),
    (0x00281052, b"DS"), (0x00281053, b"DS"), (0x00281054, b"LO"), (0x00281056, b"CS"),
    (0x00283000, b"SQ"), (0x00283010, b"SQ"), (0x00282110, b"CS"), (0x00400275, b"SQ"),
    (0x00189004, b"CS"), (0x20500020, b"CS"), (0x7FE00010, b"OW"), (0x7FE00008, b"OF"),
    (0x00400260, b"SQ"), (0x00321064, b"SQ"), (0x00081110, b"SQ"), (0x00120063, b"LO"),
    (0x00120064, b"SQ"), (0x00091001, b"UN"), (0x00090010, b"LO"),
)  # fmt: skip
"""What decoding, selection, geometry and reports read of an image."""


def hostile(rng: random.Random, tag: int, vr: bytes) -> bytes:  # noqa: PLR0911 (one line for each VR)
    """Return a value that the attribute should not have, or should have elsewhere."""
    if tag == wire.TRANSFER_SYNTAX:
        return rng.choice(TRANSFER_SYNTAXES)
    if tag == 0x00080005:  # noqa: PLR2004 (Specific Character Set)
        return rng.choice(CHARSETS)
    if vr in _NUMBER_VR:
        return rng.choice(NUMBERS)
    if vr in _MOMENT_VR:
        return rng.choice(MOMENTS)
    if vr == b"UI":
        return rng.choice(UIDS)
    if vr == b"SQ":
        return _sequence(rng)
    if vr in _BINARY:
        return _binary(rng, _BINARY[vr])
    if vr[:1] == b"O" or vr == b"UN":
        return rng.choice((b"", b"\0", b"\xff" * 7, rng.randbytes(rng.randrange(4000))))
    return rng.choice(TEXTS)


def _binary(rng: random.Random, size: int) -> bytes:
    many = rng.choice((1, 1, 1, 1, 2, 3, 0, 40))
    if size == 8:  # noqa: PLR2004 (FD)
        numbers = (0.0, -1.0, 1e308, float("nan"), float("inf"))
        return b"".join(struct.pack("<d", rng.choice(numbers)) for _ in range(many))
    value = b"".join(rng.choice(_US).to_bytes(size, "little") for _ in range(many))
    return value if rng.random() < 0.85 else value + b"\x01"  # noqa: PLR2004 (an odd length)


def _sequence(rng: random.Random) -> bytes:  # noqa: PLR0911 (one line for each kind)
    inner = b"".join(
        wire.Element(tag, vr, hostile(rng, tag, vr if vr != b"SQ" else b"UN")).encoded()
        for tag, vr in rng.sample(LOOKED_AT, rng.randrange(4))
        if tag != wire.PIXEL_DATA
    )
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return wire.nested(rng.choice((2, 20, 200, 1500)))
    if kind == 2:  # noqa: PLR2004
        return wire.item(inner, wire.UNDEFINED)
    if kind == 3:  # noqa: PLR2004
        return wire.item(inner, rng.choice((1, len(inner) + 8, wire.UNDEFINED - 1)))
    if kind == 4:  # noqa: PLR2004
        return rng.randbytes(rng.randrange(64))
    if kind == 5:  # noqa: PLR2004
        return _table(rng)
    return b"".join(wire.item(inner) for _ in range(rng.choice((1, 1, 2, 30))))


def _table(rng: random.Random) -> bytes:
    """Return one item of a look-up table whose descriptor need not fit its data (C.11.1.1)."""
    descriptor = struct.pack("<3H", *(rng.choice(_US) for _ in range(3)))
    data = rng.randbytes(2 * rng.choice((0, 1, 16, 256, 4096)))
    return wire.item(
        wire.Element(0x00283002, rng.choice((b"US", b"SS")), descriptor).encoded()
        + wire.Element(0x00283006, rng.choice((b"OW", b"US", b"UN")), data).encoded()
    )
