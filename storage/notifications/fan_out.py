"""The fan-out: from events to the alerts that have a pending delivery of them.

- New events are read on a snapshot, beside all mail; only the result is written, together with the
  position up to which events are done. Of several processes the one that moves the position writes,
  so each event is fanned out once.
- An alert gets the events of its inbox, of the types it names, that pass its filter, and that
  happened since it was enabled.
- Nobody gets an event that the tenant's plan and governance do not cover.
- The acts of alerts are no events for alerts: a task made by one triggers none.
- Without an alert in the store there is nothing to do, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from storage import cursors
from storage.alerts.alerts import TASK, WEBHOOK, find_alert
from storage.database import Row, Tx
from storage.errors import NotFound
from storage.events import log
from storage.events.catalogue import Terms, needs_of, terms_of
from storage.events.log import Event
from storage.notifications.alert_tasks import KIND, make_alert_task
from storage.notifications.filters import matches
from storage.notifications.webhook_outcomes import at_once
from storage.sql import in_list

BATCH = 500
MOST_OWED = 2000
CURSOR = "events"
_OF_TASKS = frozenset({"task.created", "task.completed"})


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An enabled alert, with the fields the fan-out needs.

    `events` are those of its types that the tenant may get.
    """

    alert_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    events: frozenset[str]
    delivery: str
    filter: Mapping[str, str]
    since: bytes


@dataclass(frozen=True, slots=True)
class FanOutBatch:
    """The events read of a partition, and the deliveries they make.

    `place` is the stored position; `end` is the last event read.
    """

    part: bytes
    place: bytes
    end: bytes
    owed: Sequence[tuple[Subscriber, Event]]
    full: bool


async def anybody(tx: Tx) -> bool:
    """Whether any alert is enabled."""
    return await tx.fetch_one(_FIRST) is not None


async def find_owed(tx: Tx, *, seen: Mapping[bytes, bytes], now: int) -> list[FanOutBatch]:
    """Read the next events and find their deliveries, by partition; none when nothing is new.

    `seen` are the ids up to which this process found nothing before, by partition.
    """
    oldest = await _oldest_since(tx)
    places = await cursors.positions(tx, name=CURSOR, parts=oldest)
    after = {
        part: max(places.get(part, cursors.BEGINNING), seen.get(part, cursors.BEGINNING), since)
        for part, since in oldest.items()
    }
    new = await log.new_events(tx, after=after, limit=BATCH)
    done = await cursors.read_before(tx, name=CURSOR, after=after.get(cursors.WHOLE, b""))
    news = [one for one in new.events if one.event_id > done.get(one.tenant_id, b"")]
    owed = await _owed(tx, news, now) if news else []
    batches = []
    for part, end in new.after.items():
        if end != after[part]:
            theirs = [one for one in owed if part in (one[1].tenant_id, cursors.WHOLE)]
            place = places.get(part, cursors.BEGINNING)
            batches.append(_within(FanOutBatch(part, place, end, theirs, new.more)))
    return batches


def _within(batch: FanOutBatch) -> FanOutBatch:
    """Cut a batch to what one transaction can take: whole events only."""
    owed = batch.owed
    if len(owed) <= MOST_OWED:
        return batch
    end = owed[MOST_OWED][1].event_id
    some = [one for one in owed if one[1].event_id < end]
    some = some or [one for one in owed if one[1].event_id == end]
    return replace(batch, end=some[-1][1].event_id, owed=some, full=True)


async def _oldest_since(tx: Tx) -> dict[bytes, bytes]:
    """Return the id behind which the events of each partition are of interest to anybody."""
    if cursors.in_one(tx):
        row = await tx.fetch_one(_FIRST)
        return {cursors.WHOLE: bytes(row["since"])} if row else {}
    rows = await tx.fetch_all(_FIRST_OF_TENANTS)
    return {bytes(row["tenant_id"]): bytes(row["since"]) for row in rows}


_FIRST = "SELECT since FROM alerts WHERE enabled = 1 AND status = 'active' ORDER BY since LIMIT 1"
_FIRST_OF_TENANTS = """
    SELECT DISTINCT ON (tenant_id) tenant_id, since FROM alerts
    WHERE enabled = 1 AND status = 'active' ORDER BY tenant_id, since
"""


async def _owed(tx: Tx, events: Sequence[Event], now: int) -> list[tuple[Subscriber, Event]]:
    subscribers = await _subscribers(tx, {event.tenant_id for event in events})
    wanted = {name for each in subscribers for name in each.events}
    # Without this an alert on task.created would answer itself for ever.
    own = await _made_by_alerts(tx, [event for event in events if event.type in _OF_TASKS])
    news = [each for each in events if each.type in wanted and each.event_id not in own]
    by_inbox: dict[bytes, list[Subscriber]] = {}
    for each in subscribers:
        by_inbox.setdefault(each.inbox_id, []).append(each)
    pairs = await log.audience(tx, events=news, among=by_inbox, now=now)
    return [
        (each, event)
        for event, inbox_id in pairs
        for each in by_inbox[inbox_id]
        if event.tenant_id == each.tenant_id
        and event.type in each.events
        and event.event_id > each.since
        and await matches(tx, inbox_id=inbox_id, chosen=each.filter, event=event, now=now)
    ]


