"""Resume positions of clients: `after`, a cursor, or the header `Last-Event-ID`.

- A position older than the stored events is refused, so that no client takes a gap for silence; so
  is one that was never given, behind which new events would be missed.
- A browser that reconnects by itself sends the header beside its first URL: the header wins.
- Faults of positions are reported together with all other faults of a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from admin_api.call.call import Call, acting_inbox
from admin_api.call.paging import position_of
from admin_api.http.payload import read_query
from admin_api.http.strict_json import JsonValue
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.events.log import is_kept, was_given
from storage.ids import from_text

LAST_EVENT_ID = "Last-Event-ID"
_NONE = "must be the id of an event"


def _event_id(text: str) -> str:
    if from_text("evt", text) is None:
        raise ValueError(_NONE)
    return text


EventId = Annotated[str, Field(max_length=40), AfterValidator(_event_id)]


def place_of(event_id: str | None) -> bytes | None:
    """Return the position of an id; None without one, or for a malformed one."""
    return from_text("evt", event_id) if event_id else None


def resumed_place(call: Call) -> bytes | None:
    """Return the position in the header."""
    return place_of(call.request.headers.get(LAST_EVENT_ID))


def query_of(call: Call) -> Mapping[str, JsonValue]:
    """Return the parameters as they came, before validation."""
    return read_query(call.request.scope["query_string"])[0]


async def locate_listing(tx: Tx, call: Call) -> bytes:
    """Return the acting inbox. Raises as `acting_inbox`, and Invalid for bad positions."""
    inbox_id = await acting_inbox(tx, call)
    _refuse(await _faults_of_query(tx, call))
    return inbox_id


async def locate_stream(tx: Tx, call: Call) -> bytes:
    """The same, with the header."""
    inbox_id = await acting_inbox(tx, call)
    faults = await _faults_of_query(tx, call)
    header = call.request.headers.get(LAST_EVENT_ID)
    if header and (place := resumed_place(call)) is None:
        faults.append(FieldFault(LAST_EVENT_ID, _NONE))
    elif header:
        faults += await _faults(tx, call, LAST_EVENT_ID, place)
    _refuse(faults)
    return inbox_id


async def _faults_of_query(tx: Tx, call: Call) -> list[FieldFault]:
    """Return the faults of well-formed positions; the model reports malformed ones."""
    given = query_of(call)
    after, cursor = given.get("after"), given.get("cursor")
    faults = []
    if isinstance(after, str):
        faults += await _faults(tx, call, "after", place_of(after))
    if isinstance(cursor, str):
        faults += await _faults(tx, call, "cursor", _position_of(cursor))
    return faults


def _position_of(cursor: str) -> bytes | None:
    try:
        return position_of(cursor)
    except Invalid:
        return None


async def _faults(tx: Tx, call: Call, field: str, place: bytes | None) -> list[FieldFault]:
    if place is None:
        return []
    # Behind an id of the future a client would miss all events until then.
    if not await was_given(tx, tenant_id=call.tenant_id, event_id=place):
        return [FieldFault(field, _NONE)]
    if not is_kept(place, now=call.now):
        return [FieldFault(field, "is older than the stored events", "position_expired")]
    return []


def _refuse(faults: list[FieldFault]) -> None:
    if faults:
        raise Invalid(*faults)
