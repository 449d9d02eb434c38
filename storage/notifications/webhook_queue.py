"""The webhook queue: leases and order of webhook calls.

- A claim is of one partition (`storage.cursors`), in the transaction of its writer.
- An alert has at most one call under way, in whatever process, and its deliveries go in order: the
  first pending one holds the others until it is delivered or the alert is disabled.
- A call is recorded before it is made, and the alert is leased to its caller. When that caller
  dies, the lease expires and the next one calls again. So a receiver may get an event twice, but
  never not at all; the number of attempts is bounded all the same.
- After a failure the alert waits, longer each time; after the last attempt it is disabled, its
  pending deliveries are dropped, and a task notifies its inbox.
- Alerts whose endpoint answered last time have a lane of their own, and so have new ones: failing
  endpoints never delay them.
- The event is read after the claim; one that the inbox no longer sees, or that the tenant's plan
  and governance no longer cover, is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storage import cursors
from storage.alerts.alerts import ACTIVE, LANES
from storage.clock import SECOND
from storage.database import Row, Tx
from storage.events import log
from storage.events.catalogue import needs_of, terms_of
from storage.events.log import Event
from storage.notifications.webhook_outcomes import (
    TRIES,
    UNKNOWN,
    WebhookClaim,
    disable,
    drop_pending,
)
from storage.sql import in_list

LEASE = 40 * SECOND


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A call to make; without an event it is to be dropped."""

    claim: WebhookClaim
    target: str
    secrets: tuple[bytes, ...]
    event: Event | None


async def next_due(tx: Tx) -> int | None:
    """Return the time when the next alert is due; None when none is."""
    row = await tx.fetch_one(f"SELECT MIN(due_at) AS due FROM ({_FIRST_DUE}) AS firsts")
    return row["due"] if row else None


_FIRST_DUE = " UNION ALL ".join(
    f"""
    SELECT * FROM (
        SELECT due_at FROM alerts WHERE lane = {lane} AND due_at IS NOT NULL
        ORDER BY due_at LIMIT 1) AS lane{lane}
    """
    for lane in LANES
)


