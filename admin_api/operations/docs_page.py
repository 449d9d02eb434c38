"""The OpenAPI document, and a page that shows it without loading anything from other servers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admin_api.call.call import Call
from admin_api.http.responses import common_headers
from admin_api.service.call_metrics import TEMPLATE

_PAGE = Path(__file__).with_name("docs_page.html")


class DocsFirst:
    """The application without the page for people: `/` leads to the docs, all else to `calls`."""

    def __init__(self, calls: ASGIApp) -> None:
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not is_asked or scope.get("raw_path") != b"/":
            await self._calls(scope, receive, send)
            return
        scope[TEMPLATE] = "/"
        response = Response(status_code=303, headers=common_headers() | {"Location": "/docs/"})
        await response(scope, receive, send)


async def show_openapi(call: Call) -> Response:
    """GET /v1/openapi.json: this document."""
    # Made for the first who asks, which takes two seconds: in a thread, and once for all who wait.
    async with call.service.document_turns:
        document = await asyncio.to_thread(_made, call.service.document)
    return _compressed(call, document, "application/json", {})


def _made(make: Callable[[], bytes]) -> bytes:
    document = make()
    _gzipped(document)
    return document


def _compressed(call: Call, body: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """The body, in gzip for who accepts it."""
    headers = headers | {"Vary": "Accept-Encoding"}
    if _accepts_gzip(call.request.headers.get("accept-encoding", "")):
        body, headers = _gzipped(body), headers | {"Content-Encoding": "gzip"}
    return Response(body, media_type=media_type, headers=headers)


def _accepts_gzip(accepted: str) -> bool:
    """Whether gzip is named and not with the weight 0 (RFC 9110 12.5.3)."""
    for one in accepted.lower().split(","):
        name, _, weight = one.replace(" ", "").partition(";q=")
        if name in ("gzip", "*"):
            return not re.fullmatch(r"0(\.0*)?", weight)
    return False


@lru_cache(maxsize=4)
def _gzipped(body: bytes) -> bytes:
    # Without the time, all processes give the same bytes.
    return gzip.compress(body, mtime=0)


async def show_docs(call: Call) -> Response:
    """GET /docs/: a page to read this document in."""
    page, policy = _page()
    return _compressed(
        call,
        page,
        "text/html; charset=utf-8",
        {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        },
    )


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, str]:
    """Return the page, and a policy that runs its own script and style and nothing else."""
    page = _PAGE.read_bytes()
    sources = {name: _hash_of(page, name) for name in ("script", "style")}
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{sources['script']}'",
            f"style-src '{sources['style']}'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return page, policy


def _hash_of(page: bytes, element: str) -> str:
    """Return the source expression for the text of `element` (CSP 3, 2.3.1)."""
    start = page.index(b"<%b>" % element.encode()) + len(element) + 2
    text = page[start : page.index(b"</%b>" % element.encode())]
    return "sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode()
