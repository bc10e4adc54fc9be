"""Heads of studies for tests of filters, order and pages."""

from datetime import UTC, datetime, timedelta

from dicom_node.domain import Priority, RunState, WorklistHead

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def head(
    uid: str,
    *,
    name: str = "SYNTHETIC^PATIENT",
    modality: str = "CR",
    state: RunState = RunState.REPORTED,
    priority: Priority | None = None,
    waited_min: float = 0,
) -> WorklistHead:
    """Return the head of a study that nobody has assessed."""
    return WorklistHead(
        study_instance_uid=uid,
        accession_number="ACC",
        patient_id=f"PID-{uid}",
        patient_name=name,
        modality=modality,
        study_description="Thorax",
        state=state,
        priority=priority,
        received_at=NOW - timedelta(minutes=waited_min),
        is_assessed=False,
    )
