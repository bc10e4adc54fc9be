"""Ledgers with a past: many studies in every state, written as rows in one go."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from dicom_node import codes
from dicom_node.domain import (
    ModelIdentity,
    Presence,
    Priority,
    RefusalCode,
    RunState,
    Stage,
    StudyKind,
    Trigger,
)
from dicom_node.ledger import Ledger
from dicom_node.ledger.columns import Base
from dicom_node.ledger.schema import (
    AssessmentRow,
    FindingRow,
    ObjectRow,
    RunRow,
    StudyRow,
    TransitionRow,
)
from tests.ledgers import MODEL

_NAMES = ("MÜLLER^ANNA", "GARCÍA^JOSÉ", "NOVÁK^JAN", "SMITH^JOHN", "ÖZTÜRK^AYŞE")
_STATES = (
    [RunState.REPORTED] * 14
    + [RunState.REFUSED] * 2
    + [RunState.FAILED, RunState.QUEUED, RunState.RUNNING, RunState.RECEIVED]
)
_LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia", "covid19")
_SR = "1.2.840.10008.5.1.4.1.1.88.34"
_SC = "1.2.840.10008.5.1.4.1.1.7"
_LONGEST_WAIT_MIN = 600


def many_studies(ledger: Ledger, count: int, chance: random.Random, now: datetime) -> None:
    """Fill an empty ledger with studies of the last ten hours, in every state."""
    with ledger.database.write() as session:
        for number in range(count):
            for row in _rows(number, chance, now):
                session.add(row)
                session.flush([row])


def _rows(number: int, chance: random.Random, now: datetime) -> Iterator[Base]:
    uid = f"1.2.826.0.1.3680043.8.498.{number}"
    state = chance.choice(_STATES)
    received_at = now - timedelta(minutes=chance.uniform(0, _LONGEST_WAIT_MIN))
    yield StudyRow(
        study_instance_uid=uid,
        orthanc_id=f"orthanc-{number}",
        patient_id=f"PID-{number}",
        patient_name=chance.choice(_NAMES),
        accession_number=f"ACC{number}",
        study_description="Thorax" if number % 3 else "CT chest",
        modality="CR" if number % 3 else "CT",
        state=state,
        received_at=received_at,
        refusal_code=None,
    )
    if state is RunState.RECEIVED:
        return
    run = _run(number, uid, state, chance, received_at)
    yield run
    yield TransitionRow(
        study_instance_uid=uid,
        run_id=run.run_id,
        from_state=RunState.RUNNING,
        to_state=state,
        at=received_at + timedelta(seconds=5),
        actor="worker",
        reason="",
    )
    if state is RunState.REPORTED:
        yield from _result(number, run, chance, received_at)


def _run(
    number: int, uid: str, state: RunState, chance: random.Random, received_at: datetime
) -> RunRow:
    run = RunRow(
        run_id=f"run-{number}",
        study_instance_uid=uid,
        number=1,
        kind=StudyKind.CXR,
        state=state,
        trigger=Trigger.STABLE,
        actor="node",
        forced=False,
        archive_digest="d",
        policy_hash="p",
        patient_id="",
        attempts=1,
        fence=1,
        created_at=received_at,
        asked_at=received_at,
    )
    run.model = ModelIdentity(MODEL.name, MODEL.version, MODEL.weights_sha256)
    if state is RunState.REFUSED:
        run.refusal_code, run.refusal_reason = RefusalCode.NOT_CHEST, "This is not a chest."
    if state is RunState.FAILED:
        run.error_stage, run.error_message = Stage.INFER, "the network raised"
    if state is RunState.REPORTED:
        run.priority = chance.choice(tuple(Priority))
        run.priority_reason = "by chance"
        run.finished_at = received_at + timedelta(seconds=5)
        run.turnaround_s = chance.uniform(1, 30)
    return run


def _result(
    number: int, run: RunRow, chance: random.Random, received_at: datetime
) -> Iterator[Base]:
    for position, label in enumerate(_LABELS):
        code = codes.FINDINGS[label]
        yield FindingRow(
            run_id=run.run_id,
            position=position,
            label=label,
            code_value=code.value,
            code_scheme=code.scheme,
            code_meaning=code.meaning,
            probability=chance.random(),
            threshold=0.5,
            presence=chance.choice(tuple(Presence)),
        )
    for position, (writer, kind) in enumerate((("sr", _SR), ("heatmap", _SC))):
        yield ObjectRow(
            run_id=run.run_id,
            position=position,
            writer=writer,
            sop_class_uid=kind,
            sop_instance_uid=f"2.25.{number}{position}",
            series_instance_uid=f"2.25.9{number}{position}",
        )
    if number % 10 == 0:
        yield AssessmentRow(
            study_instance_uid=run.study_instance_uid,
            report_sop_instance_uid=f"2.25.{number}0",
            verdict="accept",
            finding=None,
            comment="",
            user="dr.a",
            assessed_at=received_at + timedelta(minutes=5),
        )
