"""Requests that a page elsewhere made a browser send: told apart by their headers, purely.

Two dangers. A page of another site uses the reader's browser, his cookie, or merely his place on
this machine (cross-site request forgery). Or it has its own name point to this machine (DNS
rebinding) and becomes, for the browser, a page of the node. Against the first stand Fetch
Metadata and Origin, against the second a list of the names that the node answers to.
"""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from dicom_node.access.rules import SAFE

_FOREIGN: Final = frozenset({"cross-site", "same-site"})
"""A page on another port of this machine is ``same-site`` and no less foreign."""
_CHANGES_NOTHING: Final = "requests from other sites change nothing here"


def cookie_name(use: str, public: str) -> str:
    """Return the name of a cookie of the node whose people open ``public``.

    Browsers keep cookies by host, whatever the port: without it two nodes of one machine would
    overwrite each other's.
    """
    parts = urlsplit(public)
    return f"dicom-node-{use}-{parts.port or (443 if parts.scheme == 'https' else 80)}"


def session_cookie(public: str) -> str:
    """Return the name of the cookie that holds a session's token."""
    name = cookie_name("session", public)
    return f"__Host-{name}" if public.startswith("https:") else name


@dataclass(frozen=True, slots=True)
class Origins:
    """The origin that people open, and the host names that the node answers to."""

    public: str
    names: frozenset[str]

    @classmethod
    def of(cls, public: str) -> Self:
        """Return those of a node whose people open ``public``."""
        named = {urlsplit(public).hostname or "", socket.gethostname(), socket.getfqdn()}
        return cls(public.lower(), frozenset(name.lower() for name in named if name))

    def fault(self, method: str, host: str, headers: Mapping[str, str]) -> str:
        """Say why a request is not to be answered; empty where it is.

        ``headers`` have names in lower case. What is no browser sends neither Origin nor Fetch
        Metadata, and passes.
        """
        if host and not self._answers_to(host):
            return "the node does not answer to this host name; see NODE_PUBLIC_URL"
        if method in SAFE:
            return _fault_of_reading(headers)
        return "" if self._is_ours(host, headers) else _CHANGES_NOTHING

    def _is_ours(self, host: str, headers: Mapping[str, str]) -> bool:
        """Tell whether a request that changes something came from a page of ours or from none."""
        if site := headers.get("sec-fetch-site", ""):
            return site == "same-origin"  # "none" is a link in a mail that ends in ?_method=DELETE
        if origin := headers.get("origin", ""):
            return origin.lower() in {self.public, f"http://{host}", f"https://{host}"}
        # A browser that is too old to tell would still send the cookie.
        return f"{session_cookie(self.public)}=" not in headers.get("cookie", "")

    def _answers_to(self, host: str) -> bool:
        """Tell whether a Host header names this node; no name can be rebound to an address."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _fault_of_reading(headers: Mapping[str, str]) -> str:
    """Say why another site may not have a browser read here; following a link is fine."""
    opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    if headers.get("sec-fetch-site") in _FOREIGN and opened != ("navigate", "document"):
        return "pages of other sites get nothing from here but links"
    return ""
