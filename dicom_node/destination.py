"""The settings of a place that results are sent to."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DestinationSettings(BaseModel):
    """One place beside Orthanc that gets a copy of each result.

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
