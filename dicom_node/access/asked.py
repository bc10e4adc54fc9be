"""What somebody asks for, at the API or of Orthanc: one reading of a request's method and path.

nginx undoes the encoding of a path, its dots and its double slashes once; that path is judged here,
and that path is what Orthanc gets. Other methods in a parameter or a header are turned away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from dicom_node.errors import AccessError

OVERRIDE: Final = "x-http-method-override"
_OVERRIDE_KEY: Final = "_method"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE"})
_SIZES: Final = frozenset({"width", "height", "viewport", "rows", "columns"})
_LARGEST_PX: Final = 8192
"""Of a picture that Orthanc draws: one at a time, with what memory it is asked for."""


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
    method, length = headers.get("x-node-method", ""), headers.get("x-node-length", "")
    if method not in _METHODS:
        raise AccessError(f"the method {method[:16]!r} is not one of {', '.join(sorted(_METHODS))}")
    if method in _BODILESS and (headers.get("x-node-chunked") or length not in {"", "0"}):
        raise AccessError(f"a {method} has no body here; leave it out")
    if OVERRIDE in headers:
        raise AccessError("a method in X-HTTP-Method-Override is not taken; send it as the method")
    return Asked(
        method=method,
        path=_path(headers.get("x-node-path", "")),
        query=_query(headers.get("x-node-args", "")),
        length=int(length) if length.isdecimal() else 0,
        of_orthanc=True,
    )


def _path(told: str) -> str:
    """Return the path that nginx told; a header's text is one character for each byte."""
    try:
        return told.encode("latin-1").decode("utf-8")
    except UnicodeError as exc:
        raise AccessError("the path is not UTF-8") from exc


def _query(raw: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as exc:
        raise AccessError("the query is not UTF-8, or has more than 200 fields") from exc
    if any(key.strip().lower() == _OVERRIDE_KEY for key, _ in pairs):
        raise AccessError("a method in ?_method= is not taken; send it as the method")
    if any(key.strip().lower() in _SIZES and not _is_drawable(value) for key, value in pairs):
        raise AccessError(f"a picture has at most {_LARGEST_PX} pixels a side")
    found = dict(pairs)
    if len(found) < len(pairs) and "objectUID" in found:
        raise AccessError("the query names a parameter twice")
    return found


def _is_drawable(value: str) -> bool:
    """Tell whether sizes, of which a viewport names up to six, are such as a screen could show."""
    sizes = [size.strip() for size in value.split(",") if size.strip()]
    try:
        return all(abs(float(size)) <= _LARGEST_PX for size in sizes)
    except ValueError:
        return False
