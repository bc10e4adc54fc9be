"""Whether anybody may come in, as ``up`` and ``doctor`` see it."""

from collections.abc import Iterator
from contextlib import closing

from dicom_node.errors import LedgerError, SettingsError
from dicom_node.ledger import open_ledger
from dicom_node.ledger.database import connect
from dicom_node.ledger.users import UserBook
from dicom_node.settings import Settings
from dicom_node.supervision.checks import Check, Outcome


def require_users(settings: Settings) -> None:
    """Raise SettingsError where other machines reach a node on which nobody could log in."""
    if settings.allow_remote and settings.oidc is None and not _has_users(settings):
        raise SettingsError(
            "NODE_ALLOW_REMOTE opens the node to other machines, so people must log in, and there "
            "is no user yet: dicom-node users add NAME --role operator"
        )


def login(settings: Settings) -> Iterator[Check]:
    """Check who gets in at the HTTP port."""
    try:
        named = _knows_users(settings)
    except LedgerError:
        advice = "start the node: dicom-node up brings the ledger up to date"
        yield Check("login", Outcome.WARNING, "the users cannot be read", advice)
        return
    if named or settings.oidc is not None:
        yield Check("login", Outcome.OK, "users log in")
    elif settings.allow_remote:
        advice = "dicom-node users add NAME --role operator"
        yield Check("login", Outcome.FAILED, "login is required, and there is no user", advice)
    else:
        found = "open: no login, for this machine alone, since there is no user"
        yield Check("login", Outcome.OK, found)
    if settings.allow_remote and settings.behind_tls_proxy:
        found = "passwords cross the network as they are, unless a proxy encrypts"
        advice = "see that only the proxy reaches the HTTP port: docs/access.md"
        yield Check("https", Outcome.WARNING, found, advice)


def _knows_users(settings: Settings) -> bool:
    """Tell whether there is a user, and leave a ledger that is not there, or is old, as it is."""
    if not settings.database_url and not (settings.root / "ledger.sqlite3").exists():
        return False
    with closing(connect(settings.database)) as database:
        return UserBook(database).any()


def _has_users(settings: Settings) -> bool:
    with closing(open_ledger(settings.database)) as ledger:
        return ledger.users.any()
