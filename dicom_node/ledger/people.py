"""The tables of users and of their sessions; a session's token is kept as its hash alone."""

from datetime import datetime

from sqlalchemy import Boolean
from sqlalchemy.orm import Mapped, mapped_column

from dicom_node.domain import Role
from dicom_node.ledger.columns import Base


class UserRow(Base):
    """A user of the node."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[Role]
    password_hash: Mapped[str]
    disabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class SessionRow(Base):
    """A login; ``role`` is that of a user whom the site's provider vouches for, else null."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    role: Mapped[Role | None]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
