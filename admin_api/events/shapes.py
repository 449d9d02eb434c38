"""Response shapes of event types, events and their pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from admin_api.http.shapes import Answer, Cursor, Described, EventId, Scope, Time
from storage.events.catalogue import EVENT_TYPES, Json

_EXAMPLE = EVENT_TYPES["message.received"]
Type = Annotated[str, Field(json_schema_extra={"enum": [*EVENT_TYPES]}, examples=[_EXAMPLE.name])]


class EventTypeRecord(Answer):
    """A type of event: `schema` is that of a body, as JSON Schema 2020-12."""

    type: Type
    description: Annotated[str, Field(examples=[_EXAMPLE.description])]
    scopes: list[Scope]
    schema_: Annotated[Json, Field(alias="schema", examples=[_EXAMPLE.schema])]
    example: Annotated[Json, Field(examples=[_EXAMPLE.example])]


class EventRecord(Answer):
    """One event: its id, and the body that a webhook is sent. `data` holds ids."""

    event_id: EventId
    type: Type
    timestamp: Time
    data: Annotated[dict[str, str | list[str] | None], Field(examples=[_EXAMPLE.example["data"]])]


class EventPage(Answer):
    """Events, oldest first."""

    results: list[EventRecord]
    cursor: Cursor | None


DESCRIBED: dict[str, Described] = {
    "GET /v1/events/types/": Described(EventTypeRecord, many=True),
    "GET /v1/events/": Described(
        EventPage,
        refusals=("plan_required", "governance_required"),
        faults=("position_expired",),
    ),
    "GET /v1/events/stream/": Described(
        media_type="text/event-stream",
        refusals=("plan_required", "governance_required"),
        faults=("position_expired",),
    ),
}
