"""Asking the API in process: a page has what its calls answer, and no rights or queries beside it.

- A call made here goes the API's own way behind the credential: access, permit, acting inbox,
  validation, If-Match, Idempotency-Key, audit entry. It raises what the API would answer.
- All calls of a page share its trail: one audit entry a page that looks into another's inbox.
- `snapshot` lets several calls that read see one state of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from admin_api.access import policy
from admin_api.call.call import Call, may_act_for, named_inbox
from admin_api.call.dispatch import permitted, take_file
from admin_api.call.router import Match, Route, Router
from admin_api.call.store_wrappers import JoinedTransaction, of_caller
from admin_api.call.validation import RawInput, take_inbox_of_query
from admin_api.http.body import check_file_type
from admin_api.http.problems import MEDIA_TYPE, Problem
from admin_api.http.responses import Answer
from admin_api.http.strict_json import JsonValue
from storage.database import CountedCommits, Tx
from storage.errors import FieldFault, NotFound

T = TypeVar("T")
# The route table of the API, in the scope of each request of the page.
API = "postroom.api"


class Asked(TypedDict, total=False):
    """How a call is made: `condition` is If-Match, `key` the Idempotency-Key.

    A tag costs another look at the store: it is made where it is asked for (`tagged`).
    """

    inbox: str | None
    query: Mapping[str, str] | None
    body: Mapping[str, JsonValue] | None
    condition: str | None
    key: str | None
    tagged: bool


async def ask(call: Call, method: str, path: str, **asked: Unpack[Asked]) -> Any:  # noqa: ANN401
    """Return the record that the API answers, None for 204. Raises as the API would answer.

    `path` is percent-encoded (`path_of`).
    """
    return _record(await response_of(call, method, path, **asked))


async def ask_with_tag(
    call: Call, method: str, path: str, **asked: Unpack[Asked]
) -> tuple[Any, str | None]:
    """Return the record and its ETag. Raises as `ask`."""
    asked["tagged"] = True
    response = await response_of(call, method, path, **asked)
    return _record(response), response.headers.get("ETag")


async def response_of(call: Call, method: str, path: str, **asked: Unpack[Asked]) -> Response:
    """Return the API's own response, for files and raw messages. Raises as `ask`."""
    match, route, inner, given = _prepared(call, method, path, asked)
    return await permitted(match, route, inner, given)


