"""Every error as ``application/problem+json`` (RFC 9457), without patient data."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dicom_node import log
from dicom_node.errors import (
    ArchiveUnavailable,
    LedgerUnavailable,
    NodeError,
    QueueUnavailable,
    RunNotFound,
    StudyNotFound,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5
INVALID: Final = HTTPStatus.UNPROCESSABLE_ENTITY
ANYWHERE: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    INVALID,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What any request may be answered, by the doorkeeper or where it cannot be read."""


_STATUS: Final[Mapping[type[NodeError], HTTPStatus]] = {
    StudyNotFound: HTTPStatus.NOT_FOUND,
    RunNotFound: HTTPStatus.NOT_FOUND,
    QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    LedgerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    ArchiveUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(BaseModel):
    """An error as RFC 9457 words it."""

    type: str = Field(default="about:blank")
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """Ends a request with a problem; raised by the routes alone."""

    def __init__(self, status: HTTPStatus, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = members


def document(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of the problems that a route may answer with."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {s.value: {"description": s.phrase, "content": content} for s in statuses}


def problem(status: HTTPStatus, detail: str, members: Mapping[str, object]) -> JSONResponse:
    """Return the response for one error."""
    body = Problem(title=status.phrase, status=status, detail=detail).model_dump()
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return JSONResponse(body | dict(members), status, headers, MEDIA_TYPE)


def of_error(exc: NodeError) -> JSONResponse:
    """Return the response for an error of the node."""
    kinds = (kind for kind in type(exc).__mro__ if kind in _STATUS)
    status = _STATUS[kind] if (kind := next(kinds, None)) else HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, str(exc), {})


def install(app: FastAPI) -> None:
    """Let ``app`` answer every error as a problem."""

    @app.exception_handler(ProblemError)
    def _ours(_: Request, exc: ProblemError) -> JSONResponse:
        return problem(exc.status, exc.detail, exc.members)

    @app.exception_handler(NodeError)
    def _node(_: Request, exc: NodeError) -> JSONResponse:
        return of_error(exc)

    @app.exception_handler(HTTPException)
    def _http(_: Request, exc: HTTPException) -> JSONResponse:
        response = problem(HTTPStatus(exc.status_code), exc.detail, {})
        response.headers.update(exc.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        errors = [{"where": list(e["loc"]), "message": e["msg"]} for e in exc.errors()]
        detail = "the request is not as the API describes it: /ai/docs"
        return problem(INVALID, detail, {"errors": errors})

    @app.exception_handler(Exception)
    def _fault(_: Request, exc: Exception) -> JSONResponse:
        log.get().error("api.fault", error=type(exc).__name__)
        detail = "the node met a fault of its own; the log of the API process names it"
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, {})
