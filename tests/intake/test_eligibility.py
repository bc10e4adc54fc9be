"""Which studies may be read: total, and deaf to everything but images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import (
    RESULT_MODALITIES,
    Patient,
    RefusalCode,
    SeriesRef,
    StudyKind,
    StudyRef,
)
from dicom_node.errors import StudyRefused
from dicom_node.intake.eligibility import eligible, modality
from tests.listings import series, study

POLICY = policy.load()
MODALITIES = sorted({"CR", "DX", "CT", "MR", "US", "MG", "RF", ""} | RESULT_MODALITIES)

listed_series = st.builds(
    lambda name, modality_, slices: series(name, modality_, slices=slices),
    st.text("abc", min_size=1, max_size=4),
    st.sampled_from(MODALITIES),
    st.integers(0, 3),
)


@given(st.lists(listed_series, max_size=6), st.lists(st.text("xy", min_size=1), max_size=2))
def test_eligible_any_study_is_chosen_or_refused_with_a_known_code(
    listed: list[SeriesRef], others: list[str]
) -> None:
    subject = study(listed, others=tuple(map(Patient, others)))
    readable = [s for s in listed if s.modality in {"CR", "DX", "CT"} and s.instances]
    if others or not readable:
        with pytest.raises(StudyRefused) as refused:
            eligible(subject, POLICY)
        assert RefusalCode(refused.value.code)
        assert refused.value.reason.endswith(".")
    else:
        chosen = eligible(subject, POLICY)
        assert set(chosen.series) <= set(readable)
        assert chosen.series


@pytest.mark.parametrize("kind", sorted(RESULT_MODALITIES))
def test_eligible_result_objects_never_make_a_study_readable(kind: str) -> None:
    with pytest.raises(StudyRefused) as refused:
        eligible(study([series("own", kind)]), POLICY)
    assert refused.value.code == RefusalCode.NO_ELIGIBLE_SERIES


def test_eligible_report_beside_a_film_changes_nothing() -> None:
    film = series("film", "CR")
    alone = eligible(study([film]), POLICY)
    with_report = eligible(study([film, series("report", "SR"), series("heat", "OT")]), POLICY)
    assert alone == with_report


def test_eligible_ct_wins_over_a_film_in_one_study() -> None:
    chosen = eligible(study([series("film", "DX"), series("stack", "CT", slices=3)]), POLICY)
    assert chosen.kind is StudyKind.CT
    assert [s.modality for s in chosen.series] == ["CT"]


def test_eligible_other_modality_is_named_in_the_refusal() -> None:
    with pytest.raises(StudyRefused, match="MR") as refused:
        eligible(study([series("brain", "MR")]), POLICY)
    assert refused.value.code == RefusalCode.MODALITY_NOT_SUPPORTED


def test_eligible_two_patients_under_one_study_uid_is_refused() -> None:
    subject: StudyRef = study([series("film", "CR")], others=(Patient("P2"),))
    with pytest.raises(StudyRefused) as refused:
        eligible(subject, POLICY)
    assert refused.value.code == RefusalCode.PATIENT_MISMATCH


def test_modality_is_that_of_the_images_not_of_their_reports() -> None:
    assert modality(study([series("report", "SR"), series("film", "DX")])) == "DX"
    assert modality(study([series("report", "SR")])) == "SR"
    assert modality(study([])) == ""