async def upload(call: Call, path: str, *, inbox: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Hand the body of this request on to a call of the API that takes a file; what it answers."""
    match, route, inner, given = _prepared(call, "POST", path, {"inbox": inbox, "query": query})
    check_file_type(inner.request, route.takes_file)
    async with AsyncExitStack() as held:
        digest = await take_file(route, inner, held)
        return _record(await permitted(match, route, inner, given, digest))


def _prepared(
    call: Call, method: str, path: str, asked: Asked
) -> tuple[Match, Route, Call, RawInput]:
    """A call of the API that may be made, and what it is given. Raises as `ask`."""
    router = call.request.scope[API]
    assert isinstance(router, Router)
    match = router.match(path.encode("ascii"))
    assert match is not None and method in match.routes, f"no route: {method} {path}"
    route, inbox, body = match.routes[method], asked.get("inbox"), dict(asked.get("body") or {})
    named = dict(asked.get("query") or {}) | ({"inbox_id": inbox} if inbox is not None else {})
    inner = replace(
        call,
        request=_request(call, method, path, named),
        arguments=match.arguments,
        inbox_names=(),
        sent=body,
        body=None,
        query=None,
        condition=asked.get("condition"),
        key=asked.get("key"),
        store=_store(call, route),
        tagged=asked.get("tagged", False),
    )
    # The page table has no access rules: each call meets the rule of its own route here.
    policy.check(route.access, inner.caller)
    given = RawInput({**named}, {**named}, body, [])
    take_inbox_of_query(route, inner, given)
    return match, route, inner, given


def _store(call: Call, route: Route) -> CountedCommits | None:
    """Return the store for a call of the API: in a transaction that one, else as it may write."""
    if isinstance(call.store, JoinedTransaction):
        return call.store
    service = call.service
    return of_caller(service.store, service.commits, call.caller, of_tenant=route.of_tenant)


async def snapshot(
    call: Call, work: Callable[[Call], Coroutine[Any, Any, T]], *, inbox: str | None = None
) -> T:
    """Run `work`, whose asks read one state of the store: it waits for nothing but its asks.

    A look into another's `inbox` is on record: there it is the writer's transaction.
    """

    async def read(tx: Tx) -> tuple[bool, T | None]:
        if inbox is not None and await _is_foreign(tx, call, inbox):
            return False, None
        return True, await work(replace(call, store=JoinedTransaction(tx)))

    is_done, result = await call.database.read(read)
    if is_done:
        return result  # type: ignore[return-value]  # what `work` returned
    return await call.database.write(lambda tx: work(replace(call, store=JoinedTransaction(tx))))


async def optional(asked: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
    """Return a record; None where the plan does not reach or nothing is there."""
    try:
        return await asked
    except NotFound:
        return None
    except Problem as problem:
        if problem.status == 404 or problem.code in ("plan_required", "governance_required"):
            return None
        raise


async def members_of(call: Call, list_id: str) -> dict[str, str]:
    """Return who is on a list, and since when; nobody where the plan shows none, or it is gone."""
    path = path_of("/v1/distribution-lists/{}/members/", list_id)
    found = await optional(ask(call, "GET", path)) or []
    return {one["inbox_id"]: one["added_at"] for one in found}


async def with_counts(
    call: Call, work: Callable[[Call], Coroutine[Any, Any, T]], *, inbox: str
) -> tuple[T, Mapping[str, Any]]:
    """Return what `work` finds in a snapshot, and what waits for the inbox, counted beside it.

    Two readers together take as long as the slower one; counts that are kept need none.
    """

    async def counts(inner: Call) -> Mapping[str, Any]:
        return await ask(inner, "GET", path_of("/v1/inboxes/{}/counts/", inbox))  # type: ignore[no-any-return]

    async def both(inner: Call) -> tuple[T, Mapping[str, Any]]:
        return await work(inner), await counts(inner)

    if not await is_own(call, inbox):  # a look on record is one transaction
        return await snapshot(call, both, inbox=inbox)
    counting = asyncio.ensure_future(counts(call))
    try:
        found = await snapshot(call, work)
    finally:
        await asyncio.wait([counting])  # also when the work is refused: nothing runs on
    return found, await counting


async def is_own(call: Call, name: str) -> bool:
    """Whether an inbox is the caller's own: a look into it leaves no record."""
    found = await call.database.read_quick(
        lambda tx: named_inbox(tx, tenant_id=call.tenant_id, name=name)
    )
    return found is not None and found.owner_user_id == call.user_id


async def _is_foreign(tx: Tx, call: Call, name: str) -> bool:
    found = await named_inbox(tx, tenant_id=call.tenant_id, name=name)
    if found is None or not may_act_for(call.caller, found):
        return False
    return found.owner_user_id != call.user_id


def path_of(template: str, *segments: str) -> str:
    """Return a path of the API: each `{}` of the template is one of the segments, encoded.

    Raises NotFound for an empty one: a form may leave out the id of what it is about.
    """
    if not all(segments):
        raise NotFound("an empty id")
    return template.format(*(quote(segment, safe="") for segment in segments))


def _request(call: Call, method: str, path: str, query: Mapping[str, str]) -> Request:
    """The request as a client of the API would send it; the client itself stays the same."""
    scope = dict(call.request.scope) | {
        "method": method,
        "path": path,
        "raw_path": path.encode("ascii"),
        "query_string": urlencode(query).encode("ascii"),
    }
    return Request(scope, call.request.receive)


def _record(response: Response) -> Any:  # noqa: ANN401
    """The record of a response. Raises Problem for a refusal that a key brought back."""
    if isinstance(response, Answer):
        return response.record
    body = bytes(response.body)
    document: Any = orjson.loads(body) if body else None
    if response.media_type != MEDIA_TYPE:
        return document
    faults = [FieldFault(one["field"], one["message"]) for one in document.get("errors", ())]
    raise Problem(document["status"], document["code"], document["detail"], faults=faults)
