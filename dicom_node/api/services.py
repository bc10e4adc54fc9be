"""What the API needs of the rest of the node, in one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Path, Request

from dicom_node.intake.room import Room
from dicom_node.ledger import Ledger
from dicom_node.policy import Policy
from dicom_node.ports import Admission, Catalogue
from dicom_node.settings import Settings

Probe = Callable[[], str]
"""Returns one sentence where a part is well; raises NodeError where it is not."""

_LONGEST_USER = 64


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The ports behind the API; ``probes`` are asked by ``/ai/health`` in their order."""

    ledger: Ledger
    admission: Admission
    catalogue: Catalogue
    probes: Mapping[str, Probe]
    settings: Settings
    policy: Policy
    room: Room
    clock: Callable[[], datetime] = utc_now


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _user(x_node_user: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    """Return the acting user, whom the plugin has from Orthanc's authentication."""
    name = "".join(c for c in unquote(x_node_user) if c.isprintable()).strip()
    return name[:_LONGEST_USER] or "anonymous"


Node = Annotated[Services, Depends(_services)]
User = Annotated[str, Depends(_user)]
StudyUid = Annotated[
    str,
    Path(
        # Whatever a sender calls its study, it has a row and can be opened.
        description="Study Instance UID (0020,000D)",
        pattern=r"^[!-.0-~]+$",
        max_length=128,
    ),
]
