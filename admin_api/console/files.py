"""The page's own files: scripts, styles, pictures, under a path that changes with their content.

- All are read and compressed once, when the first is asked for; a browser keeps them for a year.
- Our own scripts and styles are served without comments and indentation: a third of their octets.
- The hash is of all files and stands before the name, so that a script imports another by its name.
  Another hash is not found.
- No file holds anything of a tenant: they are served to everybody.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

from admin_api.http.problems import not_found

PREFIX = "/console/static/"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_CACHED = "public, max-age=31536000, immutable"
_VENDOR = {"htmx.js": "vendor/htmx-4.0.1/htmx.min.js"}
# Lines stay lines: no statement joins the next one. No text of ours holds either beginning.
_COMMENT = re.compile(
    rb"/\*.*?\*/ ?|^[ \t]*//[^\n]*|[ \t]+// [^\n\"'`]*$", re.DOTALL | re.MULTILINE
)
_INDENT = re.compile(rb"^\s+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file, as it is and compressed."""

    media_type: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """All files by name, and the hash over them."""

    version: str
    files: dict[str, StaticFile]


@lru_cache(maxsize=1)
def static_files() -> StaticFiles:
    """Return all files."""
    root = files("admin_api.console")
    paths = {entry.name: f"static/{entry.name}" for entry in (root / "static").iterdir()} | _VENDOR
    found = {
        name: _bare((root / path).read_bytes(), path)
        for name, path in sorted(paths.items())
        if PurePosixPath(name).suffix in _TYPES
    }
    whole = hashlib.blake2b(digest_size=6)
    for name, plain in found.items():
        whole.update(b"%s %d\n%s" % (name.encode(), len(plain), plain))
    return StaticFiles(
        whole.hexdigest(),
        {
            name: StaticFile(
                _TYPES[PurePosixPath(name).suffix], plain, gzip.compress(plain, 9, mtime=0)
            )
            for name, plain in found.items()
        },
    )


def _bare(text: bytes, path: str) -> bytes:
    """A file without what is for its readers; those of others are as they were published."""
    if path.startswith("vendor/") or not path.endswith((".js", ".css")):
        return text
    return _INDENT.sub(b"", _COMMENT.sub(b"", text))


def url_of(name: str) -> str:
    """Return the URL of a file, which is there."""
    every = static_files()
    assert name in every.files, f"no file {name}"
    return f"{PREFIX}{every.version}/{name}"


def is_kept(response: Response) -> bool:
    """Whether a response is one of these files."""
    return response.headers.get("Cache-Control") == _CACHED


def show_file(request: Request, version: str, name: str) -> Response:
    """GET /console/static/{version}/{name}. Raises Problem 404."""
    every = static_files()
    file = every.files.get(name)
    # Never another version's file: the browser would keep it under this URL for a year.
    if file is None or version != every.version:
        raise not_found()
    packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    headers = {
        "Cache-Control": _CACHED,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(
        file.packed if packed else file.plain, headers=headers, media_type=file.media_type
    )
