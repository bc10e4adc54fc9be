"""Objects that people send over HTTP: each judged by its own header before Orthanc reads it.

A body lies in a file without a name; an object is a stretch of that file.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Final

from fastapi import Request
from pydicom.uid import UID
from starlette.concurrency import run_in_threadpool

from dicom_node.api import bodies
from dicom_node.api.dicomjson import media_type
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Services
from dicom_node.archive.gateway import Gateway
from dicom_node.errors import ObjectRefused
from dicom_node.intake.room import OUT_OF_RESOURCES
from dicom_node.pixels.structure import SYNTAX_NOT_SUPPORTED, Heading, examine
from dicom_node.pixels.walk import CANNOT_UNDERSTAND, Buffer
from dicom_node.storable import NOT_SUPPORTED, Storable
from dicom_node.supervision import dicom_door

PROCESSING_FAILURE: Final = 0x0110
_MOST_PARTS: Final = 100_000
_LONGEST_HEAD: Final = 8192
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where an object lies in a body, and the media type that its part names."""

    begin: int
    end: int
    kind: str = ""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an object; ``reason`` (PS3.18 I.2.2) and ``sentence`` where it is refused."""

    heading: Heading
    reason: int = 0
    sentence: str = ""
    answer: bytes = b""


def folder(node: Services) -> Path:
    """Return where bodies lie while they are judged."""
    return node.settings.root / "uploads"


@asynccontextmanager
async def taken_in(request: Request, node: Services) -> AsyncIterator[IO[bytes]]:
    """Yield a request's body as a file; raises ProblemError: encoded, too long, no room for it."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        detail = f"a body in {encoding[:32]} is not taken; send it as it is"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    length = request.headers.get("content-length", "")
    if why := node.room.refusal(int(length) if length.isdecimal() else 0):
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, why)
    largest = node.policy.limits.study_max_bytes
    async with bodies.spooled(request, folder(node), largest) as file:
        if not file.tell():
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the body is empty")
        yield file


def mapped(file: IO[bytes]) -> mmap:
    """Return a file as memory that the kernel reads when it is looked at."""
    return mmap(file.fileno(), 0, access=ACCESS_READ)


def parts(data: Buffer, boundary: str) -> Iterator[tuple[Stretch, Mapping[str, str]]]:
    """Yield the parts of a multipart body with their headers (RFC 2046 5.1); raises ProblemError.

    What stands before the first boundary and after the last one means nothing.
    """
    mark = b"--" + boundary.encode("latin-1", "replace")
    at = 0 if data[: len(mark)] == mark else data.find(b"\r\n" + mark) + 2
    if at < len(b"\r\n") and data[: len(mark)] != mark:
        raise _malformed("the body does not hold the boundary that its Content-Type names")
    for _ in range(_MOST_PARTS):
        line_end = data.find(b"\r\n", at + len(mark), at + len(mark) + _LONGEST_HEAD)
        if data[at + len(mark) : at + len(mark) + 2] == b"--":
            return
        head_end = data.find(b"\r\n\r\n", line_end, line_end + _LONGEST_HEAD)
        after = data.find(b"\r\n" + mark, max(head_end, 0))
        if min(line_end, head_end, after) < 0:
            raise _malformed("the body ends before its last boundary")
        begin = head_end + len(b"\r\n\r\n")
        headers = _headers(data[line_end:head_end])
        yield Stretch(begin, max(after, begin), headers.get("content-type", "")), headers
        at = after + len(b"\r\n")
    raise _malformed(f"the body has more than {_MOST_PARTS} parts")


def judge(node: Services, data: Buffer, where: Stretch, study_uid: str = "") -> Verdict:
    """Say whether an object may be stored, in a study where one is named."""
    heading = Heading()
    try:
        _refuse_kind(where.kind)
        rules = node.policy.storage
        heading = examine(data, where.begin, where.end, admits_deflated=rules.deflated)
        _refuse(heading, Storable.named(rules.sop_classes), study_uid)
    except ObjectRefused as exc:
        return Verdict(heading, exc.reason, str(exc))
    if why := node.room.refusal(where.size):
        return Verdict(heading, OUT_OF_RESOURCES, why)
    return Verdict(heading)


async def store(through: Gateway, data: Buffer, where: Stretch, verdict: Verdict) -> Verdict:
    """Store an object that was found good; raises ArchiveUnavailable.

    Orthanc may still say no: it reads what was only looked at here.
    """

    async def content() -> AsyncIterator[bytes]:
        for at in range(where.begin, where.end, _PIECE):
            yield data[at : min(at + _PIECE, where.end)]

    headers = {"Content-Length": str(where.size), "Content-Type": "application/dicom"}
    asked = through.ask("POST", "/instances", content=content(), headers=headers)
    async with asked as answer:
        body = await answer.aread()
        if answer.is_success:
            return replace(verdict, answer=body)
        reason = PROCESSING_FAILURE if answer.is_server_error else CANNOT_UNDERSTAND
        return replace(verdict, reason=reason, sentence="Orthanc did not take it; see its log")


async def judged(node: Services, data: Buffer, where: Stretch, study_uid: str = "") -> Verdict:
    """Judge on a thread of its own: a large object takes a second."""
    return await run_in_threadpool(judge, node, data, where, study_uid)


def _refuse_kind(kind: str) -> None:
    if kind and media_type(kind)[0] != "application/dicom":
        told = f"a part is {kind[:64]} instead of application/dicom"
        raise ObjectRefused(CANNOT_UNDERSTAND, told)


def _refuse(heading: Heading, storable: Storable, study_uid: str) -> None:
    if not storable.takes(heading.sop_class_uid):
        told = f"SOP class {heading.sop_class_uid} is none that this node's policy names"
        raise ObjectRefused(NOT_SUPPORTED, told)
    syntax = heading.transfer_syntax_uid
    if not dicom_door.serves(syntax):
        name = f" ({UID(syntax).name})" if UID(syntax).is_transfer_syntax else ""
        told = f"transfer syntax {syntax}{name} is not taken: no viewer could show it"
        raise ObjectRefused(SYNTAX_NOT_SUPPORTED, told)
    if study_uid and heading.study_instance_uid != study_uid:
        raise ObjectRefused(PROCESSING_FAILURE, "the object belongs to another study")


def _headers(lines: bytes) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in lines.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _malformed(why: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, why)
