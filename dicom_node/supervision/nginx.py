"""The configuration of nginx, the front door of HTTP.

It ends TLS, takes bodies in before anybody waits for them, hands out the viewer's files, streams
what the API process says, and asks that process (``/internal/admit``) about each request before
it passes it to Orthanc.
"""

import base64
import getpass
import json
import os
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Final

from dicom_node import policy
from dicom_node.settings import Settings
from dicom_node.supervision.home import Layout

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that a browser says "Origin: null" in the login form's POST.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer says to a browser: the API's own, and those that nginx gives for others."""

TLS_ALONE: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""A year."""

_ALIVE: Final = "so_keepalive=60s:10s:6"
"""A stream of events is silent while nothing changes: so a client that is gone is noticed."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "ico": "image/x-icon",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "mjs": "text/javascript",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
"""Stated here: what the machine knows differs, and browsers insist."""

_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'{scripts}",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",  # its components style themselves
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
"""What OHIF needs, and no more: no other host, no inline script but the two of its own page."""

_WORKERS_MAY: Final = " 'unsafe-eval'"
"""What the decoders of JPEG, JPEG-LS, JPEG 2000 and HTJ2K need (emscripten's embind writes its
calls as functions), and what a worker, which sees no page, can be given: for what a page loads,
the page's own policy counts (CSP3, 4.2.3)."""

_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_WORDS: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be understood.",
    HTTPStatus.UNAUTHORIZED: "Log in at /ai/login, or send a user and a password by HTTP Basic.",
    HTTPStatus.FORBIDDEN: "You may not do this; ask whoever runs the node.",
    HTTPStatus.NOT_FOUND: (
        "The viewer is not installed on this node. Whoever runs the node can install it with "
        "script/viewer; reports, worklist and API work without it."
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "The request is larger than this node takes here; see study_max_bytes in its policy."
    ),
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests from your address; try again in 5 seconds.",
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "A part of the node does not answer, and is restarted by itself; or there is no room for "
        "images. Try again in 5 seconds."
    ),
}
_HERE: Final = Path(__file__).parent


class _Text(Template):
    """A template whose values stand between @ signs: nginx's own variables begin with a dollar."""

    pattern = r"@(?P<named>[A-Z_]+)@|(?P<escaped>(?!))|(?P<braced>(?!))|(?P<invalid>(?!))"  # type: ignore[assignment]


def configuration(settings: Settings, layout: Layout) -> str:
    """Return ``nginx.conf``."""
    page = settings.viewer / "index.html"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    hashes = (sha256(script.encode()).digest() for script in _INLINE.findall(text))
    inline = "".join(f" 'sha256-{base64.b64encode(one).decode()}'" for one in hashes)
    user, password = settings.orthanc_credentials or ("", "")
    values = {
        "USER": f"user {_account()};" if os.getuid() == 0 else "",
        "TYPES": "\n".join(f"    {kind} {suffix};" for suffix, kind in _TYPES.items()),
        "LARGEST": str(policy.load(settings.policy).limits.study_max_bytes),
        "API": _quoted(settings.api.removeprefix("http://")),
        "ORTHANC": _quoted(f"unix:{layout.orthanc_socket}"),
        "POLICY": "; ".join(_POLICY).format(scripts=""),
        "PAGE_POLICY": "; ".join(_POLICY).format(scripts=inline),
        "WORKER_POLICY": "; ".join(_POLICY).format(scripts=_WORKERS_MAY),
        "TOKEN": settings.internal_token or "",
        "ACCOUNT": base64.b64encode(f"{user}:{password}".encode()).decode(),
        "ERRORS": "\n".join(_errors()),
        "ASKED": "\n".join(_asked()),
        "REAL_ADDRESS": "",
    }
    if settings.behind_tls_proxy:
        values["REAL_ADDRESS"] = (
            "set_real_ip_from 0.0.0.0/0; set_real_ip_from unix:; real_ip_header X-Forwarded-For;"
        )
    servers = "\n".join(_servers(settings, layout, values))
    return _filled("nginx.conf", values | {"SERVERS": servers})


