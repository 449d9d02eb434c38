"""The OpenAPI document, and a page that shows it without loading anything from other servers."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response

from admin_api.call.call import Call

_PAGE = Path(__file__).with_name("docs_page.html")


async def show_openapi(call: Call) -> Response:
    """GET /v1/openapi.json: this document."""
    return Response(call.service.document(), media_type="application/json")


async def show_docs(call: Call) -> Response:
    """GET /docs/: a page to read this document in."""
    page, policy = _page()
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={
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
