"""Reading the event log: the events of an inbox, and the inboxes of an event.

- Within a tenant, ids become visible in their order: one writer at a time gives them and commits.
  So a reader that has read a tenant's events up to an id has missed nothing of them below it
  (`storage.cursors`).
- `message.received` goes to each inbox with a copy of the message. An event addressed to an inbox
  goes to that inbox; one about a message while it holds a copy. Of the rest, a note goes to the
  inboxes that see the note, an act on a thread to those that see the act and still see the thread
  (`storage.mailbox.visibility`).
- Visibility is checked at reading: an inbox whose copy is deleted, or which no longer sees the
  note, does not get the event. Neither does anybody for a task, a card, an offer or a list that is
  deleted since; only the event of its end is delivered. An inbox hears what it did
  to its own copies, whether or not they are there still.
- Events are delivered for seven days.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from storage import cursors
from storage.clock import DAY, SECOND
from storage.database import Row, Tx
from storage.ids import id_or_none, lowest_at
from storage.index.copy_index import from_clauses
from storage.index.query import FOLDERS
from storage.mailbox.visibility import VISIBLE, VISIBLE_ACT, VISIBLE_NOTE, View
from storage.sql import chunks, in_list

KEPT = 7 * DAY
RECEIVED = "message.received"
# Not a type of the catalogue: what a page is told of assignments that are not its inbox's own.
WATCHED = "thread.watched"
_ASSIGNMENTS = frozenset({"thread.assigned", "thread.unassigned"})
OF_THREADS = frozenset({"thread.note_added", "thread.closed", "thread.reopened"})

_LAST = b"\xff" * 16
# A message and its event get their ids in one transaction, and none takes that long.
_LONGEST_TRANSACTION = 10 * SECOND
_AT_ONCE = 500
_FEW = 32


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event.

    `inbox_id` is the inbox it is addressed to; `by_inbox_id` the one that acted.
    """

    event_id: bytes
    tenant_id: bytes
    type: str
    inbox_id: bytes | None
    message_id: bytes | None
    thread_id: bytes | None
    list_id: bytes | None
    note_id: bytes | None
    task_id: bytes | None
    contact_id: bytes | None
    share_id: bytes | None
    by_inbox_id: bytes | None
    created_at: int
    message_ids: tuple[bytes, ...] = ()
    approval_id: bytes | None = None


def is_kept(event_id: bytes, *, now: int) -> bool:
    """Whether all events behind this id are still stored."""
    return event_id >= lowest_at(now - KEPT)


async def newest_event_id(tx: Tx, *, tenant_id: bytes) -> bytes:
    """Return an id that no later event of the tenant is below; empty when there is none yet."""
    row = await tx.fetch_one(
        f"""
        SELECT e.event_id FROM events e WHERE {cursors.in_partition(tx, "e.tenant_id")}
        ORDER BY e.event_id DESC LIMIT 1
        """,
        {"part": tenant_id},
    )
    return bytes(row["event_id"]) if row else b""


async def was_given(tx: Tx, *, tenant_id: bytes, event_id: bytes) -> bool:
    """Whether the store has given this id, or a later one, in this tenant."""
    row = await tx.fetch_one(_LAST_GIVEN, {"tenant_id": tenant_id})
    return row is not None and event_id < lowest_at(int(row["value"]) + 1)


_LAST_GIVEN = """
    SELECT MAX(value) AS value FROM (
        SELECT value FROM store_state WHERE name = 'last_id'
        UNION ALL SELECT value FROM tenant_floors WHERE tenant_id = :tenant_id) AS given
"""


class NewEvents(NamedTuple):
    """Events, oldest first. `after` tells how far each partition was read; `more`: not to its end.

    A partition is a tenant, or `cursors.WHOLE`.
    """

    events: Sequence[Event]
    after: Mapping[bytes, bytes]
    more: bool


