"""By which character set a file's text is read, where it declares none or a wrong one.

Some senders write UTF-8 or Latin-1 and declare nothing, though only ASCII needs no declaration
(PS3.3 C.12.1.1.2). Their names are shown as they were meant, and never with letters dropped.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Final

from pydicom import charset
from pydicom.valuerep import PersonName

UTF8: Final = "ISO_IR 192"
LATIN1: Final = "ISO_IR 100"
_ASCII: Final = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})

for _term in ("ISO_IR 203", "ISO 2022 IR 203"):
    charset.python_encoding.setdefault(_term, "iso8859_15")
"""Latin-9, a defined term since 2023 (PS3.3 C.12.1.1.2) that pydicom 3.0 does not know."""


def meant(declared: Sequence[str], texts: Iterable[bytes]) -> tuple[str, ...]:
    """Return the terms by which to read ``texts``: those declared, unless they cannot be true.

    What is beyond ASCII and declared as nothing more is UTF-8 where it is valid UTF-8, else
    Latin-1; what is declared as UTF-8 and is not is Latin-1.
    """
    terms = tuple(term.strip() for term in declared)
    if set(terms) <= _ASCII:
        odd = [text for text in texts if not text.isascii()]
        if not odd:
            return terms
        return (UTF8,) if all(map(_is_utf8, odd)) else (LATIN1,)
    if terms == (UTF8,) and not all(map(_is_utf8, texts)):
        return (LATIN1,)
    return terms


def decoded(raw: bytes, declared: Sequence[str]) -> str:
    """Return the text of a value, all groups of a name; nothing is dropped.

    Bytes that the character set does not know come as U+FFFD.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        return str(
            PersonName(raw.strip(b"\0 "), encodings=encodings(meant(declared, [raw])))
        ).strip()


def encodings(terms: Sequence[str]) -> list[str]:
    """Return Python's names of defined terms; one that nobody knows is Latin-1."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        return list(charset.convert_encodings([*terms] or [""]))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
