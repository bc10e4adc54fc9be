"""Which studies pass a filter."""

import pytest

from dicom_node.domain import Priority, RunState, WorklistHead
from dicom_node.worklist.filters import Filter, fold, keep
from tests.worklist_heads import head

FILM = head("1.2.1", name="MÜLLER^ANNA", modality="CR", state=RunState.REPORTED)
SCAN = head(
    "1.2.2",
    name="Wang^XiaoDong=王^小東",
    modality="CT",
    state=RunState.QUEUED,
    priority=Priority.STAT,
)
BOTH = (FILM, SCAN)


@pytest.mark.parametrize(
    "text",
    ["muller", "Müller", "MULLER anna", "anna müll", "u\u0308ller", "pid-1.2.1", "acc", "1.2.1"],
)
def test_words_are_found_without_regard_to_case_and_accents(text: str) -> None:
    assert FILM in keep(BOTH, Filter(text=text))


def test_every_word_must_occur() -> None:
    assert keep(BOTH, Filter(text="anna wang")) == ()
    assert keep(BOTH, Filter(text="  ")) == BOTH


def test_other_scripts_are_found() -> None:
    assert keep(BOTH, Filter(text="小東")) == (SCAN,)


def test_words_do_not_run_over_from_one_attribute_to_the_next() -> None:
    assert keep(BOTH, Filter(text="annapid")) == ()


def test_state_modality_and_priority_all_count() -> None:
    assert keep(BOTH, Filter(modality="CT")) == (SCAN,)
    assert keep(BOTH, Filter(state=RunState.REPORTED, modality="CT")) == ()
    assert keep(BOTH, Filter(priority=Priority.STAT)) == (SCAN,)
    assert keep(BOTH, Filter(priority=Priority.LOW)) == ()


def test_fold_leaves_letters_that_have_no_accent() -> None:
    assert fold("Straße") == fold("STRASSE")


def test_heads_are_given_back_as_they_came() -> None:
    found: tuple[WorklistHead, ...] = keep(iter(BOTH), Filter())
    assert found == BOTH
