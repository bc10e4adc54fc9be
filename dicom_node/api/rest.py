"""The rest of Orthanc's REST that takes JSON, which operators may send: judged as in `tools`.

Without it, an operator's script with one bracket too many would end Orthanc.
"""

import json
import re
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from dicom_node.api import bodies, tools
from dicom_node.api.gateways import Through

_LONGEST: Final = 16 << 20
_RAW: Final = re.compile("/(patients|studies|series|instances)/[^/]+/(attachments|metadata)/.*")
"""What Orthanc keeps as it is, and does not read."""

_PLACES: Final = (
    "dicom-web/servers", "instances", "jobs", "modalities", "patients", "peers", "queries",
    "series", "storage-commitment", "studies",
)  # fmt: skip

router = APIRouter(include_in_schema=False)


async def carry_out(request: Request, through: Through) -> Response:
    """Pass a request on, with a body that Orthanc's reader of JSON survives."""
    place = request.url.path
    body = await bodies.short(request, _LONGEST)
    if not _RAW.fullmatch(place):
        body = _harmless(body)
    query = f"?{request.url.query}" if request.url.query else ""
    return await tools.passed_on(through, request.method, f"{quote(place)}{query}", body)


for _place in _PLACES:
    router.add_api_route(f"/{_place}/{{_:path}}", carry_out, methods=["POST", "PUT"])


def _harmless(body: bytes) -> bytes:
    """Return JSON as it was understood, and other words as they are; raises ProblemError: 400."""
    if body.count(b"{") + body.count(b"[") <= bodies.DEEPEST:
        return body
    return json.dumps(bodies.parsed(body)).encode()
