"""The connection to Orthanc's REST API, and its errors in the node's words."""

from collections.abc import Callable

import httpx
from pyorthanc import Orthanc

from dicom_node.errors import ArchiveAway, ArchiveFault, ArchiveUnavailable, StudyNotFound
from dicom_node.settings import Settings

_TIMEOUT_S = 30.0


def connect(settings: Settings) -> Orthanc:
    """Prepare a client for the configured Orthanc; the first call opens the connection."""
    user, password = settings.orthanc_credentials or (None, None)
    return Orthanc(
        settings.orthanc,
        user,
        password,
        return_raw_response=True,
        timeout=_TIMEOUT_S,
        # gzip made a CT six times slower to fetch
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
        verify=settings.orthanc_tls,
    )


def ask(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Return Orthanc's answer; raises StudyNotFound, ArchiveUnavailable."""
    try:
        answer = call()
    except httpx.ConnectError as exc:
        raise ArchiveAway("Orthanc is away; its log tells why") from exc
    except httpx.HTTPError as exc:
        raise ArchiveUnavailable(f"Orthanc does not answer: {type(exc).__name__}") from exc
    if answer.is_success:
        return answer
    what = f"Orthanc answered {answer.status_code} to {answer.request.url.path}"
    if answer.is_client_error:
        raise StudyNotFound(f"{what}; the study may have been deleted")
    raise ArchiveFault(f"{what}; see its log")
