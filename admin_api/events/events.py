"""Events: the catalogue, an inbox's events of the last seven days, and the live stream.

- A caller gets the types it may read: without `types` the others are left out, a type that is asked
  for by name is refused.
- `after` is the id of the last event the client has (`admin_api.events.resume`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.access.event_access import ACCESS, readable_types
from admin_api.access.policy import check
from admin_api.call.call import Call
from admin_api.call.listening import claim_stream, listener_of
from admin_api.call.paging import Cursor, cursor_answer, position_of
from admin_api.events.resume import (
    EventId,
    locate_listing,
    locate_stream,
    place_of,
    query_of,
    resumed_place,
)
from admin_api.events.stream import Source, event_stream
from admin_api.http.payload import Limit, Parameters
from admin_api.http.responses import answer
from admin_api.http.strict_json import JsonValue
from admin_api.service.feed import Listener
from storage.database import Tx
from storage.errors import FieldFault
from storage.events.catalogue import EVENT_TYPES, event_record
from storage.events.log import Event, events_after, newest_event_id
from storage.mailbox.visibility import View


def _types(text: str) -> str:
    if not set(text.split(",")) <= EVENT_TYPES.keys():
        raise ValueError("must be some of the types at /v1/events/types/, with commas")
    return text


Types = Annotated[str, Field(max_length=1_000), AfterValidator(_types)]


class Listing(Parameters):
    """The events to list, and the page of them."""

    after: EventId | None = None
    types: Types | None = None
    limit: Limit = 50
    cursor: Cursor | None = None

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        if "after" in given and "cursor" in given:
            yield FieldFault("after", "must not be given together with cursor")


async def list_event_types(call: Call) -> Response:
    """GET /v1/events/types/: all types, with the schema and an example of each."""
    return answer(
        [
            {
                "type": kind.name,
                "description": kind.description,
                "scopes": [*ACCESS[kind.name].scopes],
                "schema": kind.schema,
                "example": kind.example,
            }
            for kind in EVENT_TYPES.values()
        ]
    )


async def list_events(call: Call) -> Response:
    """GET /v1/events/: the events visible to the acting inbox, oldest first."""
    wanted = call.parameters(Listing)
    types = _wanted_types(call, wanted.types)
    after = position_of(wanted.cursor) or place_of(wanted.after)

    async def work(tx: Tx) -> tuple[list[Event], bytes]:
        view = View(call.tenant_id, await locate_listing(tx, call), call.now)
        limit = wanted.limit + 1
        found = await events_after(tx, view=view, after=after, limit=limit, types=types)
        return found, view.inbox_id

    found, inbox_id = await call.database.read(work)
    record = partial(event_record, inbox_id=inbox_id)
    return cursor_answer(found, wanted.limit, record, lambda event: event.event_id)


class Live(Parameters):
    """The types of a stream, and the event behind which it begins; without one it begins now."""

    after: EventId | None = None
    types: Types | None = None


async def stream_events(call: Call) -> Response:
    """GET /v1/events/stream/: the same events as they happen, as server-sent events."""
    wanted = call.parameters(Live)
    types = _wanted_types(call, wanted.types)
    # The header first: a browser that reconnects repeats its URL, with the first `after`.
    after = resumed_place(call) or place_of(wanted.after)
    feed = call.service.feed

    async def work(tx: Tx) -> tuple[Listener, bytes]:
        view = View(call.tenant_id, await locate_stream(tx, call), call.now)
        listener = await listener_of(tx, call, inbox_id=view.inbox_id, types=types)
        return listener, after if after is not None else await newest_event_id(
            tx, tenant_id=call.tenant_id
        )

    listener, begin = await call.database.read(work)
    claim_stream(call, listener)
    return event_stream(Source(feed, call.database, call.service.clock, listener, begin))


def permit_types(call: Call) -> None:
    """Raises Problem 403 for a type that is asked for by name and may not be read."""
    named = query_of(call).get("types")
    if isinstance(named, str):
        for name in sorted(EVENT_TYPES.keys() & set(named.split(","))):
            check(ACCESS[name], call.caller)


def _wanted_types(call: Call, named: str | None) -> frozenset[str]:
    """Return the types to send: those asked for (`permit_types`), or all the caller may read."""
    return readable_types(call.caller) if named is None else frozenset(named.split(","))
