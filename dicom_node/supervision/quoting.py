"""How text stands in HAProxy's configuration."""


def quoted(text: str) -> str:
    """Return text in single quotes, as HAProxy reads it."""
    return "'" + text.replace("'", "'\\''") + "'"
