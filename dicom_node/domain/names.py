"""Whether two values of Patient's Name can be one person's (PS3.5 6.2.1).

Names of one person differ in spelling: case, accents, blanks, the order of components, a middle
name that is cut off, a group that is left out. All that is no contradiction; anything else is.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

_GROUPS: Final = 3
_FAMILY, _GIVEN, _MIDDLE, _SUFFIX = 0, 1, 2, 4
_MOST_WORDS: Final = 5
"""Of a name without components whose blanks may stand anywhere."""

_LETTERS: Final = str.maketrans(
    {"ı": "i", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ـ": None}
)
"""Small Latin letters that Unicode does not take apart, and Arabic's lengthening stroke."""
_PLAIN: Final = str.maketrans({"ø": "o"})
_SPELT_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})

_ACCENTS: Final = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670))
"""Marks without which a Latin, Greek, Cyrillic, Hebrew or Arabic name is still read as the same;
those of Indian scripts are vowels, and those of kana make other syllables."""
_KATAKANA: Final = range(0x30A1, 0x30F7)
_TO_HIRAGANA: Final = 0x60

_Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """One group of a name: its components, each as words."""

    components: tuple[_Words, ...]

    @property
    def words(self) -> _Words:
        return tuple(word for component in self.components for word in component)

    def component(self, index: int) -> _Words:
        return self.components[index] if index < len(self.components) else ()

    @property
    def whole(self) -> tuple[str, ...]:
        """The components without their blanks; titles tell nobody apart."""
        kept = (self.component(index) for index in (_FAMILY, _GIVEN, _MIDDLE))
        return tuple(sorted("".join(words) for words in kept if words))

    @property
    def own_words(self) -> _Words:
        return tuple(sorted(w for i in (_FAMILY, _GIVEN, _MIDDLE) for w in self.component(i)))


def may_be_one(name: str, other: str) -> bool:
    """Tell whether two values of Patient's Name can be spellings of one person's.

    An empty value, group or component contradicts nothing. Where both names have an ideographic
    group it decides, since one romanisation stands for many names and one name has several.
    """
    if name == other:
        return True
    ways = product((_PLAIN, _SPELT_OUT), repeat=2)
    return any(_agree(_groups(name, mine), _groups(other, theirs)) for mine, theirs in ways)


def _agree(name: Sequence[_Group], other: Sequence[_Group]) -> bool:
    both = [bool(one.words and two.words) for one, two in zip(name, other, strict=True)]
    alphabetic, *native = (_is_compatible(one, two) for one, two in zip(name, other, strict=True))
    if not all(native):
        return False
    if alphabetic or any(both[1:]):
        return True
    # A sender without a second character set writes the ideographs into the first group.
    crossed = [(name[0], two) for two in other[1:]] + [(one, other[0]) for one in name[1:]]
    return any(one.words and two.words and _is_compatible(one, two) for one, two in crossed)


def _groups(name: str, spelling: dict[int, str]) -> tuple[_Group, ...]:
    groups = (name.split("=") + [""] * _GROUPS)[:_GROUPS]
    return tuple(
        _Group(tuple(tuple(_folded(part, spelling).split()) for part in group.split("^")))
        for group in groups
    )


def _folded(text: str, spelling: dict[int, str]) -> str:
    """Return text in one case, without accents, with a blank for all that is no letter."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    spelt = composed.translate(_LETTERS).translate(spelling)
    bare = "".join(c for c in unicodedata.normalize("NFKD", spelt) if not _is_accent(c))
    hiragana = (chr(ord(c) - _TO_HIRAGANA) if ord(c) in _KATAKANA else c for c in bare)
    return "".join(c if _is_letter(c) else " " for c in hiragana).replace("'", "")


def _is_accent(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _ACCENTS)


def _is_letter(character: str) -> bool:
    return character == "'" or unicodedata.category(character)[0] in "LMN"


def _is_compatible(one: _Group, two: _Group) -> bool:
    if not one.words or not two.words:
        return True
    if not _is_same(one.component(_SUFFIX), two.component(_SUFFIX)):  # father and son
        return False
    if one.whole == two.whole or one.own_words == two.own_words:
        return True
    if _is_loose(one) or _is_loose(two):
        if _joined(one) & _joined(two):
            return True
        return any(_fits(a, b) for a, b in product(_readings(one), _readings(two)))
    return any(_fits(_ordered(one), b) for b in (_ordered(two), _turned(_ordered(two))))


def _is_loose(group: _Group) -> bool:
    """Tell whether the name came as words in one component."""
    return len([c for c in group.components if c]) == 1 and len(group.words) > 1


def _joined(group: _Group) -> frozenset[str]:
    """Return the name without any blank, in every order of its words."""
    words = group.words
    if len(words) > _MOST_WORDS:
        return frozenset({"".join(words)})
    return frozenset("".join(order) for order in permutations(words))


_Parts = tuple[_Words, _Words, _Words]
"""Family, given and further names."""


def _ordered(group: _Group) -> _Parts:
    family, given = group.component(_FAMILY), group.component(_GIVEN)
    return family, given, group.component(_MIDDLE)


def _turned(parts: _Parts) -> _Parts:
    family, given, further = parts
    return given, family, further


def _readings(group: _Group) -> Iterator[_Parts]:
    """Yield what the words of a name may be: the family's first or last, each of any length."""
    if not _is_loose(group):
        yield from (_ordered(group), _turned(_ordered(group)))
        return
    words = group.words
    yield words, (), ()
    for cut in range(1, len(words)):
        yield words[:cut], words[cut : cut + 1], words[cut + 1 :]
        yield words[cut:], words[:1], words[1:cut]


def _fits(one: _Parts, two: _Parts) -> bool:
    """Tell whether family and given name agree, and none of the further names contradicts."""
    (family, given, further), (other_family, other_given, other_further) = one, two
    if not _is_same(family, other_family):
        return False
    if _is_same(given, other_given) or _is_initial(given, other_given):
        return _is_cut(further, other_further)
    # "Anna Maria" beside "Anna^Maria" or "Anna": what follows the first word is a further name
    first, other_first = given[:1], other_given[:1]
    if not (_is_same(first, other_first) or _is_initial(first, other_first)):
        return False
    return _is_cut(given[1:] + further, other_given[1:] + other_further)


def _is_same(one: _Words, two: _Words) -> bool:
    return not one or not two or "".join(one) == "".join(two)


def _is_initial(one: _Words, two: _Words) -> bool:
    """Tell whether one given name is the other's first letter."""
    short, name = sorted(("".join(one), "".join(two)), key=len)
    return len(short) == 1 and name.startswith(short)


def _is_cut(one: _Words, two: _Words) -> bool:
    """Tell whether each further name is the other's beginning; they are cut off where a field ends,
    and the last ones are left out."""
    if _is_same(one, two):
        return True
    return all(a.startswith(b) or b.startswith(a) for a, b in zip(one, two, strict=False))
