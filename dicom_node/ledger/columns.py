"""How the ledger keeps times and enums."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Enum, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

from dicom_node.domain import (
    ModelState,
    Presence,
    Priority,
    RefusalCode,
    Role,
    RunState,
    ShadowState,
    Stage,
    StudyKind,
    Trigger,
    Urgency,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, also in SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware time to UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _words(enum: type[StrEnum]) -> Enum:
    """Keep an enum as its value in a text column, so that a new member needs no migration."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=64,
        values_callable=lambda members: [m.value for m in members],
    )


class Base(DeclarativeBase):
    """The parent of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this name from the class
        str: Text(),
        datetime: UtcDateTime(),
        RunState: _words(RunState),
        StudyKind: _words(StudyKind),
        Trigger: _words(Trigger),
        Urgency: _words(Urgency),
        Stage: _words(Stage),
        Priority: _words(Priority),
        Presence: _words(Presence),
        RefusalCode: _words(RefusalCode),
        Role: _words(Role),
        ModelState: _words(ModelState),
        ShadowState: _words(ShadowState),
    }
