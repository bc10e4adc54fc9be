"""The viewer under ``/ohif``: OHIF as script/viewer lays it out, with what we add in ``node/``."""

import base64
import html
import re
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from os import stat_result
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Scope

_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
"""Stated here: what ``mimetypes`` knows depends on the machine, and browsers insist."""

_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval' {scripts}",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",  # its components style themselves
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
"""What OHIF needs, and no more: no other host, no inline script but the two of its own page."""

_WORKERS_MAY: Final = "'unsafe-eval'"
"""What the decoders of JPEG, JPEG-LS, JPEG 2000 and HTJ2K need (emscripten's embind writes its
calls as functions), and what a worker, which sees no page, can be given."""

_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_NAMED_BY_CONTENT: Final = re.compile(r"(^|\.)[0-9a-f]{16}\.")
_INDEX: Final = "index.html"
_CONFIG: Final = "app-config.js"
_MISSING: Final = (
    "The viewer is not installed on this node. Whoever runs the node can install it with "
    "script/viewer; reports, worklist and API work without it."
)


def policy(file: Path) -> str:
    """Return the content security policy of one of the viewer's files.

    The page allows the scripts inside it. A script's own policy counts where it is started as a
    worker: for what a page loads, the page's policy counts (CSP3, 4.2.3).
    """
    if file.suffix in {".js", ".mjs"}:
        return "; ".join(_POLICY).format(scripts=_WORKERS_MAY)
    page = file.read_text() if file.name == _INDEX else ""
    hashes = (sha256(script.encode()).digest() for script in _INLINE.findall(page))
    inline = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes)
    return "; ".join(_POLICY).format(scripts=inline)


class ViewerFiles(StaticFiles):
    """Serve a single-page application: files, and for its deep links the page itself."""

    def __init__(self, folder: Path) -> None:
        # The link that it follows is script/viewer's own; paths that climb out are refused.
        super().__init__(directory=folder, check_dir=False, follow_symlink=True)
        self._folder = folder

    async def check_config(self) -> None:
        """Take a folder that is not there; `get_response` says so to whoever asks."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or the page where the path is one of the viewer's own places."""
        if not (self._folder / _INDEX).is_file():
            return self._missing(Headers(scope=scope))
        if path == _CONFIG:
            path = f"node/{_CONFIG}"
        try:
            return await super().get_response(path, scope)
        except HTTPException as exc:
            place = path == "." or "." not in Path(path).name
            if exc.status_code != HTTPStatus.NOT_FOUND or not place:
                raise
            return await super().get_response(_INDEX, scope)

    def file_response(
        self, full_path: PathLike, stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file, the compressed one beside it where the browser takes that."""
        asked, file = Headers(scope=scope), Path(full_path)
        named_by_content = _NAMED_BY_CONTENT.search(file.name) is not None
        headers = {
            "Cache-Control": "private, max-age=604800" if named_by_content else "no-cache",
            "Vary": "Accept-Encoding",
        }
        compressed = file.with_name(f"{file.name}.gz")
        media_type = _TYPES.get(file.suffix)
        if "gzip" in asked.get("accept-encoding", "") and compressed.is_file():
            file, stat_result = compressed, compressed.stat()
            headers["Content-Encoding"] = "gzip"
        response: Response
        response = FileResponse(file, status_code, headers, media_type, stat_result=stat_result)
        if self.is_not_modified(response.headers, asked):
            response = NotModifiedResponse(response.headers)
        # On a 304 too: a browser puts its headers in the place of those it has kept.
        response.headers["Content-Security-Policy"] = policy(Path(full_path))
        return response

    @staticmethod
    def _missing(asked: Headers) -> Response:
        if "text/html" not in asked.get("accept", ""):
            raise HTTPException(HTTPStatus.NOT_FOUND, _MISSING)
        page = (
            '<!doctype html><html lang="en"><title>dicom-node: no viewer</title>'
            f'<p>{html.escape(_MISSING)}<p><a href="/ai/">Worklist</a>'
        )
        return HTMLResponse(page, HTTPStatus.NOT_FOUND)
