"""What each role, and a page of another site, asks of a real node; and what it gets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Read:
    """A study that the node has read."""

    uid: str
    orthanc_id: str
    run_id: str


Row = tuple[str, str, object, tuple[int | None, ...]]
ROWS: tuple[Row, ...] = (
    # method, path, body: what nobody, a reader, a radiologist and an operator get; None: not tried
    ("GET", "/ai/worklist", None, (401, 200, 200, 200)),
    ("GET", "/ai/studies/{uid}", None, (401, 200, 200, 200)),
    ("GET", "/ai/health", None, (401, 200, 200, 200)),
    ("GET", "/ai/metrics", None, (401, 200, 200, 200)),
    ("GET", "/ai/login", None, (200, 200, 200, 200)),
    ("GET", "/ohif/node/extension.mjs", None, (401, 200, 200, 200)),
    ("GET", "/", None, (401, 301, 301, 301)),
    ("GET", "/app/explorer.html", None, (401, 200, 200, 200)),
    ("GET", "/system", None, (401, 200, 200, 200)),
    ("GET", "/studies", None, (401, 200, 200, 200)),
    ("GET", "/studies/{id}/archive", None, (401, 200, 200, 200)),
    ("GET", "/dicom-web/studies/{uid}/metadata", None, (401, 200, 200, 200)),
    ("POST", "/tools/find", {"Level": "Study", "Query": {}}, (401, 200, 200, 200)),
    ("POST", "/ai/studies/{uid}/runs", {}, (401, 403, 200, 200)),
    ("POST", "/ai/studies/{uid}/assessments", {"verdict": "accept"}, (401, 403, 201, 201)),
    ("POST", "/ai/runs/{run}/retry", None, (401, 403, 403, 409)),
    ("POST", "/instances", None, (401, 403, 403, 400)),
    ("POST", "/dicom-web/studies", None, (401, 403, 403, 415)),
    ("POST", "/studies/{id}/anonymize", {"Remove": [7]}, (401, 403, 403, 400)),
    ("POST", "/tools/reset", None, (401, 403, 403, None)),
    ("POST", "/tools/shutdown", None, (401, 403, 403, None)),
    ("PUT", "/tools/log-level", "default", (401, 403, 403, 200)),
    ("GET", "/modalities", None, (401, 403, 403, 200)),
    ("GET", "/dicom-web/servers", None, (401, 403, 403, 200)),
    ("GET", "/changes?limit=1", None, (401, 403, 403, 200)),
    ("GET", "/changes?_method=DELETE", None, (400, 400, 400, 400)),
    ("DELETE", "/studies/{id}", None, (401, 403, 403, None)),
    ("GET", "//changes", None, (401, 403, 403, 200)),
    ("GET", "/app/../changes", None, (401, 403, 403, 200)),
    ("GET", "/app/%2e%2e/changes", None, (401, 403, 403, 200)),
)


def matrix(clients: Sequence[httpx.Client], read: Read) -> dict[str, tuple[int | None, ...]]:
    """Return the status of each call for each client, but where it is not to be tried."""
    words = {"uid": read.uid, "id": read.orthanc_id, "run": read.run_id}
    got = {}
    for method, path, body, expected in ROWS:
        codes = tuple(
            None if wanted is None else status(client, method, path.format(**words), body)
            for client, wanted in zip(clients, expected, strict=True)
        )
        got[f"{method} {path}"] = codes
    return got


def status(client: httpx.Client, method: str, path: str, body: object) -> int:
    """Return the status of one request, its path sent as it is written."""
    content = body.encode() if isinstance(body, str) else None
    request = client.build_request(
        method, "/", json=body if isinstance(body, dict) else None, content=content
    )
    request.url = request.url.copy_with(raw_path=path.encode())
    return client.send(request).status_code


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Host": "evil.example:8042"},
)
FORGED = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Host": "evil.example:8042", "Origin": "http://evil.example:8042"},
)


def attempts() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield what a page elsewhere could have a reader's browser send."""
    for headers in FOREIGN:
        for path in ("/studies", "/system", "/ai/worklist", "/dicom-web/studies"):
            yield "GET", path, headers
    for headers in FORGED:
        yield "POST", "/tools/reset", headers
        yield "POST", "/ai/studies/1.2.3/runs", headers
        yield "DELETE", "/changes", headers
        yield "GET", "/changes?_method=DELETE", headers
