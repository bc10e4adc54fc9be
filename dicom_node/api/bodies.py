"""Bodies of requests: taken in with a bound, on disk where they are images, and never trusted."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from dicom_node.api.problems import ProblemError

DEEPEST: Final = 32
"""Arrays and objects in one another; what Orthanc understands has a dozen."""

_PIECE: Final = 1 << 20


@asynccontextmanager
async def spooled(request: Request, folder: Path, largest: int) -> AsyncIterator[IO[bytes]]:
    """Yield a body as a file without a name in this folder; raises ProblemError: 413.

    However a request ends, nothing of it stays behind.
    """
    _refuse_length(request, largest)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:
        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _PIECE:
                _refuse(file.tell() + len(waiting), largest)
                await run_in_threadpool(file.write, bytes(waiting))
                waiting.clear()
        _refuse(file.tell() + len(waiting), largest)
        file.write(waiting)
        file.flush()
        yield file


async def short(request: Request, largest: int) -> bytes:
    """Return a body of some kilobytes; raises ProblemError: 413."""
    _refuse_length(request, largest)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        _refuse(len(body), largest)
    return bytes(body)


def parsed(body: bytes) -> object:
    """Return a body of JSON; raises ProblemError: 400 where it is none, or nested too deep."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the body is not JSON (RFC 8259)") from exc
    if depth(value) > DEEPEST:
        detail = f"more than {DEEPEST} arrays and objects lie in one another"
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
    return value


def depth(value: object) -> int:
    """Return how many arrays and objects lie in one another at most; 0 for a mere word."""
    deepest, level = 0, [value]
    while True:
        inside = [one for one in level if isinstance(one, dict | list)]
        if not inside:
            return deepest
        deepest += 1
        level = [
            child for one in inside for child in (one.values() if isinstance(one, dict) else one)
        ]


def _refuse_length(request: Request, largest: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal():
        _refuse(int(length), largest)


def _refuse(length: int, largest: int) -> None:
    if length > largest:
        detail = f"the body is longer than the {largest} bytes that are taken here"
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