async def new_events(tx: Tx, *, after: Mapping[bytes, bytes], limit: int) -> NewEvents:
    """Return some events of these tenants, or of the whole store, each behind its id."""
    if not after:
        return NewEvents((), after, False)
    if tx.dialect["engine"] == "postgres" and cursors.WHOLE not in after:
        rows = await tx.fetch_all(_NEW_OF_TENANTS, {**cursors.spans(after), "n": limit})
        events = [_event(row) for row in rows]
        ends = {event.tenant_id: event.event_id for event in events}
        return NewEvents(events, {**after, **ends}, len(rows) == limit)
    # Where there is one writer, all events are in one order, and read by it.
    rows = await tx.fetch_all(_NEW, {"after": min(after.values()), "n": limit})
    events = [_event(row) for row in rows]
    if events:
        end = events[-1].event_id
        read = {part: max(position, end) for part, position in after.items()}
    else:
        read = {**after}
    return NewEvents(
        [event for event in events if _is_behind(event, after)], read, len(rows) == limit
    )


def _is_behind(event: Event, after: Mapping[bytes, bytes]) -> bool:
    position = after.get(event.tenant_id, after.get(cursors.WHOLE))
    return position is not None and event.event_id > position


async def find_events(tx: Tx, *, event_ids: Collection[bytes]) -> dict[bytes, Event]:
    """Return those of these events that still exist, by id."""
    found: dict[bytes, Event] = {}
    for some in chunks(sorted(event_ids), _AT_ONCE):
        chosen, names = in_list(some)
        rows = await tx.fetch_all(
            f"SELECT {_COLUMNS} FROM events e WHERE e.event_id IN ({chosen})", names
        )
        found |= {bytes(row["event_id"]): _event(row) for row in rows}
    return found


async def events_after(
    tx: Tx,
    *,
    view: View,
    after: bytes | None,
    limit: int,
    types: Collection[str],
    until: bytes = _LAST,
) -> list[Event]:
    """Return at most `limit` events of these types that are visible to the viewer, oldest first.

    Only those behind the id `after` and up to the id `until`.
    """
    span = {
        **view.params,
        "after": max(after or b"", lowest_at(view.now - KEPT)),
        "until": until,
        "limit": limit,
    }
    found = await _of_mail(tx, span) if RECEIVED in types else []
    of_threads = OF_THREADS.intersection(types)
    found += await _told(tx, _OF_THREADS, of_threads, span)
    found += await _told(tx, _ADDRESSED, set(types) - of_threads - {RECEIVED}, span)
    return sorted(found, key=lambda event: event.event_id)[:limit]


async def _of_mail(tx: Tx, span: dict[str, object]) -> list[Event]:
    after = span["after"]
    assert isinstance(after, bytes)
    since = int.from_bytes(after[:8], "big") - _LONGEST_TRANSACTION
    named = {**span, "since": lowest_at(since)}
    return [
        _event(row)
        for source in from_clauses(tx, above="since")
        for row in await tx.fetch_all(_OF_MAIL.format(source), named)
    ]


async def _told(
    tx: Tx, statement: str, types: Collection[str], span: dict[str, object]
) -> list[Event]:
    if not types:
        return []
    names = {f"type{number}": kind for number, kind in enumerate(sorted(types))}
    chosen = ", ".join(f":{name}" for name in names)
    rows = await tx.fetch_all(statement.format(chosen), {**span, **names})
    return [_event(row) for row in rows]


async def audience(
    tx: Tx, *, events: Sequence[Event], among: Collection[bytes], now: int
) -> list[tuple[Event, bytes]]:
    """Return each event with those of these inboxes that may see it now; in order of events."""
    listening = set(among)
    holders = await _holders(
        tx,
        [event.message_id for event in events if event.message_id and event.type == RECEIVED],
        listening,
    )
    pairs: list[tuple[Event, bytes]] = []
    for event in events:
        if event.type == RECEIVED:
            told = holders.get(event.message_id or b"", [])
        elif event.inbox_id is None:
            told = await _who_sees(tx, event, listening, now)
        else:
            told = await _who_sees(tx, event, listening & {event.inbox_id}, now)
        pairs += [(event, inbox_id) for inbox_id in told]
    return pairs


async def onlookers(
    tx: Tx, *, events: Sequence[Event], among: Collection[bytes], now: int
) -> list[tuple[Event, bytes]]:
    """Return each assignment, as `WATCHED`, with those of these inboxes that see it now.

    The assignee hears of it as an event; the others who see the thread see its history change.
    """
    pairs: list[tuple[Event, bytes]] = []
    for event in events:
        if event.type not in _ASSIGNMENTS:
            continue
        watched = replace(event, type=WATCHED)
        told = await _who_sees(tx, event, set(among), now, _WHO_WATCHES)
        pairs += [(watched, inbox_id) for inbox_id in told]
    return pairs


