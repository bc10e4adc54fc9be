"""Answers of DICOMweb: which form a caller takes, and where he found the node (PS3.18 8, F, 10)."""

from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr  # nosec B406  # writes XML, reads none

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydicom.datadict import keyword_for_tag

from dicom_node.api.looks import PRIVATE
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Services

JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
DICOM: Final = "application/dicom"
MULTIPART: Final = "multipart/related"

Attributes = Mapping[str, Any]
"""A data set in the DICOM JSON model."""


def origin(request: Request, node: Services) -> str:
    """Return scheme, host and port by which the caller found the node, without a slash."""
    host = request.headers.get("x-node-host", "")
    scheme, _, own = node.settings.public.partition("://")
    told = request.headers.get("x-forwarded-proto", "")
    return f"{told if told in {'http', 'https'} else scheme}://{host or own}"


def media_type(value: str) -> tuple[str, Mapping[str, str]]:
    """Return a media type and its parameters, in lower case but for their values (RFC 9110 8.3)."""
    message = Message()
    message["Content-Type"] = value.replace("\r", "").replace("\n", "")
    kept = message.get_params() or []
    return message.get_content_type(), {name.lower(): text for name, text in kept[1:]}


def takes_xml(request: Request) -> bool:
    """Tell whether the caller wants XML rather than JSON; raises ProblemError: 406."""
    accepted = request.headers.get("accept", "*/*") or "*/*"
    kinds = [_kind(one) for one in accepted.split(",")]
    for kind in kinds:
        if kind in {JSON, "application/json", "application/*", "*/*"}:
            return False
        if kind in {XML, MULTIPART}:
            return True
    detail = f"answers here are {JSON}, or {MULTIPART} of {XML}"
    raise ProblemError(HTTPStatus.NOT_ACCEPTABLE, detail)


def _kind(accepted: str) -> str:
    """Return what one member of Accept asks for; an XML file alone, or in parts."""
    kind, parameters = media_type(accepted.strip())
    wanted = parameters.get("type", XML)
    if kind == MULTIPART and media_type(wanted)[0] not in {XML, "text/plain"}:
        return media_type(wanted)[0]
    return kind


def answer_many(
    request: Request, entries: Sequence[Attributes], headers: Mapping[str, str]
) -> Response:
    """Return the results of a search: one array, or a part of XML for each."""
    told = {**PRIVATE, **headers}
    if not takes_xml(request):
        return JSONResponse(list(entries), headers=told, media_type=JSON)
    boundary = token_hex(16)
    parts = [
        f"--{boundary}\r\nContent-Type: {XML}\r\n\r\n{xml(one)}\r\n".encode() for one in entries
    ]
    kind = f'{MULTIPART}; type="{XML}"; boundary={boundary}'
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Response(body, headers={**told, "Content-Type": kind})


def answer_one(request: Request, attributes: Attributes, status: HTTPStatus) -> Response:
    """Return one data set, as after STOW."""
    if takes_xml(request):
        return Response(xml(attributes), status, {**PRIVATE, "Content-Type": XML})
    return JSONResponse(attributes, status, dict(PRIVATE), JSON)


def xml(attributes: Attributes) -> str:
    """Return a data set in the Native DICOM Model (PS3.19 A.1)."""
    inside = "".join(_elements(attributes))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel>{inside}</NativeDicomModel>'


def _elements(attributes: Attributes) -> Iterator[str]:
    for tag, element in sorted(attributes.items()):
        name = keyword_for_tag(int(tag, 16))
        told = f" keyword={quoteattr(name)}" if name else ""
        yield f'<DicomAttribute tag="{tag}" vr="{element["vr"]}"{told}>'
        for number, value in enumerate(element.get("Value", ()), 1):
            yield _value(number, value, element["vr"])
        yield "</DicomAttribute>"


def _value(number: int, value: Any, vr: str) -> str:  # noqa: ANN401  # as JSON has it
    if vr == "SQ":
        return f'<Item number="{number}">{"".join(_elements(value))}</Item>'
    if vr != "PN":
        return f'<Value number="{number}">{escape(str(value))}</Value>'
    groups = (f"<{group}>{_name(text)}</{group}>" for group, text in value.items())
    return f'<PersonName number="{number}">{"".join(groups)}</PersonName>'


def _name(text: str) -> str:
    parts = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
    told = zip(parts, text.split("^"), strict=False)
    return "".join(f"<{part}>{escape(word)}</{part}>" for part, word in told if word)
