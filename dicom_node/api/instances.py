"""Orthanc's own upload, ``POST /instances``: one file, a ZIP of files, or a form's files.

The answers are Orthanc's, so that Orthanc Explorer and scripts go on as before.
"""

import zipfile
import zlib
from http import HTTPStatus
from mmap import mmap
from tempfile import TemporaryFile
from typing import IO, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from dicom_node.api import dicomjson, uploads
from dicom_node.api.gateways import Through
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services
from dicom_node.api.uploads import Stretch, Verdict
from dicom_node.archive.gateway import Gateway
from dicom_node.intake.room import OUT_OF_RESOURCES

_ZIP: Final = b"PK\x03\x04"
_FORM: Final = "multipart/form-data"
_MOST_FILES: Final = 100_000
_PIECE: Final = 1 << 20
_PREFIX_AT: Final = slice(128, 132)

_BROKEN: Final = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error,
)  # fmt: skip
"""What Python's reader says of a ZIP that is cut short, encrypted or packed in another way."""

router = APIRouter(include_in_schema=False)


@router.post("/instances")
@router.post("/instances/")
async def upload(request: Request, node: Node, through: Through) -> Response:
    """Store what is sent, all of it or nothing."""
    kind, parameters = dicomjson.media_type(request.headers.get("content-type", "none/none"))
    async with uploads.taken_in(request, node) as file:
        with uploads.mapped(file) as data:
            if kind == _FORM:
                objects = _of_form(data, parameters.get("boundary", ""))
                return await _store(node, through, data, objects, "form")
            if data[: len(_ZIP)] != _ZIP:
                return await _store(node, through, data, [Stretch(0, len(data))], "file")
        with TemporaryFile(dir=uploads.folder(node)) as whole:
            objects = await run_in_threadpool(_unzipped, file, whole, node)
            with uploads.mapped(whole) as data:
                return await _store(node, through, data, objects, "zip")


async def _store(
    node: Services, through: Gateway, data: mmap, objects: list[Stretch], kind: str
) -> Response:
    verdicts = [await uploads.judged(node, data, where) for where in objects]
    if bad := next((one for one in verdicts if one.reason), None):
        return _refusal(bad)
    stored = []
    for where, verdict in zip(objects, verdicts, strict=True):
        stored.append(await uploads.store(through, data, where, verdict))
        if stored[-1].reason:
            return _refusal(stored[-1])
    if kind == "form":
        return Response(status_code=HTTPStatus.OK)
    answers = b",\n".join(one.answer for one in stored)
    body = b"[" + answers + b"]" if kind == "zip" else answers
    return Response(body, media_type="application/json")


def _refusal(verdict: Verdict) -> Response:
    """Return what Orthanc says of a file that it does not take, with our reason."""
    if verdict.reason == OUT_OF_RESOURCES:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, verdict.sentence)
    told = {
        "Details": verdict.sentence,
        "FailureReason": verdict.reason,
        "HttpError": "Bad Request",
        "HttpStatus": HTTPStatus.BAD_REQUEST.value,
        "Message": "Bad file format",
        "Method": "POST",
        "OrthancError": "Bad file format",
        "OrthancStatus": 15,
        "Uri": "/instances",
    }
    return JSONResponse(told, HTTPStatus.BAD_REQUEST)


def _of_form(data: mmap, boundary: str) -> list[Stretch]:
    found = [
        Stretch(where.begin, where.end)
        for where, headers in uploads.parts(data, boundary)
        if where.size and "filename" in headers.get("content-disposition", "")
    ]
    if not found:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the form holds no file")
    return found


def _unzipped(file: IO[bytes], whole: IO[bytes], node: Services) -> list[Stretch]:
    """Write the DICOM files of a ZIP one behind the other; raises ProblemError."""
    largest = node.policy.limits.study_max_bytes
    found = []
    try:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > _MOST_FILES:
                raise _bad_zip(f"it holds more than {_MOST_FILES} files")
            for member in members:
                begin = whole.tell()
                _unzip(archive, member, whole, largest)
                if _is_dicom(whole, begin):
                    found.append(Stretch(begin, whole.tell()))
                else:
                    whole.seek(begin)
                    whole.truncate()
    except _BROKEN as exc:
        raise _bad_zip("it cannot be unpacked") from exc
    if not found:
        raise _bad_zip("it holds no DICOM file")
    whole.flush()
    return found


def _unzip(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, whole: IO[bytes], largest: int
) -> None:
    with archive.open(member) as inside:
        while piece := inside.read(_PIECE):
            whole.write(piece)
            if whole.tell() > largest:
                raise _bad_zip(f"it holds more than {largest} bytes")


def _is_dicom(whole: IO[bytes], begin: int) -> bool:
    end = whole.tell()
    whole.seek(begin)
    head = whole.read(_PREFIX_AT.stop)
    whole.seek(end)
    return head[_PREFIX_AT] == b"DICM"


def _bad_zip(why: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, f"the ZIP is refused: {why}")
