"""Objects for destinations that the archive does not hold: rejection notes.

One that rejects what was reported under a wrong identity would bring this identity back into the
archive. It is kept here until every destination has it.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from dicom_node.ledger import wishes
from dicom_node.ledger.schema import DeliveryRow, DeliveryState, PostRow, RunRow


def plan(session: Session, run: RunRow, writer: str, post: tuple[str, bytes], now: datetime) -> int:
    """Plan an object, its UID and its file, for who wants it and knows nothing of it yet."""
    uid, content = post
    query = select(DeliveryRow.destination).where(DeliveryRow.sop_instance_uid == uid)
    known = set(session.scalars(query))
    places = [place for place in wishes.wanting(session, writer) if place not in known]
    if places and content_of(session, uid) is None:
        session.add(PostRow(sop_instance_uid=uid, content=content))
    session.add_all(wishes.pending(run, place, uid, now) for place in places)
    return len(places)


def content_of(session: Session, sop_instance_uid: str) -> bytes | None:
    """Return an object's file, None where the archive has it."""
    row = session.get(PostRow, sop_instance_uid)
    return None if row is None else row.content


def are_of(deliveries: type[DeliveryRow]) -> ColumnElement[bool]:
    """Tell which deliveries are of such objects: they stay true when their run is superseded."""
    return deliveries.sop_instance_uid.in_(select(PostRow.sop_instance_uid))


def forget(session: Session, sop_instance_uid: str) -> None:
    """Forget an object that every destination has."""
    session.flush()
    missing = exists().where(
        DeliveryRow.sop_instance_uid == sop_instance_uid,
        DeliveryRow.state != DeliveryState.DELIVERED,
    )
    session.execute(delete(PostRow).where(PostRow.sop_instance_uid == sop_instance_uid, ~missing))