def words(layout: Layout) -> Iterator[tuple[Path, str]]:
    """Yield the files with what nginx itself says to people and to programs."""
    folder = layout.nginx_folder / "words"
    for status, sentence in _WORDS.items():
        told = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": sentence,
        }
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>dicom-node: '
            f'{status.phrase}</title><p>{sentence}<p><a href="/ai/">Worklist</a>'
            "<p>Research use only."
        )
        yield folder / f"{status.value}.json", json.dumps(told)
        yield folder / f"{status.value}.html", page


def _servers(settings: Settings, layout: Layout, values: Mapping[str, str]) -> Iterator[str]:
    """Yield the plain port's server, which the node's own processes use, and that of TLS."""
    over_tls = settings.behind_tls_proxy
    yield _server(
        [f"listen {settings.http_address}:{settings.http_port} {_ALIVE};"],
        values,
        claim="$http_x_node_token",
        over_tls=over_tls,
    )
    if settings.https_certificate_file is not None:
        file = layout.https_certificate.relative_to(layout.home)  # that is where nginx.conf lies
        listen = [
            f"listen {settings.listen_address}:{settings.https_port} ssl http2 {_ALIVE};",
            f"ssl_certificate {file};",
            f"ssl_certificate_key {file};",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            f"ssl_ciphers {_CIPHERS};",
            "ssl_session_tickets off;",
            "ssl_session_cache shared:tls:4m;",
        ]
        # The token is for this machine's processes: from outside it opens nothing.
        yield _server(listen, values, claim='""', over_tls=True)


def _server(listen: list[str], values: Mapping[str, str], *, claim: str, over_tls: bool) -> str:
    said = HEADERS | TLS_ALONE if over_tls else HEADERS
    scheme = "https" if over_tls else "http"
    here = {
        "LISTEN": "\n".join(f"    {line}" for line in listen),
        "SCHEME": scheme,
        "TO_API": "\n".join(_to_api(values["TOKEN"], claim, scheme)),
        "HEADERS": "\n".join(f'      add_header {k} "{v}" always;' for k, v in said.items()),
    }
    return _filled("nginx-server.conf", {**values, **here})


def _to_api(token: str, claim: str, scheme: str) -> Iterator[str]:
    """Yield what the API process is told, and takes from nginx alone."""
    said = {
        "Host": "$told_host",
        "Connection": '""',
        "X-Node-Token": f'"{token}"',
        "X-Node-Claim": claim,
        "X-Node-Address": "$remote_addr",
        "X-Node-Host": "$http_host",
        "X-Node-Uri": "$request_uri",
        "X-Node-Path": "$asked_path",
        "X-Node-Args": "$asked_args",
        "X-Node-Method": "$request_method",
        "X-Node-Length": "$content_length",
        "X-Node-Chunked": "$http_transfer_encoding",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": scheme,
    }
    for name, value in said.items():
        yield f"      proxy_set_header {name} {value};"


def _asked() -> Iterator[str]:
    """Yield what keeps the path as nginx has read it; where it asks the API, $uri is another."""
    yield "      set $asked_path $uri;"
    yield "      set $asked_args $args;"
    yield "      if ($has_control) { return 400; }"
    yield "      auth_request_set $refused_as $upstream_http_x_node_status;"


def _errors() -> Iterator[str]:
    """Yield where nginx finds its own words; a location with an error of its own repeats them."""
    yield "      error_page 400 /internal/words/400.$words;"
    yield "      error_page 413 /internal/words/413.$words;"
    yield "      error_page 429 /internal/words/429.$words;"
    yield "      error_page 500 502 503 504 =503 /internal/words/503.$words;"


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _Text((_HERE / name).read_text(encoding="utf-8")).substitute(values)


def _account() -> str:
    """Return the user whom nginx's workers are, so that the node's sockets open to them."""
    return getpass.getuser()


def _quoted(text: str) -> str:
    """Return text as nginx reads it where it looks for no variables."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
