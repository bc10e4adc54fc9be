"""Users and their sessions."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import select, text

from dicom_node.domain import Identity, Role
from dicom_node.errors import AccessError, LedgerError
from dicom_node.ledger import AuditFilter, Ledger, Lifetime, migrate
from dicom_node.ledger.migration import configuration
from dicom_node.ledger.people import SessionRow
from dicom_node.ledger.users import UserBook
from tests.ledgers import Clock

BY = "root (command line)"
CHANGES: Mapping[str, Callable[[UserBook, str], None]] = {
    "password": lambda users, name: users.set_password(name, "another", BY),
    "role": lambda users, name: users.set_role(name, Role.OPERATOR, BY),
    "disable": lambda users, name: users.set_disabled(name, True, BY),
    "remove": lambda users, name: users.remove(name, BY),
}
LIFETIME = Lifetime(timedelta(minutes=60), timedelta(hours=12))


@pytest.fixture
def ada(ledger: Ledger) -> str:
    return ledger.users.add("Ada", Role.RADIOLOGIST, "hash").name


def who(ledger: Ledger, token: str, *, used: bool = True) -> Identity | None:
    return ledger.sessions.identity(token, LIFETIME, used=used, vouched=True)


def test_user_is_kept_in_lower_case(ledger: Ledger, ada: str, clock: Clock) -> None:
    assert ada == "ada"
    kept = ledger.users.get("ADA")
    assert kept is not None
    assert (kept.role, kept.password_hash, kept.disabled) == (Role.RADIOLOGIST, "hash", False)
    assert kept.created_at == kept.changed_at == clock()
    assert [user.name for user in ledger.users.all()] == ["ada"]
    assert ledger.users.any()


def test_nobody_at_first(ledger: Ledger) -> None:
    assert not ledger.users.any()
    assert ledger.users.get("ada") is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a b",
            "ada\n",
            "<b>",
            "-ada",
            "x" * 65,
            "ädä",
            "a/b",
            "x:123",
            "\u0430da",
            "\u212aarl",
        ),
        *("node", "Worker", "ANONYMOUS", "unknown", "command line"),
    ],
)
def test_name_that_is_none_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(AccessError, match="choose one"):
        ledger.users.add(name, Role.READER, "hash")


@pytest.mark.usefixtures("ada")
def test_name_that_is_taken_is_refused(ledger: Ledger) -> None:
    with pytest.raises(AccessError, match="a user ada already"):
        ledger.users.add("ADA", Role.READER, "other")


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_unknown_user_cannot_be_changed(ledger: Ledger, change: str) -> None:
    with pytest.raises(AccessError, match="no user eve"):
        CHANGES[change](ledger.users, "eve")


def test_session_tells_its_user_and_keeps_no_token(ledger: Ledger, ada: str) -> None:
    token = ledger.sessions.begin(ada, LIFETIME)
    assert who(ledger, token) == Identity("ada", Role.RADIOLOGIST)
    assert who(ledger, token + "x") is None
    with ledger.database.read() as session:
        (row,) = session.scalars(select(SessionRow))
        assert token not in (row.token_hash, row.name)


def test_every_session_has_a_token_of_its_own(ledger: Ledger, ada: str) -> None:
    tokens = {ledger.sessions.begin(ada, LIFETIME) for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 43 for token in tokens)


def test_session_ends_without_use(ledger: Ledger, ada: str, clock: Clock) -> None:
    token = ledger.sessions.begin(ada, LIFETIME)
    for _ in range(3):
        clock.forward(50 * 60)
        assert who(ledger, token) is not None
    clock.forward(50 * 60)
    assert who(ledger, token, used=False) is not None
    clock.forward(11 * 60)
    assert who(ledger, token) is None


def test_session_ends_after_its_longest_time_whatever_its_user_does(
    ledger: Ledger, ada: str, clock: Clock
) -> None:
    token = ledger.sessions.begin(ada, LIFETIME)
    for _ in range(24):
        clock.forward(30 * 60)
        assert who(ledger, token) is not None
    clock.forward(1)
    assert who(ledger, token) is None


def test_what_has_run_out_is_thrown_away(ledger: Ledger, ada: str, clock: Clock) -> None:
    ledger.sessions.begin(ada, LIFETIME)
    clock.forward(61 * 60)
    ledger.sessions.begin(ada, LIFETIME)
    with ledger.database.read() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1


def test_logout_ends_one_session(ledger: Ledger, ada: str) -> None:
    one, other = (ledger.sessions.begin(ada, LIFETIME) for _ in range(2))
    ledger.sessions.end(one)
    ledger.sessions.end(one)
    assert (who(ledger, one), who(ledger, other) is None) == (None, False)


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_any_change_of_a_user_ends_his_sessions_and_no_others(
    ledger: Ledger, ada: str, change: str
) -> None:
    ledger.users.add("eve", Role.READER, "hash")
    adas, eves = (ledger.sessions.begin(name, LIFETIME) for name in (ada, "eve"))
    CHANGES[change](ledger.users, "Ada")
    assert who(ledger, adas) is None
    assert who(ledger, eves) == Identity("eve", Role.READER)


def test_session_of_a_disabled_user_is_nobodys(ledger: Ledger, ada: str) -> None:
    ledger.users.set_disabled(ada, True)
    token = ledger.sessions.begin(ada, LIFETIME)
    assert who(ledger, token) is None
    ledger.users.set_disabled(ada, False)
    assert who(ledger, ledger.sessions.begin(ada, LIFETIME)) is not None


def test_session_of_a_provider_that_is_gone_is_nobodys(ledger: Ledger, ada: str) -> None:
    grace = ledger.sessions.begin("grace", LIFETIME, Role.OPERATOR)
    adas = ledger.sessions.begin(ada, LIFETIME)
    identity = ledger.sessions.identity
    assert identity(grace, LIFETIME, used=True, vouched=False) is None
    assert identity(adas, LIFETIME, used=True, vouched=False) is not None


def test_all_sessions_of_one_or_of_all_are_ended(ledger: Ledger, ada: str) -> None:
    graces = [ledger.sessions.begin("grace", LIFETIME, Role.OPERATOR) for _ in range(2)]
    adas = ledger.sessions.begin(ada, LIFETIME)
    assert ledger.sessions.end_all("Grace") == 2
    assert [who(ledger, token) for token in graces] == [None, None]
    assert who(ledger, adas) is not None
    assert (ledger.sessions.end_all("nobody"), ledger.sessions.end_all()) == (0, 1)
    assert who(ledger, adas) is None


def test_user_of_the_sites_provider_has_the_role_that_it_gave(ledger: Ledger) -> None:
    token = ledger.sessions.begin("grace", LIFETIME, Role.OPERATOR)
    assert who(ledger, token) == Identity("grace", Role.OPERATOR)
    ledger.users.add("grace", Role.READER, "hash")
    assert who(ledger, token) is None


GRACE = Identity("grace", Role.OPERATOR, "https://login.example#7")


def welcome(ledger: Ledger, identity: Identity) -> str:
    """Log a user of the site's provider in; return the token of the session."""
    issuer, _, sub = identity.subject.partition("#")
    ledger.site_users.welcome(identity, issuer, sub, "oidc as operator from ::1")
    return ledger.sessions.begin(identity.name, LIFETIME, identity.role, identity.subject)


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_user_of_the_provider_and_a_namesake_of_the_node_are_two(
    ledger: Ledger, change: str
) -> None:
    token = welcome(ledger, GRACE)
    ledger.users.add("grace", Role.READER, "hash", BY)
    own = ledger.sessions.begin("grace", LIFETIME)
    assert who(ledger, token) == GRACE
    assert who(ledger, own) == Identity("grace", Role.READER)
    CHANGES[change](ledger.users, "grace")
    assert (who(ledger, token), who(ledger, own)) == (GRACE, None)