async def _subscribers(tx: Tx, tenant_ids: Collection[bytes]) -> list[Subscriber]:
    chosen, names = in_list(tenant_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT a.alert_id, a.tenant_id, a.inbox_id, a.events, a.delivery, a.filter, a.since,
               t.plan, t.governance
        FROM alerts a JOIN tenants t ON t.tenant_id = a.tenant_id
        WHERE a.tenant_id IN ({chosen}) AND a.enabled = 1 AND a.status = 'active'
        ORDER BY a.alert_id
        """,
        names,
    )
    return [_subscriber(row) for row in rows]


def _subscriber(row: Row) -> Subscriber:
    named, terms = orjson.loads(row["events"]), Terms(row["plan"], row["governance"])
    return Subscriber(
        bytes(row["alert_id"]),
        bytes(row["tenant_id"]),
        bytes(row["inbox_id"]),
        # After a downgrade the tenant gets no such events, although the alert still names them.
        frozenset(name for name in named if terms.cover(needs_of(name))),
        row["delivery"],
        orjson.loads(row["filter"]),
        bytes(row["since"]),
    )


async def _made_by_alerts(tx: Tx, events: Sequence[Event]) -> set[bytes]:
    """Return those of these events that are about a task which an alert made."""
    task_ids = {event.task_id for event in events if event.task_id is not None}
    if not task_ids:
        return set()
    chosen, names = in_list(task_ids)
    rows = await tx.fetch_all(
        f"SELECT task_id FROM tasks WHERE task_id IN ({chosen}) AND type = :alert",
        {**names, "alert": KIND},
    )
    made = {bytes(row["task_id"]) for row in rows}
    return {event.event_id for event in events if event.task_id in made}


async def record_owed(tx: Tx, batch: FanOutBatch, *, now: int) -> int | None:
    """Write the pending deliveries and the position; how many webhook calls that makes.

    None when another process was first: then nothing has happened.
    """
    # The process that moves the position is the one that writes: no event is fanned out twice.
    if not await cursors.move(tx, name=CURSOR, part=batch.part, expected=batch.place, to=batch.end):
        return None
    calls = [(each, event) for each, event in batch.owed if each.delivery == WEBHOOK]
    for each, event in calls:
        await tx.execute(_OWE, _delivery(tx, each, event, now))
    for alert_id in {each.alert_id for each, _ in calls}:
        await tx.execute(_DUE, {"alert_id": alert_id, "due": at_once(now)})
    for each, event in batch.owed:
        if each.delivery == TASK:
            await _make_task(tx, each, event, now)
    return len(calls)


async def _make_task(tx: Tx, each: Subscriber, event: Event, now: int) -> None:
    key = {"tenant_id": each.tenant_id, "inbox_id": each.inbox_id}
    try:
        alert = await find_alert(tx, **key, alert_id=each.alert_id)
    except NotFound:  # deleted since the snapshot
        return
    if not (alert.is_on and alert.delivery == TASK and await _may_be_told(tx, each, event, now)):
        return
    await make_alert_task(tx, alert=alert, event=event, now=now)


async def _may_be_told(tx: Tx, each: Subscriber, event: Event, now: int) -> bool:
    """Whether the result of the snapshot still holds."""
    terms = await terms_of(tx, tenant_id=each.tenant_id)
    return terms.cover(needs_of(event.type)) and await log.is_told(
        tx, event=event, inbox_id=each.inbox_id, now=now
    )


def _delivery(tx: Tx, each: Subscriber, event: Event, now: int) -> dict[str, object]:
    return {
        "delivery_id": tx.new_id(),
        "alert_id": each.alert_id,
        "event_id": event.event_id,
        "type": event.type,
        "now": now,
    }


# The alert may be deleted, or off, since the snapshot.
_OWE = """
    INSERT INTO deliveries
        (delivery_id, tenant_id, alert_id, event_id, type, status, queued, created_at)
    SELECT :delivery_id, tenant_id, alert_id, :event_id, :type, 'pending', :delivery_id, :now
    FROM alerts
    WHERE alert_id = :alert_id AND enabled = 1 AND status = 'active' AND delivery = 'webhook'
    ON CONFLICT (alert_id, event_id) DO NOTHING
"""
_DUE = "UPDATE alerts SET due_at = :due WHERE alert_id = :alert_id AND due_at IS NULL"
