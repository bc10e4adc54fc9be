"""Asks a running node how it is, the way anybody outside would."""

import json
from dataclasses import dataclass

import httpx

from dicom_node.settings import Settings

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of ``/ai/health``; ``answer`` is its JSON text, empty where none came."""

    ready: bool
    message: str
    answer: str = ""


def ask(settings: Settings) -> Health:
    """Ask at the front door, so that door and API must both work; the API asks the others."""
    url = f"{settings.front}/ai/health"
    try:
        answer = httpx.get(
            url,
            headers=settings.front_headers,
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as exc:
        return Health(False, f"{url} does not answer: {exc}")
    if "json" not in answer.headers.get("content-type", ""):
        return Health(False, f"{url} answers {answer.status_code}")
    if not answer.is_success:
        return Health(
            False, _amiss(answer.text) or f"{url} answers {answer.status_code}", answer.text
        )
    unfit = _amiss(answer.text)  # a part that nobody waits for: the shadow
    return Health(True, f"ready; {unfit}" if unfit else "ready", answer.text)


def _amiss(body: str) -> str:
    """Name the parts that are not fit, or repeat the detail of a problem (RFC 9457)."""
    answer = json.loads(body)
    unfit = [part for part in answer.get("parts", ()) if not part["ok"]]
    told = "; ".join(f"{part['name']}: {part['message']}" for part in unfit)
    return told or str(answer.get("detail", ""))