def test_two_users_of_the_provider_with_one_name_are_two(ledger: Ledger) -> None:
    other = replace(GRACE, subject="https://login.example#8", role=Role.READER)
    tokens = [welcome(ledger, GRACE), welcome(ledger, other)]
    assert [who(ledger, token) for token in tokens] == [GRACE, other]
    assert {entry.actor for entry in ledger.audit.entries()} == {GRACE.actor, other.actor}
    kept = [(user.sub, user.name, user.role) for user in ledger.site_users.all()]
    assert kept == [("7", "grace", Role.OPERATOR), ("8", "grace", Role.READER)]
    assert ledger.sessions.end_all(other.subject) == 1
    assert who(ledger, tokens[0]) == GRACE


def test_user_of_the_provider_who_is_called_otherwise_stays_the_same(ledger: Ledger) -> None:
    welcome(ledger, GRACE)
    ledger.audit.append(GRACE.actor, "study.open", study_instance_uid="1.2")
    welcome(ledger, replace(GRACE, name="hopper"))
    ledger.audit.append(GRACE.actor, "study.open", study_instance_uid="1.3")
    told = [(entry.actor, entry.actor_name, entry.action) for entry in ledger.audit.entries()]
    assert told == [
        (GRACE.actor, "hopper", "study.open"),
        (GRACE.actor, "hopper", "login"),
        (GRACE.actor, "grace", "study.open"),
        (GRACE.actor, "grace", "login"),
    ]
    assert "formerly called grace" in ledger.audit.entries()[1].detail
    (user,) = ledger.site_users.all()
    assert user.name == "hopper"


