"""ETag and If-Match (RFC 9110 8.8.3, 13.1.1): no client overwrites a state it has not seen.

- A GET whose path ends in a parameter shows a single resource and carries its tag: of the body, or
  of the version that the route declares, where the body needs more than the store.
- PATCH and DELETE of such a path compare in the transaction of the change. Without a GET of the
  resource there is no tag, and only `*` matches. A route may refuse a change without a condition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson
from starlette.requests import Request
from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.call.router import Match, Route
from admin_api.call.store_wrappers import HookedDatabase, JoinedTransaction
from admin_api.http.problems import Problem
from admin_api.http.records import Record
from storage.database import Tx

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition of If-Match: one of `tags`, or (None) that the resource exists."""

    tags: frozenset[str] | None

    def holds(self, tag: str | None) -> bool:
        return self.tags is None or tag in self.tags


def sent_with(request: Request) -> str | None:
    """Return the value of If-Match, all of its fields in one; None where there is none."""
    given = request.headers.getlist("if-match")
    return ",".join(given) if given else None


def condition_of(call: Call, route: Route) -> Condition | None:
    """Return the condition of a change."""
    return condition_sent(call) if route.method in ("PATCH", "DELETE") else None


def condition_sent(call: Call) -> Condition | None:
    """Return the condition of If-Match, whatever the call; weak tags never match."""
    if call.condition is None:
        return None
    if call.condition.strip() == "*":
        return Condition(None)
    # RFC 9110 13.1.1: If-Match uses the strong comparison.
    return Condition(frozenset(tag for weak, tag in _TAG.findall(call.condition) if not weak))


def shown_by(match: Match) -> Route | None:
    """Return the route that shows the single resource of a path, if there is one."""
    route = match.routes.get("GET")
    return route if route is not None and route.path.endswith("}/") else None


def tag_of(version: object) -> str:
    """Return the tag of a representation: of its octets, or of its route's version."""
    if not isinstance(version, bytes):
        version = repr(version).encode("utf-8", "surrogateescape")
    return f'"{blake2b(version, digest_size=15).hexdigest()}"'


async def current_tag(tx: Tx, shown: Route, call: Call) -> str:
    """Return the tag that a GET would carry now. Raises as that would."""
    if shown.version is not None:
        return tag_of(await shown.version(tx, call))
    # In the transaction of the change: nobody can write between the comparison and the change.
    look = replace(call, store=JoinedTransaction(tx), query=shown.parameters(), body=None)
    response = await shown.handler(look)
    return tag_of(bytes(response.body))


async def require(tx: Tx, condition: Condition, shown: Route | None, call: Call) -> None:
    """Raises Problem 412 when the condition does not hold."""
    tag = await current_tag(tx, shown, call) if shown and condition.tags is not None else None
    if not condition.holds(tag):
        told = await shown.changed(tx, call) if shown and shown.changed else None
        raise precondition_failed(told)


def precondition_failed(told: Record | None = None) -> Problem:
    """Build 412; with `told`, who made the change."""
    return Problem(412, "precondition_failed", "This has changed since it was read.", more=told)


def precondition_required() -> Problem:
    """Build 428: a change of something that several people write."""
    return Problem(428, "precondition_required", "This needs If-Match with the ETag that was read.")


def tag_new(route: Route, response: Response) -> None:
    """Add the tag of a resource that was made, where its route declares one."""
    if route.tag_of_new is not None and response.status_code == 201:
        response.headers["ETag"] = route.tag_of_new(orjson.loads(bytes(response.body)))


async def respond(route: Route, shown: Route | None, call: Call) -> Response:
    """Run the handler, and add the tag of the single resource it shows."""
    if route.method == "GET" and not call.tagged:
        return await route.handler(call)
    condition = condition_of(call, route)
    tags: list[str] = []
    if route is shown and route.version is not None:
        # Before the body is made: an older tag on a newer body costs a retry, not an update.
        tags.append(await call.database.read_quick(lambda tx: current_tag(tx, route, call)))

    async def before(tx: Tx) -> None:
        if condition is not None:
            await require(tx, condition, shown, call)

    async def after(tx: Tx) -> None:
        if shown is not None and shown.version is not None and route.method == "PATCH":
            # In the same transaction: a tag that is read later may be of somebody else's change.
            tags[:] = [await current_tag(tx, shown, call)]

    if route.method in ("PATCH", "DELETE"):
        response = await route.handler(
            replace(call, store=HookedDatabase(call.database, before, after))
        )
    else:
        response = await route.handler(call)
    tag_new(route, response)
    if shown is None or response.status_code != 200 or route.method not in ("GET", "PATCH"):
        return response
    if shown.version is None:
        tags.append(tag_of(bytes(response.body)))
    response.headers["ETag"] = tags[0]
    return response
