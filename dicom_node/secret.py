"""Passwords and tokens: each in a file of its own, read when it is used, so that it can change."""

import stat
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from dicom_node.errors import SettingsError

_LONGEST_BYTES = 65_536


def read(file: Path) -> str:
    """Return what a file holds, without blanks around it; raise SettingsError where that is none.

    The message has the file's name and nothing of what is in it.
    """
    try:
        with file.open("rb") as stream:
            held = stream.read(_LONGEST_BYTES + 1).decode("utf-8").strip()
    except OSError as exc:
        raise SettingsError(f"{file} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{file} holds no text") from exc
    if not held or not held.isprintable() or len(held) > _LONGEST_BYTES:
        raise SettingsError(f"{file} holds no secret: it wants one line of text")
    return held


def is_open_to_others(file: Path) -> bool:
    """Tell whether every account of the machine may read a file."""
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def is_in_url(url: str) -> bool:
    """Tell whether a URL holds a password itself."""
    parts = urlsplit(url)
    return bool(parts.password) or "password" in parse_qs(parts.query)


def into_url(url: str, password: str) -> str:
    """Return a URL with a password, which it must not have yet."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    login = f"{user.removesuffix(':')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{host}").geturl()
