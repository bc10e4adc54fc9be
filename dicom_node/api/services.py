"""What the API needs of the rest of the node, in one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Request

from dicom_node.access.fetches import LookUp
from dicom_node.api.door import Visitor
from dicom_node.domain import ANONYMOUS
from dicom_node.intake.room import Room
from dicom_node.ledger import Ledger
from dicom_node.policy import Policy
from dicom_node.ports import Admission, Catalogue
from dicom_node.settings import Settings

Probe = Callable[[], str]
"""Returns one sentence where a part is well; raises NodeError where it is not."""


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """The ports behind the API; ``probes`` are asked by ``/ai/health`` in their order.

    ``token`` is what nginx proves itself with; ``look_up`` asks Orthanc whose an image is.
    """

    ledger: Ledger
    admission: Admission
    catalogue: Catalogue
    probes: Mapping[str, Probe]
    settings: Settings
    policy: Policy
    room: Room
    token: str
    look_up: LookUp
    clock: Callable[[], datetime] = utc_now


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _visitor(request: Request) -> Visitor:
    visitor: Visitor = request.state.visitor
    return visitor


def _user(request: Request) -> str:
    """Return the acting user, whom the doorkeeper has recognised, as the trail knows him."""
    identity = _visitor(request).identity
    return identity.actor if identity else ANONYMOUS


Node = Annotated[Services, Depends(_services)]
User = Annotated[str, Depends(_user)]
Who = Annotated[Visitor, Depends(_visitor)]
StudyUid = Annotated[
    str,
    Path(
        # Whatever a sender calls its study, it has a row and can be opened.
        description="Study Instance UID (0020,000D)",
        pattern=r"^[!-.0-~]+$",
        max_length=128,
    ),
]
