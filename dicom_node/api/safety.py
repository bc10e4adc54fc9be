"""Headers that tell a browser what no answer of ours is for."""

from typing import Final

from starlette.datastructures import MutableHeaders

from dicom_node.supervision.nginx import HEADERS, TLS_ALONE

_NO_PAGE: Final = "default-src 'none'; frame-ancestors 'none'"


def add(headers: MutableHeaders, path: str, secure: bool) -> None:
    """Add to an answer's headers what the route has not set itself."""
    for name, value in (HEADERS | TLS_ALONE if secure else HEADERS).items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", _NO_PAGE)
    revalidated = path.startswith("/ai/static/")
    headers.setdefault("Cache-Control", "no-cache" if revalidated else "no-store")
