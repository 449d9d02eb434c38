"""The catalogue of events: each type, its body, and the terms under which a tenant may have it.

- An event's body is `{type, timestamp, data}`; `data` holds ids only: the inbox that is notified
  and the objects that the event is about. No subject, no name, no text.
- `Terms` are the plan and governance that reading such an object needs. They are checked whenever
  an event leaves: when a credential reads, when an event is routed, and again right before it is
  sent or made a task. After a downgrade nothing is sent.
- Schema and example of a type are made from the same line as its bodies.
- A new type needs a line here, a line in `admin_api.access.event_access`, and the code that records
  it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.accounts.tenants import GOVERNANCE, PLANS, reaches
from storage.clock import rfc3339
from storage.database import Tx
from storage.events.log import Event
from storage.ids import to_text


@dataclass(frozen=True, slots=True)
class Terms:
    """A plan and a governance: those of a tenant, or the least that something needs."""

    plan: str = "free"
    governance: str = "none"

    def cover(self, needed: Terms) -> bool:
        """Whether a tenant with these terms may use something that needs `needed`."""
        return reaches(PLANS, self.plan, needed.plan) and reaches(
            GOVERNANCE, self.governance, needed.governance
        )


_ANY = Terms()
_STARTUP = Terms(plan="startup")
_GOVERNED = Terms(governance="token_controls")


def needs_of(event_type: str) -> Terms:
    """Return the plan and governance a tenant needs to get events of this type."""
    kind = EVENT_TYPES.get(event_type)
    return kind.terms if kind else _ANY


async def terms_of(tx: Tx, *, tenant_id: bytes) -> Terms:
    """Return the tenant's present plan and governance."""
    row = await tx.fetch_one(
        "SELECT plan, governance FROM tenants WHERE tenant_id = :tenant_id",
        {"tenant_id": tenant_id},
    )
    return Terms(row["plan"], row["governance"]) if row else _ANY


Json = dict[str, object]

_PREFIXES = {
    "inbox_id": "inb",
    "message_id": "msg",
    "message_ids": "msg",
    "thread_id": "thr",
    "note_id": "note",
    "task_id": "task",
    "list_id": "lst",
    "contact_id": "ctc",
    "share_id": "shr",
    "approval_id": "apr",
    "by_inbox_id": "inb",
}
_MEANINGS = {
    "inbox_id": "The notified inbox.",
    "by_inbox_id": "The inbox that acted.",
    "message_ids": "The messages whose copies in this inbox changed; read what they are now.",
}
_MOST_IDS = 500
_EXAMPLE_ID = bytes.fromhex("019e0d2fb2a417a5ebe09f1d4ad18a0d")
_EXAMPLE_TIME = 1_795_253_400_000_000


@dataclass(frozen=True, slots=True)
class EventType:
    """One type. `data` names the ids beside `inbox_id`; of them `optional` may be null. A name that
    ends in `_ids` has several.
    """

    name: str
    description: str
    data: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    terms: Terms = _ANY

    @property
    def schema(self) -> Json:
        """The JSON Schema (2020-12) of a body; no other fields are allowed."""
        ids = {name: self._id_schema(name) for name in ("inbox_id", *self.data)}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **_object(
                {
                    "type": {"const": self.name},
                    "timestamp": {"type": "string", "format": "date-time", "pattern": _TIME},
                    "data": _object(ids),
                }
            ),
        }

    def _id_schema(self, name: str) -> Json:
        schema: Json = {
            "type": ["string", "null"] if name in self.optional else "string",
            "pattern": f"^{_PREFIXES[name]}_[0-9a-hjkmnp-tv-z]{{26}}$",
        }
        if _is_several(name):
            schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": _MOST_IDS}
        return schema | ({"description": _MEANINGS[name]} if name in _MEANINGS else {})

    @property
    def example(self) -> Json:
        """A body as it is sent."""
        ids: Json = {}
        for name in ("inbox_id", *self.data):
            one = to_text(_PREFIXES[name], _EXAMPLE_ID)
            ids[name] = [one] if _is_several(name) else one
        return {"type": self.name, "timestamp": rfc3339(_EXAMPLE_TIME), "data": ids}


def _is_several(name: str) -> bool:
    return name.endswith("_ids")


