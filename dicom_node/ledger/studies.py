"""A study before and beside its runs; implements `ports.StudyBook`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import case, delete, select, tuple_
from sqlalchemy.orm import Session

from dicom_node.domain import (
    Failure,
    Images,
    ModelIdentity,
    ModelState,
    Refusal,
    RunState,
    ServedModel,
    StudyKind,
    StudyRef,
)
from dicom_node.ledger import departures
from dicom_node.ledger.audit import note_ending, note_verdict
from dicom_node.ledger.clock import bring_nearer
from dicom_node.ledger.database import Database
from dicom_node.ledger.results import put_images
from dicom_node.ledger.schema import CursorRow, RunRow, ServedModelRow, SteppedOverRow, StudyRow
from dicom_node.ledger.steps import (
    Act,
    clean,
    dialect,
    get_ending,
    lock_study,
    move,
    newest,
    put_ending,
    reason_of,
    settle,
    state_of,
    supersede,
    verdict,
)
from dicom_node.ledger.tickets import copy_of

_TOLD_BY_THE_ARCHIVE = (
    "orthanc_id",
    "patient_id",
    "patient_name",
    "accession_number",
    "study_description",
    "modality",
)


class StudyBook:
    """The ledger's side of a study before and beside its runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, study: StudyRef, modality: str) -> bool:
        """Give the study a row in state RECEIVED; True where it is new; refresh attributes.

        One that was deleted and is sent again waits from now on.
        """
        attributes = {
            "orthanc_id": study.orthanc_id,
            "patient_id": clean(study.patient_id),
            "patient_name": clean(study.patient_name),
            "accession_number": clean(study.accession_number),
            "study_description": clean(study.study_description),
            "modality": clean(modality),
        }
        fixed = {
            "study_instance_uid": study.study_instance_uid,
            "state": RunState.RECEIVED,
            "received_at": self._database.now(),
        }
        with self._database.write() as session:
            if _insert_if_new(session, {**fixed, **attributes}):
                return True
            row = lock_study(session, study.study_instance_uid)
            for name, value in attributes.items():
                setattr(row, name, value)
            if row.gone_at is not None:
                row.received_at = now = self._database.now()
                departures.come_back(session, row, Act(now, "node", "sent again"))
            return False

    def arrived(self, study_instance_uid: str, at: datetime) -> None:
        """Count the study's time from when its images came, not from when they were seen.

        A clock that was set back since then has no say: time is never counted from the future.
        """
        with self._database.write() as session:
            row = lock_study(session, study_instance_uid)
            row.received_at = min(row.received_at or at, at)

    def depart(self, study_instance_uid: str, actor: str, reason: str) -> bool:
        """Take a study off the list that the archive holds no more; False where none is listed.

        What reads it, or waits to, ends FAILED. Its history and its audit stay.
        """
        with self._database.write() as session:
            row = session.get(StudyRow, study_instance_uid)
            if row is None or row.gone_at is not None:
                return False
            study = lock_study(session, study_instance_uid)
            departures.depart(session, study, Act(self._database.now(), clean(actor), reason))
            return True

    def come_back(self, study_instance_uid: str) -> None:
        """List a study again that could not be deleted after all, and look at it soon."""
        now = self._database.now()
        with self._database.write() as session:
            row = session.get(StudyRow, study_instance_uid)
            if row is not None and row.gone_at is not None:
                row.due_at = now
                departures.come_back(session, row, Act(now, "node", "could not be deleted"))

    def present(self) -> Mapping[str, str]:
        """Map the archive's id of each listed study to its UID."""
        with self._database.read() as session:
            return departures.present(session)

    def present_count(self) -> int:
        """Count what `present` maps."""
        with self._database.read() as session:
            return departures.present_count(session)

    def announce(self, study_instance_uid: str) -> None:
        """Give a study of which nothing but the UID is known a row, unless it has one."""
        blank = {
            "study_instance_uid": study_instance_uid,
            "state": RunState.RECEIVED,
            "received_at": self._database.now(),
            **dict.fromkeys(_TOLD_BY_THE_ARCHIVE, ""),
        }
        with self._database.write() as session:
            _insert_if_new(session, blank)

    def wait(self, study_instance_uid: str, due_at: datetime) -> None:
        """Look at the study again at ``due_at``."""
        with self._database.write() as session:
            lock_study(session, study_instance_uid).due_at = due_at

    def looked_at(self, study_instance_uid: str, at: datetime) -> None:
        """Forget the look that was due by ``at``, the moment before the archive was asked.

        One that is due later stands: somebody else has seen more of the study since.
        """
        with self._database.write() as session:
            _forget_look(lock_study(session, study_instance_uid), at)

    def refuse(
        self,
        study_instance_uid: str,
        refusal: Refusal,
        images: Images | None = None,
        *,
        looked_at: datetime | None = None,
    ) -> None:
        """End a study REFUSED without a worker, with the account of its images.

        Where it has ended runs, run N+1 stands for this verdict, REFUSED at once, and
        supersedes them; a QUEUED or RUNNING one is left alone, since its worker will see the
        same. The same verdict twice is one. ``looked_at`` as in `looked_at`; None: now.
        """
        self._end(study_instance_uid, refusal, looked_at, images)

    def fail(
        self, study_instance_uid: str, failure: Failure, *, looked_at: datetime | None = None
    ) -> None:
        """End a study FAILED without a worker; runs as in `refuse`, but none is superseded."""
        self._end(study_instance_uid, failure, looked_at)

    def due(self, now: datetime) -> Sequence[str]:
        """Return the UIDs of studies to look at again, longest due first."""
        due = StudyRow.due_at <= now
        query = select(StudyRow.study_instance_uid).where(due, StudyRow.gone_at.is_(None))
        with self._database.read() as session:
            return tuple(session.scalars(query.order_by(StudyRow.due_at)))

    def cursor(self, name: str) -> int:
        """Return a stored cursor, 0 at first."""
        with self._database.read() as session:
            row = session.get(CursorRow, name)
            return 0 if row is None else row.value

    def has_cursor(self, name: str) -> bool:
        """Tell whether a cursor has ever been stored."""
        with self._database.read() as session:
            return session.get(CursorRow, name) is not None

    def move_cursor(self, name: str, value: int) -> None:
        """Store a cursor; it may go back, as when the archive starts a new log."""
        with self._database.write() as session:
            session.merge(CursorRow(name=name, value=value))

    def step_over(self, kind: str, orthanc_id: str, due_at: datetime) -> None:
        """Note an entry of the archive's log that cannot be followed, to look at it again then."""
        with self._database.write() as session:
            session.merge(SteppedOverRow(kind=kind, orthanc_id=orthanc_id, due_at=due_at))

    def stepped_over(self, due_by: datetime | None = None) -> Sequence[tuple[str, str]]:
        """Return (kind, archive id) of entries that were stepped over, those due by then."""
        query = select(SteppedOverRow).order_by(SteppedOverRow.due_at)
        if due_by is not None:
            query = query.where(SteppedOverRow.due_at <= due_by)
        with self._database.read() as session:
            return tuple((row.kind, row.orthanc_id) for row in session.scalars(query))

    def followed(self, kind: str, orthanc_id: str) -> None:
        """Forget an entry that was stepped over: it could be followed, or is gone."""
        with self._database.write() as session:
            row = session.get(SteppedOverRow, (kind, orthanc_id))
            if row is not None:
                session.delete(row)

    def clock_was_set_back(self, by: timedelta) -> None:
        """Bring all that waits for a time nearer by what the clock was set back."""
        with self._database.write() as session:
            bring_nearer(session, by)

    def served_model(self, kind: StudyKind) -> ServedModel | None:
        """Return the model that a worker has published as served for this kind."""
        query = select(ServedModelRow).where(
            ServedModelRow.kind == kind, ServedModelRow.state == ModelState.SERVED
        )
        with self._database.read() as session:
            row = session.scalar(query)
            return None if row is None else _served(row)

    def published_models(self) -> tuple[ServedModel, ...]:
        """Return all published models: by kind, served, shadow, registered, then by name."""
        order = case({state: i for i, state in enumerate(ModelState)}, value=ServedModelRow.state)
        query = select(ServedModelRow).order_by(ServedModelRow.kind, order, ServedModelRow.name)
        with self._database.read() as session:
            return tuple(_served(row) for row in session.scalars(query))

    def publish(self, models: Sequence[ServedModel]) -> None:
        """Write down all models that a worker knows; also its sign of life.

        A model that is not among them is forgotten.
        """
        keys = [(model.kind, model.identity.name) for model in models]
        known = tuple_(ServedModelRow.kind, ServedModelRow.name)
        with self._database.write() as session:
            session.execute(delete(ServedModelRow).where(known.not_in(keys)))
            for _, model in sorted(zip(keys, models, strict=True), key=itemgetter(0)):
                _publish(session, model)  # in one order: two workers must not wait in a circle

    def _end(
        self,
        study_instance_uid: str,
        ending: Refusal | Failure,
        looked_at: datetime | None,
        images: Images | None = None,
    ) -> None:
        now = self._database.now()
        with self._database.write() as session:
            study = lock_study(session, study_instance_uid)
            _forget_look(study, looked_at or now)
            if study.gone_at is not None:
                return
            run = newest(session, study_instance_uid)
            last = study if run is None else run
            if last.state is state_of(ending) and get_ending(last) == ending:
                put_images(last, images)
                return
            act = Act(now, "node", reason_of(ending))
            if run is None:
                verdict(session, study, ending, act)
                put_images(study, images)
                note_verdict(session, act, ending, study_instance_uid)
            elif run.state.is_final:
                run = copy_of(session, run, now)
                _end_run(session, study, run, ending, act)
                put_images(run, images)


