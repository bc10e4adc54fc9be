"""Whose an image is: spelling contradicts nothing, and everything else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain import Patient, contradictions, filled
from dicom_node.domain.names import may_be_one

SAME = [
    ("DOE^JOHN", "DOE^JOHN^^^"),
    ("doe^john", "DOE^JOHN"),
    ("", "DOE^JOHN"),
    ("DOE", "DOE^JOHN"),
    ("DOE^JOHN", "JOHN^DOE"),
    ("DOE JOHN", "DOE^JOHN"),
    ("Doe, John", "JOHN DOE"),
    ("DOE JOHN M", "DOE^JOHN^MICHAEL"),
    ("DOE^JOHN", "DOE^JOHN^MICHAEL"),
    ("DOE^JOHN^M", "DOE^JOHN^MICHAEL"),
    ("DOE^JOHN^MICH", "DOE^JOHN^MICHAEL"),
    ("DOE^JOHN MICHAEL", "DOE^JOHN^MICHAEL"),
    ("DOE^J", "DOE^JOHN"),
    ("DOE^JOHN^^DR", "DOE^JOHN^^PROF"),
    ("DOE^JOHN^^^JR", "DOE^JOHN"),
    ("VAN DER BERG^JAN", "VANDERBERG^JAN"),
    ("VAN DER BERG", "VAN DER BERG^JAN"),
    ("O'BRIEN^PAT", "O BRIEN^PAT"),
    ("SMITH-JONES^ANN", "SMITH JONES^ANN"),
    ("Müller^Jürgen", "MUELLER^JUERGEN"),
    ("Müller^Jürgen", "MULLER^JURGEN"),
    ("Strauß^Søren", "STRAUSS^SOREN"),
    ("Łukasz^Żak", "LUKASZ^ZAK"),
    ("Yılmaz^Ayşe", "YILMAZ^AYSE"),
    ("Παπαδόπουλος^Νίκος", "ΠΑΠΑΔΟΠΟΥΛΟΣ^ΝΙΚΟΣ"),
    ("Иванов^Пётр", "ИВАНОВ^ПЕТР"),
    ("أحمد^محمد", "احمد^محمد"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA^TARO=山田^太郎"),
    ("山田^太郎", "Yamada^Tarou=山田^太郎"),
    ("=山田^太郎", "Yamada^Tarou"),
    ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "ヤマダ^タロウ=山田^太郎=やまだ^たろう"),
    ("Hong^Gildong=洪^吉洞=홍^길동", "Hong^Gil-Dong"),
]
OTHERS = [
    ("DOE^JOHN", "ROE^JANE"),
    ("DOE^JOHN", "DOE^JANE"),
    ("DOE^JOHN", "ROE^JOHN"),
    ("SMITH^JO", "SMITH^JOHN"),
    ("DOE^JOHN^A", "DOE^JOHN^B"),
    ("DOE^JOHN^^^JR", "DOE^JOHN^^^SR"),
    ("DOE JOHN", "DOE^JANE"),
    ("MARIA ANNA", "DOE^MARIA"),
    ("LI^ANNA", "LIAN^NA"),
    ("Иванов^Иван", "DOE^JOHN"),
    ("ばば^け", "はは^け"),
    ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太朗"),
    ("Hong^Gildong=洪^吉洞=홍^길동", "Hong^Gildong=洪^吉童=홍^길동"),
]


@pytest.mark.parametrize(("name", "other"), SAME)
def test_names_that_differ_in_spelling_may_be_one_persons(name: str, other: str) -> None:
    assert may_be_one(name, other)
    assert may_be_one(other, name)


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_names_that_differ_beyond_spelling_are_two_peoples(name: str, other: str) -> None:
    assert not may_be_one(name, other)
    assert not may_be_one(other, name)


WORDS = st.text(st.characters(categories=["Lu", "Ll", "Lo"], max_codepoint=0x7FFF), max_size=8)
COMPONENTS = st.lists(WORDS, min_size=1, max_size=5)
ANY_NAME = st.text(st.sampled_from("AbÉßıøЖ山やダ홍^= -'.,\x1b1ªǄ"), max_size=24) | st.text(
    max_size=12
)


@given(ANY_NAME, ANY_NAME)
def test_comparing_is_total_and_has_no_direction(name: str, other: str) -> None:
    assert may_be_one(name, name)
    assert may_be_one(name, "")
    assert may_be_one(name, other) == may_be_one(other, name)


@given(COMPONENTS, st.integers(0, 4))
def test_blanks_order_and_empty_components_contradict_nothing(
    components: list[str], blanks: int
) -> None:
    name = "^".join(components)
    spaced = "^".join(" " * blanks + c + " " for c in components) + "^" * (5 - len(components))
    assert may_be_one(name, spaced)
    turned = [*reversed(components[:2]), *components[2:]]
    assert may_be_one(name, "^".join(turned))


@given(st.text(st.sampled_from("ABCDEFGHIJ"), min_size=2, max_size=8),
       st.text(st.sampled_from("KLMNOPQRST"), min_size=2, max_size=8),
       st.text(st.sampled_from("UVWXYZ"), min_size=2, max_size=8))  # fmt: skip
def test_another_given_name_is_another_person(family: str, given_: str, other: str) -> None:
    assert not may_be_one(f"{family}^{given_}", f"{family}^{other}")
    assert not may_be_one(f"{family}^{given_}", f"{other}^{family}")


WHOLE = Patient("P1", "DOE^JOHN", "19700102", "M", "HOSP")


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        (Patient(), ()),
        (Patient("p1 ", "Doe^John^^^", "1970.01.02", "m", "hosp"), ()),
        (Patient("P1", "DOE^JOHN", "1970", "", ""), ()),
        (Patient("P1", "DOE^JOHN", "19700000", "U", ""), ()),
        (Patient("P1", "DOE^JOHN", "00000000", "M", "HOSP"), ()),
        (Patient("P2", "DOE^JOHN", "19700102", "M", "HOSP"), ("patient ID",)),
        (Patient("01", "DOE^JOHN", "19700102", "M", "HOSP"), ("patient ID",)),
        (Patient("P1", "ROE^JANE", "19710101", "F", "HOSP"), ("name", "birth date", "sex")),
        (Patient("", "ROE^JANE", "", "", ""), ("name",)),
        (Patient("P1", "DOE^JOHN", "19700103", "M", "HOSP"), ("birth date",)),
        (Patient("P1", "DOE^JOHN", "19700102", "F", "HOSP"), ("sex",)),
        (Patient("P1", "DOE^JOHN", "19700102", "M", "CLINIC"), ("issuer of the patient ID",)),
    ],
)
def test_patient_contradicts_in_what_is_told(other: Patient, differing: tuple[str, ...]) -> None:
    assert WHOLE.contradicts(other) == differing
    assert other.contradicts(WHOLE) == differing


def test_two_that_fit_a_third_may_still_contradict_each_other() -> None:
    assert contradictions([Patient("P1"), Patient("P1", "A^B"), Patient("", "C^D")]) == ("name",)
    assert contradictions([]) == ()


def test_filled_takes_what_is_missing_from_the_others() -> None:
    assert filled([Patient(name="DOE^JOHN"), Patient("P1", "DOE", "19700102")]) == Patient(
        "P1", "DOE^JOHN", "19700102"
    )