_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def _object(properties: Mapping[str, object]) -> Json:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*properties],
        "additionalProperties": False,
    }


_BY = ("by_inbox_id",)
_NOBODY = frozenset(_BY)
_THREAD = ("thread_id", *_BY)
_NOTE = ("thread_id", "note_id", *_BY)
_TASK = ("task_id", *_THREAD)

EVENT_TYPES: Mapping[str, EventType] = {
    each.name: each
    for each in (
        EventType(
            "message.received",
            "The inbox got a copy of a message.",
            ("message_id", "thread_id"),
        ),
        EventType(
            "message.changed",
            "Marks or folder of the inbox's own copies were changed, or copies deleted.",
            ("message_ids",),
        ),
        EventType(
            "message.checked",
            "It was found out who wrote a message of which the inbox holds a copy, or the verdict"
            " has changed since.",
            ("message_id", "thread_id"),
        ),
        EventType(
            "message.sent",
            "A letter of which the inbox holds a copy is on its way to the smarthost.",
            ("message_id", "thread_id", *_BY),
        ),
        EventType(
            "message.bounced",
            "A report came back about a letter: it was not delivered to somebody, or not yet. The"
            " inbox holds the report.",
            ("message_id", "thread_id"),
        ),
        EventType("thread.assigned", "The inbox was assigned a thread.", _THREAD),
        EventType(
            "thread.unassigned",
            "A thread of which the inbox was the assignee was taken from it.",
            _THREAD,
        ),
        EventType(
            "thread.note_added", "A note that the inbox sees was written.", _NOTE, terms=_STARTUP
        ),
        EventType("thread.mentioned", "A note mentions the inbox.", _NOTE, terms=_STARTUP),
        EventType("thread.closed", "A thread that the inbox sees was closed.", _THREAD),
        EventType(
            "thread.reopened",
            "A thread that the inbox sees was reopened; by nobody when a message did it.",
            _THREAD,
            _NOBODY,
        ),
        EventType(
            "contact.share_received",
            "The inbox was offered a card, or asked for one.",
            ("share_id", *_BY),
            terms=_STARTUP,
        ),
        EventType(
            "contact.share_resolved",
            "A share of the inbox was accepted, declined or withdrawn, or it expired (by nobody).",
            ("share_id", *_BY),
            _NOBODY,
            terms=_STARTUP,
        ),
        EventType(
            "contact.handoff_received",
            "A card was handed over to the inbox; the id is that of its own card.",
            ("contact_id", *_BY),
        ),
        EventType(
            "task.created",
            "The inbox has a new task.",
            _TASK,
            _NOBODY | {"thread_id"},
        ),
        EventType(
            "task.completed",
            "A task of the inbox was completed, by itself or with its subject.",
            _TASK,
            _NOBODY | {"thread_id"},
        ),
        EventType(
            "approval.requested",
            "A token of the inbox wants to send a letter, and a person has to approve it.",
            ("approval_id", "thread_id"),
        ),
        EventType(
            "approval.resolved",
            "A letter of a token was approved or rejected, or waited too long and was dropped.",
            ("approval_id", "thread_id"),
        ),
        EventType(
            "list.member_added",
            "The inbox became a member of a distribution list.",
            ("list_id",),
            terms=_GOVERNED,
        ),
        EventType(
            "list.member_removed",
            "The inbox is no longer a member of a distribution list.",
            ("list_id",),
            terms=_GOVERNED,
        ),
    )
}


def body_of(event: Event, inbox_id: bytes) -> Json:
    """Build the body of an event for `inbox_id`: ids, inbox and time."""
    data: Json = {"inbox_id": to_text("inb", inbox_id)}
    for name in EVENT_TYPES[event.type].data:
        raw: bytes | tuple[bytes, ...] | None = getattr(event, name)
        if isinstance(raw, tuple):
            data[name] = [to_text(_PREFIXES[name], one) for one in raw]
        else:
            data[name] = None if raw is None else to_text(_PREFIXES[name], raw)
    return {"type": event.type, "timestamp": rfc3339(event.created_at), "data": data}


def event_record(event: Event, inbox_id: bytes) -> Json:
    """Build the body with the event's id, for lists."""
    return {"event_id": to_text("evt", event.event_id), **body_of(event, inbox_id)}
