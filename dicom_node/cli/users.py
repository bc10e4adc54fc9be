"""``dicom-node users``: who gets in at the HTTP port, and in which role."""

# A command imports what it needs when it runs, so that `dicom-node --help` answers at once.
# ruff: noqa: PLC0415

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.domain import Role
from dicom_node.errors import AccessError

if TYPE_CHECKING:
    from dicom_node.ledger import Ledger

_LONGEST_LINE = 2048

Name = Annotated[str, typer.Argument(metavar="NAME")]
PasswordFile = Annotated[
    typer.FileText | None,
    typer.Option(help="Read the password from this file's first line; - is standard input."),
]
By = Annotated[str, typer.Option(help="Who does it: for the audit, beside the login.")]

users = typer.Typer(
    no_args_is_help=True,
    help="Users of the HTTP port: reader (sees), radiologist (asks for readings, judges them), "
    "operator (everything).",
)


@users.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    password_file: PasswordFile = None,
    by: By = "",
) -> None:
    """Add a user; from the first one on everybody has to log in."""
    from dicom_node.access.passwords import Passwords

    with _ledger() as ledger:
        hashed = Passwords().hash(_password(password_file), name)
        user = ledger.users.add(name, role, hashed, _actor(by))
    typer.echo(f"added {user.name}, {role}; everybody has to log in from now on")


@users.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List the users, without their hashes, and who of the site's provider has logged in."""
    from dicom_node.cli.console import out, print_json

    with _ledger() as ledger:
        rows = [
            {
                "name": user.name,
                "role": user.role.value,
                "disabled": user.disabled,
                "created_at": user.created_at.isoformat(),
                "changed_at": user.changed_at.isoformat(),
            }
            for user in ledger.users.all()
        ]
        others = [
            {
                "name": user.name,
                "role": user.role.value,
                "subject": user.subject,
                "issuer": user.issuer,
                "sub": user.sub,
                "seen_at": user.seen_at.isoformat(),
            }
            for user in ledger.site_users.all()
        ]
    if json:
        print_json({"users": rows, "site_users": others})
        return
    for row in rows:
        out.print(f"{row['name']:20} {row['role']}{', disabled' if row['disabled'] else ''}")
    for other in others:
        line = f"{other['name']:20} {other['role']} at the last login, known as {other['subject']}"
        out.print(line, markup=False, soft_wrap=True)
    if not rows:
        out.print("there is no user: the node is open to this machine, and to no other")


@users.command()
def remove(
    name: Name,
    leave_open: Annotated[
        bool, typer.Option("--leave-open", help="Even the last user: nobody logs in any more.")
    ] = False,
    by: By = "",
) -> None:
    """Remove a user and end his sessions."""
    with _ledger() as ledger:
        if [user.name for user in ledger.users.all()] == [name.lower()] and not leave_open:
            raise AccessError(
                f"{name} is the last user: without him nobody has to log in on this machine; "
                "say --leave-open where that is meant"
            )
        ledger.users.remove(name, _actor(by))
    typer.echo(f"removed {name}")


@users.command()
def passwd(name: Name, password_file: PasswordFile = None, by: By = "") -> None:
    """Give a user another password and end his sessions."""
    from dicom_node.access.passwords import Passwords

    with _ledger() as ledger:
        if ledger.users.get(name) is None:
            raise AccessError(f"there is no user {name}; see dicom-node users list")
        hashed = Passwords().hash(_password(password_file), name)
        ledger.users.set_password(name, hashed, _actor(by))
    typer.echo(f"{name} has another password")


@users.command()
def role(name: Name, role: Annotated[Role, typer.Argument()], by: By = "") -> None:
    """Give a user another role and end his sessions."""
    with _ledger() as ledger:
        ledger.users.set_role(name, role, _actor(by))
    typer.echo(f"{name} is {role}")


@users.command()
def disable(name: Name, by: By = "") -> None:
    """Turn a user away from now on and end his sessions."""
    _set_disabled(name, by, disabled=True)


@users.command()
def enable(name: Name, by: By = "") -> None:
    """Let a disabled user in again."""
    _set_disabled(name, by, disabled=False)


@users.command()
def logout(
    name: Annotated[str | None, typer.Argument(metavar="NAME")] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="End the sessions of all users.")
    ] = False,
    by: By = "",
) -> None:
    """End the sessions of a user, the site's provider's too, or of all."""
    if (name is None) != everybody:
        raise typer.BadParameter("say whose sessions shall end: NAME, or --all")
    with _ledger() as ledger:
        ended = ledger.sessions.end_all(name)
        whose = "everybody" if name is None else name.lower()
        ledger.audit.append(_actor(by), "user.logout", detail=f"{whose}: {ended} sessions")
    typer.echo(f"ended {ended} sessions of {whose}")


def _set_disabled(name: str, by: str, *, disabled: bool) -> None:
    word = "disable" if disabled else "enable"
    with _ledger() as ledger:
        ledger.users.set_disabled(name, disabled, _actor(by))
    typer.echo(f"{word}d {name}")


def _actor(by: str) -> str:
    from dicom_node.cli.queries import operator

    return operator(by)


def _password(file: typer.FileText | None) -> str:
    """Return a new password from a file, or from whoever sits at the terminal."""
    if file is not None:
        return file.readline(_LONGEST_LINE).rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@contextmanager
def _ledger() -> Iterator["Ledger"]:
    from contextlib import closing

    from dicom_node import settings
    from dicom_node.ledger import open_ledger

    with closing(open_ledger(settings.load().database)) as ledger:
        yield ledger
