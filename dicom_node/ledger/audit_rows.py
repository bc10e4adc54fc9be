"""The tables of the audit."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from dicom_node.ledger.columns import Base


class AuditRow(Base):
    """Who did what; append-only, each row chained to the one before (`ledger.chain`)."""

    __tablename__ = "audit"

    audit_id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    actor_name: Mapped[str] = mapped_column(server_default="")
    action: Mapped[str]
    study_instance_uid: Mapped[str | None] = mapped_column(index=True)
    run_id: Mapped[str | None]
    detail: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Base):
    """The newest row of the audit; its one row is what writers of the audit queue up at."""

    __tablename__ = "audit_head"

    head_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    audit_id: Mapped[int]
    hash: Mapped[str]
