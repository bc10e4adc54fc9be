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


class SiteUserRow(Base):
    """A user of the site's provider at his last login; ``subject`` stands for him for good."""

    __tablename__ = "site_users"

    subject: Mapped[str] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    sub: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role]
    seen_at: Mapped[datetime]


class SessionRow(Base):
    """A login; ``role`` is that of a user whom the site's provider vouches for, else null.

    So is ``subject``, which logins from before it was kept have not.
    """

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    role: Mapped[Role | None]
    subject: Mapped[str | None]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
