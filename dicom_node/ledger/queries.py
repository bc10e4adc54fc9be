"""What the ledger shows: the worklist, one study in full, and counts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dicom_node.domain import (
    Delivery,
    Failure,
    ObjectRef,
    Refusal,
    RunState,
    RunSummary,
    RunTicket,
    StudyDetail,
    WorklistHead,
    WorklistItem,
)
from dicom_node.errors import RunNotFound
from dicom_node.ledger.counts import Counts, count
from dicom_node.ledger.database import Database
from dicom_node.ledger.heads import heads
from dicom_node.ledger.history import HistoryDay, tell
from dicom_node.ledger.items import shelve, to_item
from dicom_node.ledger.results import REPORTS, object_ref
from dicom_node.ledger.schema import (
    DeliveryRow,
    ObjectRow,
    RunRow,
    StageRow,
    StudyRow,
)
from dicom_node.ledger.steps import get_ending, is_clean, ticket

_LISTED = StudyRow.gone_at.is_(None)
"""What the archive holds, as far as is known."""


class Queries:
    """The reading side of the ledger."""

    def __init__(self, database: Database, viewer_url: Callable[[str], str]) -> None:
        self._database = database
        self._viewer_url = viewer_url

    def worklist(
        self, state: RunState | None = None, modality: str | None = None
    ) -> tuple[WorklistItem, ...]:
        """Return an item for each study, in no order."""
        wanted: ColumnElement[bool] = _LISTED
        if state is not None:
            wanted &= StudyRow.state == state
        if modality is not None:
            wanted &= StudyRow.modality == modality
        with self._database.read() as session:
            return self._items(session, wanted)

    def chosen(
        self, choose: Callable[[Sequence[WorklistHead]], Sequence[str]]
    ) -> tuple[WorklistItem, ...]:
        """Return the items of the studies that ``choose`` names, in its order, on one snapshot.

        It is given the heads of all studies: to order thousands by them and read the first
        hundreds in full takes a fraction of the time that all items take.
        """
        with self._database.read() as session:
            uids = choose(heads(session))
            items = self._items(session, StudyRow.study_instance_uid.in_(uids))
        found = {item.study_instance_uid: item for item in items}
        return tuple(found[uid] for uid in uids)

    def heads(self) -> tuple[WorklistHead, ...]:
        """Return the head of every study, in no order."""
        with self._database.read() as session:
            return heads(session)

    def history(self, bounds: Sequence[datetime]) -> tuple[HistoryDay, ...]:
        """Return what happened in each span between two neighbouring ``bounds``."""
        with self._database.read() as session:
            return tell(session, bounds)

    def detail(self, study_instance_uid: str) -> StudyDetail | None:
        """Return a study with its history, None where the ledger does not know it, or it is gone.

        ``reports`` and ``heatmaps`` are all that were written, those of the newest run first.
        """
        with self._database.read() as session:
            items = self._items(
                session, _LISTED & (StudyRow.study_instance_uid == study_instance_uid)
            )
            if not items:
                return None
            runs = _runs(session, study_instance_uid)
            objects = _objects(session, study_instance_uid)
            return StudyDetail(
                item=items[0],
                runs=tuple(_summary(run) for run in runs),
                reports=tuple(o for o in objects if o.sop_class_uid.startswith(REPORTS)),
                heatmaps=tuple(o for o in objects if not o.sop_class_uid.startswith(REPORTS)),
                deliveries=_deliveries(session, study_instance_uid),
                timings=_timings(session, study_instance_uid, runs),
            )

    def counts(self) -> Counts:
        """Count studies, runs and deliveries by state, and the time that reports took."""
        now = self._database.now()
        with self._database.read() as session:
            return count(session, now)

    def run(self, run_id: str) -> RunTicket:
        """Return the ticket of a run; raises RunNotFound."""
        with self._database.read() as session:
            row = session.get(RunRow, run_id) if is_clean(run_id) else None
            if row is None:
                raise RunNotFound("the ledger knows no such run")
            return ticket(row, created=False)

    def failed_studies(self) -> tuple[str, ...]:
        """Return the UIDs of all FAILED studies, with or without a run, oldest first."""
        query = select(StudyRow.study_instance_uid).where(
            _LISTED, StudyRow.state == RunState.FAILED
        )
        with self._database.read() as session:
            return tuple(session.scalars(query.order_by(StudyRow.received_at)))

    def _items(self, session: Session, wanted: ColumnElement[bool]) -> tuple[WorklistItem, ...]:
        shelf = shelve(session, wanted)
        now = self._database.now()
        return tuple(
            to_item(study, shelf, now, self._viewer_url(study.study_instance_uid))
            for study in session.scalars(select(StudyRow).where(wanted))
        )


def _runs(session: Session, study_instance_uid: str) -> Sequence[RunRow]:
    query = select(RunRow).where(RunRow.study_instance_uid == study_instance_uid)
    return session.scalars(query.order_by(RunRow.number.desc())).all()


def _objects(session: Session, study_instance_uid: str) -> tuple[ObjectRef, ...]:
    query = (
        select(ObjectRow)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .where(RunRow.study_instance_uid == study_instance_uid)
        .order_by(RunRow.number.desc(), ObjectRow.position)
    )
    return tuple(dict.fromkeys(object_ref(row) for row in session.scalars(query)))


def _deliveries(session: Session, study_instance_uid: str) -> tuple[Delivery, ...]:
    query = (
        select(DeliveryRow)
        .join(RunRow, RunRow.run_id == DeliveryRow.run_id)
        .where(RunRow.study_instance_uid == study_instance_uid)
        .order_by(DeliveryRow.delivery_id.desc())
    )
    return tuple(
        Delivery(row.destination, row.sop_instance_uid, row.state, row.attempts, row.message)
        for row in session.scalars(query)
    )


def _timings(
    session: Session, study_instance_uid: str, runs: Sequence[RunRow]
) -> Mapping[str, float]:
    """Return the stages of the newest run in the order in which they ended."""
    received_at = session.get_one(StudyRow, study_instance_uid).received_at
    timings = {"receive": 0.0}
    if runs:
        query = select(StageRow).where(StageRow.run_id == runs[0].run_id).order_by(StageRow.at)
        for row in session.scalars(query):
            timings[row.stage.value] = _seconds(received_at, row.at)
    return timings


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 6)


def _summary(run: RunRow) -> RunSummary:
    ending = get_ending(run)
    return RunSummary(
        run_id=run.run_id,
        number=run.number,
        state=run.state,
        trigger=run.trigger,
        attempts=run.attempts,
        model=run.model,
        created_at=run.created_at,
        finished_at=run.finished_at,
        refusal=ending if isinstance(ending, Refusal) else None,
        error=ending if isinstance(ending, Failure) else None,
    )
