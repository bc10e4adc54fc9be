"""What is persisted reads back exactly."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dicom_node.codes import Code
from dicom_node.domain import (
    Box,
    Finding,
    InstanceRef,
    Measurement,
    ModelIdentity,
    ObjectRef,
    Presence,
    Priority,
    Region,
    StudyKind,
    TriageResult,
)
from dicom_node.ledger import Ledger, results
from tests.ledgers import MODEL, result, start

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UNIT = st.floats(0, 1)
EDGE = st.floats(allow_nan=False, allow_infinity=False)
OBJECTS = st.builds(ObjectRef, WORDS, WORDS, WORDS)
INSTANCES = st.builds(InstanceRef, WORDS, WORDS, WORDS, WORDS, WORDS)
FINDINGS = st.builds(
    Finding,
    label=WORDS,
    code=st.builds(Code, WORDS, WORDS, WORDS),
    probability=UNIT,
    threshold=UNIT,
    presence=st.sampled_from(Presence),
    region=st.builds(Region, WORDS, st.builds(Box, EDGE, EDGE, EDGE, EDGE)),
)
MEASUREMENTS = st.builds(
    Measurement,
    finding=st.builds(Code, WORDS, WORDS, WORDS),
    quantity=st.builds(Code, WORDS, WORDS, WORDS),
    value=EDGE,
    unit=st.builds(Code, WORDS, WORDS, WORDS),
    region=st.builds(Region, WORDS, st.builds(Box, EDGE, EDGE, EDGE, EDGE)),
    definition=WORDS,
)
RESULTS = st.builds(
    TriageResult,
    run_identity=WORDS,
    study_instance_uid=WORDS,
    kind=st.sampled_from(StudyKind),
    model=st.builds(ModelIdentity, WORDS, WORDS, WORDS),
    policy_hash=WORDS,
    findings=st.lists(FINDINGS, max_size=4).map(tuple),
    priority=st.sampled_from(Priority),
    priority_reason=WORDS,
    evidence=st.lists(INSTANCES, max_size=4).map(tuple),
    completed_at=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),
    notes=st.lists(WORDS, max_size=3).map(tuple),
    parameters=st.dictionaries(WORDS, WORDS, max_size=3),
    predecessor=st.none() | OBJECTS,
    measurements=st.lists(MEASUREMENTS, max_size=2).map(tuple),
)


@given(RESULTS)
def test_text_of_any_result_reads_back_equal(value: TriageResult) -> None:
    back = results.from_text(results.to_text(value))
    assert back == value
    assert results.to_text(back) == results.to_text(value)


def test_second_result_replaces_the_first(ledger: Ledger) -> None:
    claim = start(ledger)
    assert ledger.runs.identify(claim, "identity-1", "input", MODEL)
    ledger.runs.save_result(claim, result(priority=Priority.STAT))
    ledger.runs.save_result(claim, result(priority=Priority.LOW))
    assert ledger.runs.result(claim.run_id) == result(priority=Priority.LOW)
    assert ledger.runs.result("another run") is None
