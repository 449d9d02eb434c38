"""The way of a call, from the request to the handler, in the order in which errors count.

404 for an unknown path; 401; 429; 405 and 415; 403 that needs no body; 413 and malformed JSON;
403 that needs the body; the stored answer of the same Idempotency-Key; 404 for ids in the path;
412; 400 for fields; then the handler. A call that can be refused without its body is refused
unread. Every exception becomes a problem document, every response carries a request id.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from admin_api.access import credentials, policy
from admin_api.access.credentials import Principal
from admin_api.call import etags, idempotency
from admin_api.call.call import Call
from admin_api.call.router import Match, Route, Router
from admin_api.call.store_wrappers import of_caller
from admin_api.call.validation import (
    RawInput,
    query_of,
    read_body,
    take_inbox_of_body,
    take_inbox_of_query,
    validated,
)
from admin_api.http.body import (
    ReceivedFile,
    check_file_size,
    check_file_type,
    check_media_type,
    spool,
    temporary_file,
)
from admin_api.http.problems import Problem, problem_of, rate_limited, response_of, unknown_path
from admin_api.http.responses import common_headers, without_body
from admin_api.service.call_metrics import TEMPLATE
from admin_api.service.service import ServiceContext
from config.logs import event
from storage.content.message_bytes import new_content_id
from storage.database import Tx
from storage.errors import StoreUnavailable

logger = logging.getLogger("postroom.http")


class Dispatcher:
    """The ASGI application behind Starlette: everything under one route table."""

    def __init__(self, router: Router, service: ServiceContext) -> None:
        self._router = router
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        headers = common_headers()
        try:
            response = await self._response(request, headers)
        except ClientDisconnect:
            return
        except Exception as error:
            problem = problem_of(error)
            _log(problem, headers["X-Request-Id"], error)
            response = response_of(problem)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if request.method == "HEAD":
            response = without_body(response)
        await response(scope, receive, send)

    async def _response(self, request: Request, headers: dict[str, str]) -> Response:
        match = self._router.match(request.scope.get("raw_path") or b"")
        if match is None:
            raise unknown_path()
        # First of all, so that refused calls are counted with their route, too.
        request.scope[TEMPLATE] = next(iter(match.routes.values())).path
        now = self._service.clock()
        principal, secret = None, ""
        # Of the whole path, not of the route of this method: 401 comes before 405.
        if any(route.access.caller != "anybody" for route in match.routes.values()):
            secret = credentials.bearer(request.headers.get("authorization"))
            principal = await self._identified(secret, now)
            self._count(principal, headers)
        route = _route(match, request.method)
        if route.payload is not None:
            check_media_type(request)
        if route.takes_file:
            check_file_type(request, route.takes_file)
        call = Call(
            self._service,
            request,
            match.arguments,
            now,
            principal,
            condition=etags.sent_with(request),
            key=idempotency.sent_with(request),
            secret=secret,
        )
        given = query_of(request)
        if principal is None:
            await read_body(route, call, given)
            return await validated(match, route, call, given)
        call.store = of_caller(
            self._service.store, self._service.commits, principal, of_tenant=route.of_tenant
        )
        policy.check(route.access, principal)
        take_inbox_of_query(route, call, given)
        async with AsyncExitStack() as held:
            digest = await take_file(route, call, held) if route.takes_file else ""
            await read_body(route, call, given)
            return await permitted(match, route, call, given, digest)

    async def _identified(self, secret: str, now: int) -> Principal:
        async def identify(tx: Tx) -> Principal:
            return await credentials.identify(tx, secret=secret, now=now)

        principal = await self._service.database.read(identify)
        if credentials.is_use_due(principal, now=now):
            await record_use(self._service, principal, now)
        return principal

    def _count(self, principal: Principal, headers: dict[str, str]) -> None:
        """Count the call, and set the limit's headers. Raises Problem 429."""
        buckets = self._service.calls
        allowance = buckets.take(principal.credential_id)
        # Before the refusal, which has to tell the limit as well.
        headers |= buckets.headers(allowance, "calls")
        if not allowance.granted:
            raise rate_limited(allowance.seconds)


async def record_use(service: ServiceContext, principal: Principal, now: int) -> None:
    """Record that the credential was used, if that can be written now."""

    async def record(tx: Tx) -> None:
        await credentials.record_use(tx, principal, now=now)

    try:
        part = service.store.partition_of(principal.tenant.tenant_id)
        await service.store.write_in(part, record)
    except StoreUnavailable:
        # A call that only reads can be served while nothing can be written.
        event(logger, "use_not_recorded", level=logging.WARNING)


async def take_file(route: Route, call: Call, held: AsyncExitStack) -> str:
    """Have the file of a call that may be made, and its hash; it goes with what is `held`."""
    # All that can refuse the call comes before its file: reading 25 MiB for nothing is costly.
    check_file_size(call.request, route.most_octets)
    if _is_keyed(route, call):
        await idempotency.require_room(call)
    if route.admit is not None:
        await held.enter_async_context(route.admit(call))
    if route.keeps_file:
        received = ReceivedFile(call.service.content.new_spool(new_content_id(call.now)))
        held.callback(received.end)
        await received.read(call.request, route.most_octets)
        call.received = received
        return received.sha256.hex()
    call.file = held.enter_context(temporary_file())
    return await spool(call.request, call.file)


async def permitted(
    match: Match, route: Route, call: Call, given: RawInput, digest: str = ""
) -> Response:
    """The answer, once it is known that this caller may ask for it; `digest` is of its file."""
    if route.permit is not None:
        route.permit(call)
    # Before `inbox_id` is taken out: the same key for another inbox is not the same call.
    content = (given.asked, {**given.body}, digest)
    take_inbox_of_body(route, call, given)
    if not _is_keyed(route, call):
        return await validated(match, route, call, given)
    return await idempotency.once(
        route, call, content, lambda once: validated(match, route, once, given)
    )


def _is_keyed(route: Route, call: Call) -> bool:
    return call.key is not None and idempotency.takes_key(route)


def _route(match: Match, method: str) -> Route:
    route = match.routes.get("GET" if method == "HEAD" else method)
    if route is None:
        raise Problem(
            405,
            "method_not_allowed",
            "This path does not accept this method.",
            headers={"Allow": match.allow},
        )
    return route


def _log(problem: Problem, request_id: str, error: Exception) -> None:
    if problem.status == 500:
        logger.error("http_error", exc_info=error, extra={"pairs": {"request": request_id}})
    elif problem.status == 503:
        event(logger, "http_deferred", level=logging.WARNING, request=request_id, cause=str(error))