async def due_partitions(tx: Tx, *, now: int, limit: int) -> list[bytes]:
    """The partitions with alerts that are due, the longest waiting first."""
    if cursors.in_one(tx):
        return [cursors.WHOLE]
    rows = await tx.fetch_all(
        """
        SELECT tenant_id FROM alerts WHERE due_at IS NOT NULL AND due_at <= :now
        GROUP BY tenant_id ORDER BY MIN(due_at) LIMIT :limit
        """,
        {"now": now, "limit": limit},
    )
    return [bytes(row["tenant_id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Room:
    """The free places of a lane, for alerts of a partition.

    `busy` are the alerts that have a call of ours under way, `full` the tenants that have enough.
    """

    part: bytes
    lane: int
    limit: int
    busy: Collection[bytes]
    full: Collection[bytes]


async def claim(tx: Tx, *, owner: bytes, room: Room, now: int) -> list[WebhookClaim]:
    """Lease alerts of a lane that are due, and record their next attempts."""
    claims: list[WebhookClaim] = []
    for row in await _due(tx, room, now):
        alert_id = bytes(row["alert_id"])
        if not (row["enabled"] and row["status"] == ACTIVE):
            await drop_pending(tx, alert_id=alert_id, now=now)
            continue
        found = await tx.fetch_one(_HEAD, {"alert_id": alert_id})
        if found is None:
            await tx.execute(_IDLE, {"alert_id": alert_id})
            continue
        claimed = _claim(row, found)
        if claimed.tries - row["failures"] > TRIES:  # too many callers died during the call
            await disable(tx, claimed, UNKNOWN, now=now)
            continue
        # Recorded before the call: a caller that dies leaves a trace, so attempts are bounded.
        await tx.execute(_ATTEMPT, {"delivery_id": claimed.delivery_id, "now": now})
        lease = {"alert_id": alert_id, "owner": owner, "until": now + LEASE}
        await tx.execute(_LEASE, lease)
        claims.append(claimed)
    return claims


async def _due(tx: Tx, room: Room, now: int) -> list[Row]:
    tenants, names = in_list(room.full)
    but = f"AND tenant_id NOT IN ({tenants})" if room.full else ""
    # A lease far ahead comes from a clock that was set back since.
    rows = await tx.fetch_all(
        f"""
        SELECT alert_id, tenant_id, inbox_id, enabled, status, lane, failures FROM alerts
        WHERE lane = :lane AND due_at <= :now {but} AND {cursors.in_partition(tx, "tenant_id")}
          AND (lease_until IS NULL OR lease_until <= :now OR lease_until > :absurd)
        ORDER BY due_at LIMIT :limit
        """,
        {
            **names,
            "part": room.part,
            "lane": room.lane,
            "now": now,
            "absurd": now + 10 * LEASE,
            "limit": room.limit + len(room.busy),
        },
    )
    return [row for row in rows if bytes(row["alert_id"]) not in room.busy][: room.limit]


_HEAD = """
    SELECT delivery_id, event_id, tries, attempted_at FROM deliveries
    WHERE alert_id = :alert_id AND status = 'pending' ORDER BY queued LIMIT 1
"""
_IDLE = "UPDATE alerts SET due_at = NULL WHERE alert_id = :alert_id"
_ATTEMPT = """
    UPDATE deliveries SET attempts = attempts + 1, tries = tries + 1, attempted_at = :now
    WHERE delivery_id = :delivery_id
"""
_LEASE = """
    UPDATE alerts SET lease_owner = :owner, lease_until = :until, due_at = :until
    WHERE alert_id = :alert_id
"""


def _claim(row: Row, found: Row) -> WebhookClaim:
    return WebhookClaim(
        bytes(row["alert_id"]),
        bytes(row["tenant_id"]),
        bytes(row["inbox_id"]),
        bytes(found["delivery_id"]),
        bytes(found["event_id"]),
        found["tries"] + 1,
        row["lane"],
        found["attempted_at"],
    )


async def load(tx: Tx, claims: Sequence[WebhookClaim], *, now: int) -> list[WebhookCall]:
    """Load the bodies to send for these claims, by what their inboxes may see now."""
    told = await _told(tx, claims, now)
    calls = []
    for one in claims:
        row = await tx.fetch_one(_ENDPOINT, {"alert_id": one.alert_id})
        if row is None:  # deleted since the claim: no call
            calls.append(WebhookCall(one, "", (), None))
            continue
        event = told.get(one.delivery_id)
        calls.append(WebhookCall(one, row["target"], _secrets(row, now), event))
    return calls


_ENDPOINT = """
    SELECT target, secret, former_secret, former_secret_until FROM alerts
    WHERE alert_id = :alert_id AND delivery = 'webhook'
"""


def _secrets(row: Row, now: int) -> tuple[bytes, ...]:
    former = row["former_secret"]
    both = former is not None and (row["former_secret_until"] or 0) > now
    return (bytes(row["secret"]), bytes(former)) if both else (bytes(row["secret"]),)


async def secrets_of(tx: Tx, *, alert_id: bytes, now: int) -> tuple[bytes, ...]:
    """Return the secrets that sign an alert's calls now; none when it is off."""
    row = await tx.fetch_one(_ENDPOINT, {"alert_id": alert_id})
    return () if row is None else _secrets(row, now)


async def _told(tx: Tx, claims: Sequence[WebhookClaim], now: int) -> dict[bytes, Event]:
    """Return the event of each delivery that its inbox may see, by delivery."""
    events = await log.find_events(tx, event_ids={one.event_id for one in claims})
    # All mail in one query; of the rest, each event for its own inbox.
    groups: dict[bytes, list[WebhookClaim]] = {}
    terms = {
        tenant_id: await terms_of(tx, tenant_id=tenant_id)
        for tenant_id in {one.tenant_id for one in claims}
    }
    for one in claims:
        event = events.get(one.event_id)
        if event is not None and terms[one.tenant_id].cover(needs_of(event.type)):
            is_mail = event.type == log.RECEIVED
            groups.setdefault(b"" if is_mail else one.delivery_id, []).append(one)
    told: dict[bytes, Event] = {}
    for group in groups.values():
        about = list({one.event_id: events[one.event_id] for one in group}.values())
        among = {one.inbox_id for one in group}
        pairs = await log.audience(tx, events=about, among=among, now=now)
        seen = {(event.event_id, inbox_id) for event, inbox_id in pairs}
        for one in group:
            event = events[one.event_id]
            if (one.event_id, one.inbox_id) in seen and event.tenant_id == one.tenant_id:
                told[one.delivery_id] = event
    return told