async def is_told(tx: Tx, *, event: Event, inbox_id: bytes, now: int) -> bool:
    """Whether this inbox may see the event now."""
    return bool(await audience(tx, events=[event], among=[inbox_id], now=now))


async def _holders(
    tx: Tx, message_ids: Sequence[bytes], listening: set[bytes]
) -> dict[bytes, list[bytes]]:
    """Return for each message those of `listening` that hold a copy."""
    held: dict[bytes, list[bytes]] = {}
    if not listening:
        return held
    # A few are looked up by key; for many it is cheaper to read all holders of a copy.
    few, inboxes = in_list(sorted(listening)) if len(listening) <= _FEW else ("", {})
    narrowed = f" AND inbox_id IN ({few.replace(':in', ':box')})" if few else ""
    named = {name.replace("in", "box"): value for name, value in inboxes.items()}
    for some in chunks(message_ids, _AT_ONCE):
        chosen, names = in_list(some)
        for row in await tx.fetch_all(
            f"SELECT message_id, inbox_id FROM copies WHERE message_id IN ({chosen}){narrowed}",
            {**names, **named},
        ):
            inbox_id = bytes(row["inbox_id"])
            if inbox_id in listening:
                held.setdefault(bytes(row["message_id"]), []).append(inbox_id)
    return held


async def _who_sees(
    tx: Tx, event: Event, listening: set[bytes], now: int, statement: str | None = None
) -> list[bytes]:
    """Return those of `listening` that see the note or the act of the event."""
    told: list[bytes] = []
    for some in chunks(sorted(listening), _AT_ONCE):
        chosen, names = in_list(some)
        rows = await tx.fetch_all(
            (statement or _WHO_SEES).format(chosen),
            {**names, "event_id": event.event_id, "tenant_id": event.tenant_id, "now": now},
        )
        told += [bytes(row["inbox_id"]) for row in rows]
    return told


# A thread that was joined to another since is told of as that one.
_THREAD = """COALESCE((SELECT j.joined_to FROM threads j WHERE j.thread_id = e.thread_id),
    e.thread_id)"""
# Behind a wall (`storage.tenant_wall`) PostgreSQL looks nothing up by a COALESCE.
_LOOKED_UP = f"(SELECT {_THREAD})"
_COLUMNS = f"""e.event_id, e.tenant_id, e.type, e.inbox_id, e.message_id, {_THREAD} AS thread_id,
    e.list_id, e.note_id, e.task_id, e.contact_id, e.share_id, e.by_inbox_id, e.created_at,
    e.message_ids, e.approval_id"""

_NEW = f"SELECT {_COLUMNS} FROM events e WHERE e.event_id > :after ORDER BY e.event_id LIMIT :n"
_NEW_OF_TENANTS = f"""
    SELECT newer.* FROM {cursors.BEHIND} CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM events e
        WHERE e.tenant_id = w.part AND e.event_id > w.position
        ORDER BY e.event_id LIMIT :n) newer
    ORDER BY newer.event_id LIMIT :n
"""

_SEES_NOTE = f"EXISTS (SELECT 1 FROM notes n WHERE n.note_id = e.note_id AND {VISIBLE_NOTE})"
# An event of an act has the audience of the thread's history entry that still sees the thread.
_SEES_THREAD = f"""EXISTS (
    SELECT 1 FROM messages m
    WHERE m.thread_id = {_LOOKED_UP} AND m.tenant_id = :tenant_id AND {VISIBLE})"""
