"""What models in the shadow said, beside the runs that they looked at."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.domain import (
    Assessment,
    ModelIdentity,
    ModelState,
    Opinion,
    Presence,
    Priority,
    RunState,
    ServedModel,
    ShadowReading,
    ShadowState,
    Statement,
    StudyKind,
)
from dicom_node.errors import LedgerError, RunNotFound
from dicom_node.ledger import Ledger
from tests.ledgers import (
    MODEL,
    OTHER_MODEL,
    STUDY,
    Clock,
    at_once,
    finish,
    objects,
    report,
    shadowed,
    start,
)

FAILED = ShadowReading(OTHER_MODEL, ShadowState.FAILED, error="the network raised")


def test_reading_stands_beside_what_was_reported(ledger: Ledger) -> None:
    claim = report(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    ledger.shadows.end(claim.run_id, shadowed())
    (pair,) = ledger.shadows.pairs()
    assert pair.study_instance_uid == STUDY
    assert pair.run_id == claim.run_id
    assert pair.kind is StudyKind.CXR
    assert pair.served == Opinion(
        MODEL,
        (
            Statement("covid19", 0.87, 0.5, Presence.PRESENT),
            Statement("normal", 0.1, 0.5, Presence.ABSENT),
        ),
        Priority.STAT,
    )
    assert pair.shadow == shadowed()
    assert pair.assessment is None


def test_reading_that_was_only_started_stays_so(ledger: Ledger) -> None:
    claim = report(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    (pair,) = ledger.shadows.pairs()
    assert pair.shadow == ShadowReading(OTHER_MODEL, ShadowState.STARTED)


def test_reading_that_failed_says_why(ledger: Ledger) -> None:
    claim = report(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    ledger.shadows.end(claim.run_id, FAILED)
    (pair,) = ledger.shadows.pairs()
    assert pair.shadow == FAILED


def test_second_reading_replaces_the_first(ledger: Ledger) -> None:
    claim = report(ledger)
    for reading in (FAILED, shadowed(covid19=0.9), shadowed()):
        ledger.shadows.start(claim.run_id, OTHER_MODEL)
        ledger.shadows.end(claim.run_id, reading)
    (pair,) = ledger.shadows.pairs()
    assert pair.shadow == shadowed()


def test_reading_changes_nothing_of_the_run(ledger: Ledger) -> None:
    claim = report(ledger)
    before = ledger.queries.detail(STUDY), ledger.audit.entries()
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    ledger.shadows.end(claim.run_id, shadowed())
    assert (ledger.queries.detail(STUDY), ledger.audit.entries()) == before


def test_reading_of_an_unknown_run_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        ledger.shadows.start("no run", OTHER_MODEL)
    with pytest.raises(RunNotFound):
        ledger.shadows.end("no run", shadowed())


def test_pairs_are_of_the_newest_report_of_each_study(ledger: Ledger, clock: Clock) -> None:
    first = report(ledger)
    clock.forward(1)
    second = report(ledger, "images-2")
    clock.forward(1)
    other = report(ledger, uid="1.2.3")
    for claim in (other, first, second):
        ledger.shadows.start(claim.run_id, OTHER_MODEL)
        ledger.shadows.end(claim.run_id, shadowed())
    assert [pair.run_id for pair in ledger.shadows.pairs()] == [second.run_id, other.run_id]


def test_run_that_is_not_reported_makes_no_pair(ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    assert ledger.shadows.pairs() == ()
    finish(ledger, claim)
    assert len(ledger.shadows.pairs()) == 1


def test_pairs_are_asked_for_by_kind(ledger: Ledger) -> None:
    claim = report(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    assert len(ledger.shadows.pairs(StudyKind.CXR)) == 1
    assert ledger.shadows.pairs(StudyKind.CT) == ()


def test_pair_has_the_newest_verdict_on_its_own_report(ledger: Ledger, clock: Clock) -> None:
    claim = report(ledger)
    ledger.shadows.start(claim.run_id, OTHER_MODEL)
    told = objects(str(claim.number))[0][1].sop_instance_uid
    for verdict, uid in (("accept", told), ("reject", told), ("amend", "2.25.999")):
        assessment = Assessment(verdict, None, "words", "reader", uid, clock())
        ledger.assessments.add(STUDY, assessment)
    (pair,) = ledger.shadows.pairs()
    assert pair.assessment is not None
    assert pair.assessment.verdict == "reject"


def test_run_and_shadow_are_written_side_by_side(ledger: Ledger) -> None:
    claim = report(ledger)

    def write(number: int) -> None:
        if number == 0:
            report(ledger, "images-2")
        else:
            ledger.shadows.start(claim.run_id, MODEL)

    at_once(write)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert [run.state for run in detail.runs] == [RunState.REPORTED, RunState.SUPERSEDED]


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
UNIT = st.floats(0, 1)
STATEMENTS = st.builds(Statement, WORDS, UNIT, UNIT, st.sampled_from(Presence))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        ShadowReading,
        model=st.builds(ModelIdentity, WORDS, WORDS, WORDS),
        state=st.just(ShadowState.READ),
        statements=st.lists(STATEMENTS, max_size=4).map(tuple),
        priority=st.sampled_from(Priority),
        elapsed_ms=st.floats(0, 1e9),
        error=WORDS,
    )
)
def test_any_reading_reads_back_equal(ledger: Ledger, reading: ShadowReading) -> None:
    pairs = ledger.shadows.pairs()
    run_id = pairs[0].run_id if pairs else report(ledger).run_id
    ledger.shadows.start(run_id, reading.model)
    ledger.shadows.end(run_id, reading)
    (pair,) = ledger.shadows.pairs()
    assert pair.shadow == reading


def model(name: str, state: ModelState, clock: Clock, kind: StudyKind) -> ServedModel:
    identity = replace(MODEL, name=name)
    return ServedModel(kind, identity, "{}", True, "", "cpu", clock(), state)


def test_models_of_one_kind_are_published_side_by_side(ledger: Ledger, clock: Clock) -> None:
    published = [
        model("b-registered", ModelState.REGISTERED, clock, StudyKind.CXR),
        model("shadow", ModelState.SHADOW, clock, StudyKind.CXR),
        model("a-registered", ModelState.REGISTERED, clock, StudyKind.CXR),
        model("served", ModelState.SERVED, clock, StudyKind.CXR),
        model("served", ModelState.SERVED, clock, StudyKind.CT),
    ]
    ledger.studies.publish(published)
    names = [(m.kind, m.identity.name) for m in ledger.studies.published_models()]
    assert names == [
        (StudyKind.CT, "served"),
        (StudyKind.CXR, "served"),
        (StudyKind.CXR, "shadow"),
        (StudyKind.CXR, "a-registered"),
        (StudyKind.CXR, "b-registered"),
    ]
    assert ledger.studies.served_model(StudyKind.CXR) == published[3]


def test_model_that_is_promoted_is_served_alone(ledger: Ledger, clock: Clock) -> None:
    old = model("old", ModelState.SERVED, clock, StudyKind.CXR)
    new = model("new", ModelState.SHADOW, clock, StudyKind.CXR)
    ledger.studies.publish([old, new])
    promoted = [replace(new, state=ModelState.SERVED), replace(old, state=ModelState.SHADOW)]
    ledger.studies.publish(promoted)
    assert ledger.studies.published_models() == tuple(promoted)
    assert ledger.studies.served_model(StudyKind.CXR) == promoted[0]


def test_model_that_is_no_longer_known_is_forgotten(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.publish([model("gone", ModelState.SERVED, clock, StudyKind.CXR)])
    ledger.studies.publish([])
    assert ledger.studies.published_models() == ()


def test_many_workers_may_publish_at_once(ledger: Ledger, clock: Clock) -> None:
    models = [model(n, ModelState.REGISTERED, clock, StudyKind.CXR) for n in ("a", "b", "c")]
    at_once(lambda n: ledger.studies.publish(models if n % 2 else models[::-1]))
    assert len(ledger.studies.published_models()) == 3
