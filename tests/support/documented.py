"""Holds answers against what the OpenAPI document says that a call may be answered."""

from functools import cache
from typing import Any

import httpx2
from pydantic import TypeAdapter

from admin_api.call.router import Router
from admin_api.http import shapes
from admin_api.openapi.answers import described, refusals
from admin_api.openapi.endpoints import DESCRIBED
from admin_api.routes import ROUTES

ROUTER = Router(ROUTES)


@cache
def adapter(key: str) -> TypeAdapter[Any] | None:
    about = DESCRIBED[key]
    if about.model is None:
        return None
    return TypeAdapter(list[about.model] if about.many else about.model)  # type: ignore[name-defined]


def check(method: str, raw_path: bytes, status: int, media_type: str, body: bytes) -> None:
    """Fails for an answer that the document does not tell of."""
    match = ROUTER.match(raw_path)
    route = match.routes.get("GET" if method == "HEAD" else method) if match else None
    if status >= 400:
        problem = shapes.ProblemRecord.model_validate_json(body) if body else None
        assert media_type == "application/problem+json"
        if route is None:
            assert status in (401, 404, 405, 429)
            return
        codes = refusals(route, described(route)).get(status)
        assert codes is not None, f"{method} {route.path} may not answer {status}"
        assert problem is None or problem.code in codes, (method, route.path, status, problem.code)
        return
    assert route is not None
    about = described(route)
    assert status in about.status, (method, route.path, status)
    if status != 204:
        assert about.media_type in {media_type, "*/*"}
    model = adapter(f"{route.method} {route.path}")
    if model is not None and method != "HEAD" and status != 204:
        model.validate_json(body, strict=True)


def check_answer(method: str, raw_path: bytes, status: int, media_type: str, body: bytes) -> None:
    """Check an answer of a test. What is not described yet fails in its own test; a fault of ours
    (500) is in no document, and tests that make one know it.
    """
    match = ROUTER.match(raw_path)
    route = match.routes.get(method) if match else None
    if status == 500:
        return
    if route is not None and f"{route.method} {route.path}" not in DESCRIBED:
        return
    check(method, raw_path, status, media_type, body)


async def check_response(response: httpx2.Response) -> None:
    """Check what a client got: a hook of it."""
    request = response.request
    media_type = response.headers.get("content-type", "").partition(";")[0]
    body = await response.aread()
    raw_path = request.url.raw_path.partition(b"?")[0]
    check_answer(request.method, raw_path, response.status_code, media_type, body)
