"""Orthanc's ``/tools/``: what is asked there stands in a body, so the body is judged here.

Orthanc's reader of JSON calls itself for each bracket, and 400 bytes ended it. Here a body is read
by one that does not, and Orthanc gets what was understood, written anew.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from dicom_node.api import bodies, looks
from dicom_node.api.gateways import Through
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services, User
from dicom_node.archive.gateway import Gateway

_SEARCH: Final = 64 << 10
_LIST: Final = 16 << 20
"""Of names of resources, some hundred thousand, or of an instance to be made."""

_LONGEST_UID: Final = 1024
_LONGEST_VALUE: Final = 1024
_MOST_WILDCARDS: Final = 16
"""In one value of a search: Orthanc makes a regular expression of it."""

_PASSED_BACK: Final = (
    "allow",
    "content-disposition",
    "content-length",
    "content-type",
    "last-modified",
)
_HANDED_OUT: Final = frozenset(
    {"create-archive", "create-media", "create-media-extended", "bulk-content"}
)
"""What gives images or tags of the resources that are named."""

router = APIRouter(prefix="/tools", include_in_schema=False)


@router.post("/lookup")
async def lookup(request: Request, node: Node, user: User, through: Through) -> Response:
    """Look a UID up; the body is that UID, as text."""
    body = await bodies.short(request, _LONGEST_UID)
    await run_in_threadpool(looks.at_list, node, user)
    return await passed_on(through, "POST", "/tools/lookup", body)


@router.post("/find")
async def find(request: Request, node: Node, user: User, through: Through) -> Response:
    """Search Orthanc's index."""
    wish = bodies.parsed(await bodies.short(request, _SEARCH))
    _refuse_patterns(wish)
    await run_in_threadpool(looks.at_list, node, user)
    for study_uid in _named_studies(wish):
        await run_in_threadpool(looks.at_images, node, user, study_uid)
    return await passed_on(through, "POST", "/tools/find", json.dumps(wish).encode())


@router.post("/{name}")
async def other(name: str, request: Request, node: Node, user: User, through: Through) -> Response:
    """Carry out anything else that Orthanc offers there, its body read and written anew."""
    body = await bodies.short(request, _LIST)
    if body.strip():
        wish = bodies.parsed(body)
        if name in _HANDED_OUT:
            await run_in_threadpool(_note, node, user, wish)
        body = json.dumps(wish).encode()
    query = f"?{request.url.query}" if request.url.query else ""
    return await passed_on(through, "POST", f"/tools/{quote(name)}{query}", body)


async def passed_on(through: Gateway, method: str, path: str, body: bytes) -> Response:
    """Return Orthanc's answer as it comes; raises ArchiveUnavailable."""
    async with AsyncExitStack() as stack:
        asked = through.ask(method, path, content=body)
        answer = await stack.enter_async_context(asked)
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        kept = stack.pop_all()

        async def content() -> AsyncIterator[bytes]:
            async with kept:
                async for piece in answer.aiter_raw():
                    yield piece

        return StreamingResponse(content(), answer.status_code, headers | looks.PRIVATE)


def _note(node: Services, user: str, wish: object) -> None:
    """Write down whose images and tags are handed out; raises LedgerUnavailable."""
    names = wish.get("Resources", []) if isinstance(wish, dict) else wish
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Resources is a list of Orthanc's ids")
    for study_uid in node.catalogue.studies_of(names):
        looks.at_images(node, user, study_uid)


def _refuse_patterns(wish: object) -> None:
    query = wish.get("Query") if isinstance(wish, dict) else None
    for value in query.values() if isinstance(query, dict) else ():
        if not isinstance(value, str):
            continue
        if len(value) > _LONGEST_VALUE and "\\" not in value:
            detail = f"a value of a search has at most {_LONGEST_VALUE} letters"
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        if value.count("*") + value.count("?") > _MOST_WILDCARDS:
            detail = f"a value of a search has at most {_MOST_WILDCARDS} wildcards"
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)


def _named_studies(wish: object) -> Iterator[str]:
    """Yield the studies that a search names, rather than finds."""
    query = wish.get("Query") if isinstance(wish, dict) else None
    for key, value in query.items() if isinstance(query, dict) else ():
        if key.lower() in {"studyinstanceuid", "0020000d", "0020,000d"} and isinstance(value, str):
            yield from (uid for uid in value.split("\\") if uid and not set("*?") & set(uid))
