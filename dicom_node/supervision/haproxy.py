"""The configuration of HAProxy: the front door of DICOM, and the queue before Orthanc's HTTP.

Orthanc has a thread for each connection, and few of them. What people ask for waits here for its
turn, so that the node's own processes, which ask Orthanc without a detour, find a thread free.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from dicom_node.settings import Settings
from dicom_node.supervision import dicom_door
from dicom_node.supervision.home import Layout
from dicom_node.supervision.quoting import quoted

HTTP_AT_ONCE: Final = 32
"""Requests of people that Orthanc works on; of its 50 HTTP threads the rest are the node's own."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"


def configuration(settings: Settings, layout: Layout) -> str:
    """Return ``haproxy.cfg``: DICOM, over TLS where the site has certificates, and the queue."""
    door = dicom_door.sections(settings, layout) if settings.takes_dicom else ()
    lines = [*_general(layout), *door, *_queue(settings, layout)]
    return "\n".join([*_looked_up(lines, urlsplit(settings.orthanc).hostname or ""), ""])


def _looked_up(lines: Iterable[str], host: str) -> Iterator[str]:
    """Yield the lines so that a host with a name, as in containers, is looked up again and again.

    Its address is another when it comes back, and it may well be away when HAProxy starts.
    """
    if is_address(host):
        yield from lines
        return
    for line in lines:
        server = line.startswith("  server orthanc ")
        yield f"{line} resolvers site init-addr libc,none" if server else line
    yield "resolvers site"
    yield "  parse-resolv-conf"
    yield "  hold valid 1s"


def is_address(host: str) -> bool:
    """Tell whether a host is given by its address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _general(layout: Layout) -> Iterator[str]:
    yield "global"
    yield "  log stdout format raw local0 warning"
    yield "  maxconn 4000"
    yield "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets"
    yield f"  ssl-default-bind-ciphers {_CIPHERS}"
    yield from dicom_door.general(layout)
    yield "defaults"
    yield "  log global"
    yield "  timeout connect 5s"
    yield "  timeout client 60s"


def _queue(settings: Settings, layout: Layout) -> Iterator[str]:
    yield "frontend http"
    yield "  mode http"
    yield f"  bind {quoted('unix@' + str(layout.orthanc_socket))} mode 600"
    yield "  default_backend http"
    yield "backend http"
    yield "  mode http"
    yield "  option http-server-close"  # an idle connection would hold one of Orthanc's threads
    yield "  timeout queue 60s"
    yield "  timeout server 600s"
    yield "  timeout tunnel 1h"
    yield f"  server orthanc {urlsplit(settings.orthanc).netloc} maxconn {HTTP_AT_ONCE}"
