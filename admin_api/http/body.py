"""Reading a body off the wire: its type, its size, then its content.

- Nothing is read past the limit, and nothing is parsed that was not declared as JSON.
- A file goes to the disk as it comes, and is hashed on the way: into the content directory when it
  is to stay, else to a file without a name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.requests import Request

from admin_api.http.problems import Problem
from admin_api.http.strict_json import JsonValue, MalformedJson, parse_object
from storage.content.message_bytes import SpoolFile

MAX_BODY = 256 * 1024
MAX_FILE = 16 * 1024 * 1024

ANY_TYPE = ("*/*",)

_IN_MEMORY = 256 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_QUOTED = r'"[\x20\x21\x23-\x5b\x5d-\x7e]{0,100}"'
_PARAMETER = rf"[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|{_QUOTED})"
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:{_PARAMETER})*")


def check_media_type(request: Request) -> None:
    """Raises Problem 415 for a body that is not declared as JSON in UTF-8."""
    headers = request.headers
    media_type, *parameters = headers.get("content-type", "").lower().split(";")
    charset = [one.strip() for one in parameters if one.strip().startswith("charset")]
    fitting = media_type.strip() == "application/json" and charset in (
        [],
        ["charset=utf-8"],
        ['charset="utf-8"'],
    )
    if not fitting and ("content-type" in headers or _announces_body(request)):
        raise _unsupported("The body must be application/json in UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        # A small compressed body may unpack to gigabytes; MAX_BODY counts what comes off the wire.
        raise _unsupported("The body must not be compressed.")


def _announces_body(request: Request) -> bool:
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail, headers={"Accept": "application/json"})


async def read_object(request: Request, *, required: bool = True) -> dict[str, JsonValue]:
    """Return the body's object; where none is `required`, an empty body is an empty object.

    Raises Problem 413, MalformedJson; 415 for an undeclared body though none is required.
    """
    if declared_size(request) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        # Counted too: a chunked body declares no size.
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    if not required:
        if not body.strip():
            return {}
        check_media_type(request)
    if not body.strip():
        raise MalformedJson("A JSON object is required as body.")
    return parse_object(bytes(body))


def check_file_type(request: Request, media_types: Sequence[str]) -> None:
    """Raises Problem 415 for a file that is not said to be of one of these types."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if media_types == ANY_TYPE and encoding == "identity":
        media_type_of(request)
        return
    if media_type not in media_types or encoding != "identity":
        raise Problem(
            415,
            "unsupported_media_type",
            f"The body must be {media_types[0]} in UTF-8, not compressed.",
            headers={"Accept": media_types[0]},
        )


def media_type_of(request: Request) -> str:
    """The file's type as it is declared, with its parameters; octets when it is not.

    Raises Problem 415 for one that is none.
    """
    declared = request.headers.get("content-type", "").strip() or "application/octet-stream"
    if len(declared) > 200 or not _MEDIA_TYPE.fullmatch(declared):
        raise Problem(
            415, "unsupported_media_type", "Content-Type must be a media type, as image/png."
        )
    return declared


def declared_size(request: Request) -> int:
    """The octets that the body is said to have; 0 when it is not said."""
    declared = request.headers.get("content-length", "0")
    return int(declared[:20]) if declared.isdigit() else 0


def check_file_size(request: Request, most: int = MAX_FILE) -> None:
    """Raises Problem 413 for a file that is said to be too large."""
    if declared_size(request) > most:
        raise _too_large(most, "file")


def temporary_file() -> IO[bytes]:
    """A file for a body: in memory while it is small, on the disk without a name then."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


async def spool(request: Request, file: IO[bytes]) -> str:
    """Write the body to `file`, which is left at its beginning; its hash. Raises Problem 413."""
    size, digest = 0, sha256()
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_FILE:
            raise _too_large(MAX_FILE, "file")
        digest.update(chunk)
        file.write(chunk)
    file.seek(0)
    return digest.hexdigest()


@dataclass(slots=True)
class ReceivedFile:
    """A file in the content directory that a call brought. Unless it is `kept`, it goes with it."""

    spool: SpoolFile
    size: int = 0
    sha256: bytes = b""
    kept: bool = False

    async def read(self, request: Request, most: int) -> None:
        """Put the body on stable storage. Raises Problem 413, StoreUnavailable."""
        digest = sha256()
        parts: list[bytes] = []
        waiting = 0
        async for chunk in request.stream():
            self.size += len(chunk)
            if self.size > most:
                raise _too_large(most, "file")
            digest.update(chunk)
            parts.append(chunk)
            waiting += len(chunk)
            # At most 256 KiB of a file in memory; in a thread, or a slow disk stops all calls.
            if waiting >= _IN_MEMORY:
                await asyncio.to_thread(self.spool.write, parts)
                parts, waiting = [], 0
        await asyncio.to_thread(self.spool.finish, parts)
        self.sha256 = digest.digest()

    def end(self) -> None:
        """Remove the file, if nothing may name it."""
        if not self.kept:
            self.spool.discard()


def _too_large(most: int = MAX_BODY, kind: str = "body") -> Problem:
    return Problem(
        413,
        "body_too_large",
        f"A {kind} has at most {most} octets.",
        # The rest of the body is still coming: it must not be read as the next request.
        headers={"Connection": "close"},
    )
