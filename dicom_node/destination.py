"""The settings of a place that results are sent to."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

_KEPT_IN_FILES = ("password", "token")


class DestinationSettings(BaseModel):
    """One place beside Orthanc that gets a copy of each result.

    A STOW-RS server may ask for a login: HTTP Basic (``user`` and ``password_file``) or Bearer
    (``token_file``). The files are read for each object, so that what they hold can change.
    ``rejection_notes``: it is told by IOCM's notes which of them are no longer true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["dimse", "stow"]
    host: str = "127.0.0.1"
    port: int = Field(default=104, ge=1, le=65535)
    ae_title: str = Field(default="ANY-SCP", max_length=16)
    url: str = ""
    objects: frozenset[str] = frozenset({"sr"})
    rejection_notes: bool = True
    timeout_s: float = Field(default=30, gt=0)
    tls_ca_file: Path | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_server_name: str = ""
    user: str = Field(default="", pattern=r"^[^:\x00-\x1f\x7f]*$")
    password_file: Path | None = None
    token_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _secrets_are_in_files(cls, given: object) -> object:
        """Refuse a secret that stands in the settings themselves."""
        if isinstance(given, Mapping):
            for name in _KEPT_IN_FILES:
                if name in given:
                    raise ValueError(f"{name} may not stand here: write it to a file, {name}_file")
        return given

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        """Refuse half of a login, two of them, and one that everybody on the way could read."""
        if self.kind == "dimse" and (self.user or self.password_file or self.token_file):
            raise ValueError("user, password_file and token_file are for kind stow")
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        if self.user and self.token_file is not None:
            raise ValueError("user is for HTTP Basic, token_file for Bearer: one of the two")
        parts = urlsplit(self.url)
        if parts.username is not None:
            raise ValueError("the url may hold no login: see user, password_file and token_file")
        shows = self.password_file or self.token_file
        if shows and parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
            raise ValueError("a login needs a url that begins with https://")
        return self

    @property
    def wanted(self) -> frozenset[str]:
        """The names of all that goes there."""
        return self.objects | (frozenset({"rejection"}) if self.rejection_notes else frozenset())

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        """Refuse half of TLS: it would mean none."""
        shown = self.tls_certificate_file or self.tls_key_file
        if self.kind == "dimse" and self.tls_ca_file is None and (shown or self.tls_server_name):
            raise ValueError("tls_… without tls_ca_file, by which the peer is known, is no TLS")
        if self.kind == "stow" and (shown or self.tls_ca_file) and self.url[:6] != "https:":
            raise ValueError("tls_… needs a url that begins with https://")
        if self.kind == "stow" and self.tls_server_name:
            raise ValueError("the url names the server; tls_server_name is for kind dimse")
        return self


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
