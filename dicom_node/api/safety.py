"""Headers that tell a browser what no answer of ours is for."""

from typing import Final

from starlette.datastructures import MutableHeaders

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that a browser says "Origin: null" in the login form's POST.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'"
_YEAR_S: Final = 31_536_000


def add(headers: MutableHeaders, path: str, secure: bool) -> None:
    """Add to an answer's headers what the route has not set itself."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", _NO_PAGE)
    revalidated = path.startswith("/ai/static/")
    headers.setdefault("Cache-Control", "no-cache" if revalidated else "no-store")
    if secure:
        headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR_S}")
