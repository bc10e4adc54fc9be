"""Runs that read the same as another one."""

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from dicom_node.domain import RunState
from dicom_node.ledger.schema import RunRow


def of(session: Session, run: RunRow, identity: str) -> RunRow | None:
    """Return the run that has this identity, else the newest ended one that read the same."""
    query = select(RunRow).where(
        RunRow.study_instance_uid == run.study_instance_uid,
        RunRow.run_id != run.run_id,
        or_(RunRow.identity == identity, _reads_the_same(run)),
        RunRow.state.in_((RunState.REPORTED, RunState.REFUSED, RunState.FAILED)),
    )
    is_namesake = case((and_(RunRow.identity == identity, ~RunRow.forced), 1), else_=0)
    return session.scalar(query.order_by(is_namesake.desc(), RunRow.number.desc()).limit(1))


def _reads_the_same(run: RunRow) -> ColumnElement[bool]:
    return and_(
        RunRow.input_digest == run.input_digest,
        RunRow.policy_hash == run.policy_hash,
        RunRow.model_name == run.model_name,
        RunRow.model_version == run.model_version,
        RunRow.model_sha256 == run.model_sha256,
    )


def rests_on_the_same(run: RunRow, twin: RunRow) -> bool:
    """Tell whether an older run's report is on the same images, by the same model and policy."""
    return twin.number < run.number and (
        (twin.evidence_digest, twin.policy_hash, twin.model)
        == (run.evidence_digest, run.policy_hash, run.model)
    )
