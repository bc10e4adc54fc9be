"""What somebody asks for, at the API or of Orthanc: one reading of a request's method and path.

nginx passes a request to Orthanc as it came. Whatever Orthanc could read otherwise than it is
judged here is turned away: encoded separators, dots, other methods in a parameter or a header.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from dicom_node.errors import AccessError

OVERRIDE: Final = "x-http-method-override"
_OVERRIDE_KEY: Final = "_method"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_TWO_WAYS: Final = re.compile(r"%(?:2[ef5]|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
"""Encodings of ``. / % \\`` and of control characters."""

_ODD: Final = re.compile(r"//|[\\\x00-\x1f\x7f]|/\.{1,2}(?:/|$)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``path`` decoded; ``query`` decoded too, empty at the API, which reads its own.

    ``length`` is that of the body in bytes.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    length: int = 0
    of_orthanc: bool = False


def of_nginx(headers: Mapping[str, str]) -> Asked:
    """Return what nginx is about to pass on; raises AccessError where it reads in two ways.

    ``headers`` have names in lower case: those of the request, with nginx's own.
    """
    method, uri = headers.get("x-node-method", ""), headers.get("x-node-uri", "")
    length = headers.get("x-node-length", "")
    raw, _, raw_query = uri.partition("?")
    if method not in _METHODS:
        raise AccessError(f"the method {method[:16]!r} is not one of {', '.join(sorted(_METHODS))}")
    if OVERRIDE in headers:
        raise AccessError("a method in X-HTTP-Method-Override is not taken; send it as the method")
    return Asked(
        method=method,
        path=_path(raw),
        query=_query(raw_query),
        length=int(length) if length.isdecimal() else 0,
        of_orthanc=True,
    )


def _path(raw: str) -> str:
    try:
        path = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        path = ""
    if not path.startswith("/") or _TWO_WAYS.search(raw) or _ODD.search(path):
        raise AccessError("the path can be read in two ways; write it without encoded / . % or \\")
    return path


def _query(raw: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as exc:
        raise AccessError("the query is not UTF-8, or has more than 200 fields") from exc
    if any(key.strip().lower() == _OVERRIDE_KEY for key, _ in pairs):
        raise AccessError("a method in ?_method= is not taken; send it as the method")
    found = dict(pairs)
    if len(found) < len(pairs) and "objectUID" in found:
        raise AccessError("the query names a parameter twice")
    return found
