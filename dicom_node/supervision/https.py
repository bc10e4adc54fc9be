"""The configuration of the proxy (HAProxy) that ends TLS before Orthanc.

Orthanc's own HTTPS is no choice: Debian's 1.10.1 dies of the first handshake, since its civetweb
does not get on with OpenSSL 3. So Orthanc answers this machine alone, and other machines reach
the proxy, which also puts the headers on Orthanc's own answers that Orthanc does not know.
"""

from typing import Final

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
"""What every answer says to a browser; the API says it too, where people come without the proxy."""

TLS_ALONE: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""A year."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_OURS = ("X-Node-Token", "X-Node-Machine", "X-Node-User", "X-Node-Address", "X-Node-Host")


def configuration(settings: Settings, layout: Layout) -> str:
    """Return ``haproxy.cfg``: TLS 1.2 and later, HTTP/2, nothing logged but failures."""
    file = _quoted(str(layout.https_certificate))
    said = HEADERS | TLS_ALONE
    lines = [
        "global",
        "  log stdout format raw local0 warning",
        "  maxconn 1000",
        "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
        f"  ssl-default-bind-ciphers {_CIPHERS}",
        "defaults",
        "  mode http",
        "  log global",
        "  timeout connect 5s",
        "  timeout http-request 15s",
        "  timeout http-keep-alive 30s",
        "  timeout client 60s",
        "  timeout server 600s",
        "frontend https",
        f"  bind {settings.listen_address}:{settings.https_port} ssl crt {file} alpn h2,http/1.1",
        # The token is for this machine's processes: from outside it opens nothing.
        *(f"  http-request del-header {name}" for name in _OURS),
        "  http-request set-header X-Forwarded-For %[src]",
        "  http-request set-header Forwarded proto=https;host=%[req.hdr(host)]",
        *(f'  http-after-response set-header {name} "{value}"' for name, value in said.items()),
        "  default_backend orthanc",
        "backend orthanc",
        f"  server orthanc {settings.http_address}:{settings.http_port}",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return text in single quotes, as HAProxy reads it."""
    return "'" + text.replace("'", "'\\''") + "'"