def test_what_one_namesake_saw_stands_for_no_other(ledger: Ledger) -> None:
    welcome(ledger, GRACE)
    every = timedelta(hours=1)
    for actor in (GRACE.actor, "grace"):
        assert ledger.audit.append_at_most(actor, "study.open", "1.2", every)
        assert not ledger.audit.append_at_most(actor, "study.open", "1.2", every)
    found = ledger.audit.find(AuditFilter(action="study.open", who="grace"))
    assert {entry.actor for entry in found} == {GRACE.actor, "grace"}
    found = ledger.audit.find(AuditFilter(action="study.open", who=GRACE.actor))
    assert {entry.actor for entry in found} == {GRACE.actor}


def test_session_from_before_subjects_were_kept_goes_on(ledger: Ledger, url: str) -> None:
    with ledger.database.exclusive() as connection:
        command.downgrade(configuration(connection), "0006")
        connection.exec_driver_sql(
            "INSERT INTO users VALUES ('ada', 'reader', 'hash', false, "
            "'2026-03-01 07:00:00+00:00', '2026-03-01 07:00:00+00:00')"
        )
        for token, name, role in (("a", "ada", "NULL"), ("g", "grace", "'operator'")):
            hashed = hashlib.sha256(token.encode()).hexdigest()
            connection.exec_driver_sql(
                f"INSERT INTO sessions VALUES ('{hashed}', '{name}', {role}, "
                "'2026-03-01 08:00:00+00:00', '2026-03-01 08:00:00+00:00')"
            )
    migrate(url)
    assert who(ledger, "a") == Identity("ada", Role.READER)
    assert who(ledger, "g") == Identity("grace", Role.OPERATOR)


@pytest.mark.parametrize("change", CHANGES)
def test_change_that_cannot_be_audited_is_not_made(ledger: Ledger, ada: str, change: str) -> None:
    before = ledger.users.get(ada)
    with ledger.database.exclusive() as connection:
        connection.execute(text("DELETE FROM audit_head"))
    with pytest.raises(LedgerError, match="head row"):
        CHANGES[change](ledger.users, ada)
    assert ledger.users.get(ada) == before