_ACT = VISIBLE_ACT.replace("h.entry_id", "e.event_id").replace("h.thread_id", _LOOKED_UP)
_SEES_ACT = re.sub(r"\bh\.", "e.", _ACT)
# A resolved share or an ended membership is still announced, although its row is deleted.
_SEES = f"""CASE
    WHEN e.message_id IS NOT NULL THEN EXISTS (
        SELECT 1 FROM copies c WHERE c.message_id = e.message_id AND c.inbox_id = :viewer)
    WHEN e.note_id IS NOT NULL THEN {_SEES_NOTE}
    WHEN e.task_id IS NOT NULL THEN EXISTS (
        SELECT 1 FROM tasks k WHERE k.task_id = e.task_id AND k.inbox_id = :viewer)
    WHEN e.approval_id IS NOT NULL THEN EXISTS (
        SELECT 1 FROM approvals p WHERE p.approval_id = e.approval_id AND p.inbox_id = :viewer)
    WHEN e.type = 'contact.share_received' THEN EXISTS (
        SELECT 1 FROM shares s WHERE s.share_id = e.share_id AND s.to_inbox_id = :viewer)
    WHEN e.contact_id IS NOT NULL THEN EXISTS (
        SELECT 1 FROM contacts o WHERE o.contact_id = e.contact_id AND o.inbox_id = :viewer)
    WHEN e.type = 'list.member_added' THEN EXISTS (
        SELECT 1 FROM lists l WHERE l.list_id = e.list_id)
    WHEN e.thread_id IS NOT NULL THEN {_SEES_THREAD} AND {_SEES_ACT}
    ELSE 1 = 1 END"""
_SPAN = "e.tenant_id = :tenant_id AND e.event_id > :after AND e.event_id <= :until"

# From the copies of one inbox, in the order of each folder. The CASE keeps a planner without
# statistics from reading the events of all inboxes instead.
_OF_MAIL = " UNION ALL ".join(
    f"""
    SELECT * FROM (
        SELECT {_COLUMNS} FROM {{0}} c CROSS JOIN events e
        WHERE c.inbox_id = :viewer AND c.folder = {folder} AND c.message_id > :since
          AND e.message_id = c.message_id AND e.message_id IS NOT NULL AND e.inbox_id IS NULL
          AND CASE WHEN e.type = '{RECEIVED}' AND {_SPAN} THEN 1 ELSE 0 END = 1
        ORDER BY c.message_id LIMIT :limit) AS folder{folder}
    """
    for folder in range(len(FOLDERS))
)
_ADDRESSED = f"""
    SELECT {_COLUMNS} FROM events e
    WHERE e.inbox_id = :viewer AND {_SPAN} AND e.type IN ({{}})
      AND {_SEES}
    ORDER BY e.event_id LIMIT :limit
"""
_OF_THREADS = f"""
    SELECT {_COLUMNS} FROM events e
    WHERE e.inbox_id IS NULL AND e.message_id IS NULL AND {_SPAN} AND e.type IN ({{}}) AND {_SEES}
    ORDER BY e.event_id LIMIT :limit
"""
_WHO_SEES = f"""
    SELECT v.inbox_id FROM events e JOIN inboxes v ON v.tenant_id = e.tenant_id
    WHERE e.event_id = :event_id AND v.deleted_at IS NULL AND v.inbox_id IN ({{}})
      AND (e.inbox_id IS NULL OR e.inbox_id = v.inbox_id)
      AND {_SEES.replace(":viewer", "v.inbox_id")}
"""


_WHO_WATCHES = f"""
    SELECT v.inbox_id FROM events e JOIN inboxes v ON v.tenant_id = e.tenant_id
    WHERE e.event_id = :event_id AND v.deleted_at IS NULL AND v.inbox_id IN ({{}})
      AND {f"{_SEES_THREAD} AND {_SEES_ACT}".replace(":viewer", "v.inbox_id")}
"""


def _event(row: Row) -> Event:
    return Event(
        bytes(row["event_id"]),
        bytes(row["tenant_id"]),
        row["type"],
        id_or_none(row["inbox_id"]),
        id_or_none(row["message_id"]),
        id_or_none(row["thread_id"]),
        id_or_none(row["list_id"]),
        id_or_none(row["note_id"]),
        id_or_none(row["task_id"]),
        id_or_none(row["contact_id"]),
        id_or_none(row["share_id"]),
        id_or_none(row["by_inbox_id"]),
        row["created_at"],
        _ids(row["message_ids"]),
        id_or_none(row["approval_id"]),
    )


def _ids(raw: bytes | None) -> tuple[bytes, ...]:
    """Cut ids that were stored side by side, of 16 octets each."""
    joined = bytes(raw or b"")
    return tuple(joined[start : start + 16] for start in range(0, len(joined), 16))