def _forget_look(study: StudyRow, at: datetime) -> None:
    if study.due_at is not None and study.due_at <= at:
        study.due_at = None


def _end_run(
    session: Session, study: StudyRow, run: RunRow, ending: Refusal | Failure, act: Act
) -> None:
    if isinstance(ending, Refusal):
        supersede(session, run, act.at)
    move(session, run, state_of(ending), act)
    put_ending(run, ending)
    settle(session, study)
    note_ending(session, act, ending, run)


def _insert_if_new(session: Session, values: dict[str, object]) -> bool:
    statement = dialect(session).insert(StudyRow).values(values).on_conflict_do_nothing()
    return session.scalar(statement.returning(StudyRow.study_instance_uid)) is not None


def _publish(session: Session, model: ServedModel) -> None:
    said = {
        "state": model.state,
        "version": model.identity.version,
        "weights_sha256": model.identity.weights_sha256,
        "card": model.card,
        "ready": model.ready,
        "message": clean(model.message),
        "device": model.device,
        "seen_at": model.seen_at,
    }
    key = {"kind": model.kind, "name": model.identity.name}
    statement = dialect(session).insert(ServedModelRow).values({**key, **said})
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=said))


def _served(row: ServedModelRow) -> ServedModel:
    return ServedModel(
        kind=row.kind,
        identity=ModelIdentity(row.name, row.version, row.weights_sha256),
        card=row.card,
        ready=row.ready,
        message=row.message,
        device=row.device,
        seen_at=row.seen_at,
        state=row.state,
    )
