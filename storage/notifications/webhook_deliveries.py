"""Webhook deliveries of an alert: listed for its inbox, and sent again on request.

A delivery keeps its id for every attempt, also when it is sent again: a receiver recognises
repetitions by it. Deliveries are stored as long as their events.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.alerts.alerts import ACTIVE, WEBHOOK, Alert
from storage.database import Row, Tx
from storage.errors import Conflict, NotFound
from storage.notifications.webhook_outcomes import at_once

_LAST = b"\xff" * 16


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery; `status` is pending, delivered, failed or dropped.

    `attempts` counts all calls; `last_status` is the status of the last response, if there was one,
    `last_error` the reason of the last failure. `next_attempt_at` is set for the first pending one.
    """

    delivery_id: bytes
    alert_id: bytes
    event_id: bytes
    type: str
    status: str
    attempts: int
    attempted_at: int | None
    next_attempt_at: int | None
    last_status: int | None
    last_error: str | None
    created_at: int
    finished_at: int | None


async def list_deliveries(
    tx: Tx, *, alert: Alert, before: bytes | None = None, limit: int
) -> list[Delivery]:
    """Return the deliveries of an alert, newest first, made before the delivery `before`."""
    rows = await tx.fetch_all(
        f"{_DELIVERY} AND d.delivery_id < :before ORDER BY d.delivery_id DESC LIMIT :limit",
        {**_key(alert), "before": before or _LAST, "limit": limit},
    )
    return [_delivery(row) for row in rows]


async def find_delivery(tx: Tx, *, alert: Alert, delivery_id: bytes) -> Delivery:
    """Raises NotFound, also for another alert's."""
    row = await tx.fetch_one(
        f"{_DELIVERY} AND d.delivery_id = :delivery_id",
        {**_key(alert), "delivery_id": delivery_id},
    )
    if row is None:
        raise NotFound("no such delivery")
    return _delivery(row)


async def redeliver(tx: Tx, *, alert: Alert, delivery_id: bytes, now: int) -> Delivery:
    """Queue an event again, behind the pending ones; a pending delivery stays where it is.

    Raises NotFound; Conflict `alert_off` when the alert is off or disabled, and `event_gone` when
    the event is no longer stored.
    """
    known = await find_delivery(tx, alert=alert, delivery_id=delivery_id)
    if not alert.enabled or alert.status != ACTIVE or alert.delivery != WEBHOOK:
        raise Conflict("alert_off", "The alert is off, disabled, or calls no webhook.")
    event = await tx.fetch_one(
        "SELECT 1 FROM events WHERE event_id = :event_id", {"event_id": known.event_id}
    )
    if event is None:
        raise Conflict("event_gone", "The event is no longer stored.")
    await tx.execute(
        """
        UPDATE deliveries
        SET status = 'pending', tries = 0, queued = :queued, finished_at = NULL
        WHERE delivery_id = :delivery_id AND status <> 'pending'
        """,
        {"delivery_id": delivery_id, "queued": tx.new_id()},
    )
    await tx.execute(
        "UPDATE alerts SET due_at = COALESCE(due_at, :due) WHERE alert_id = :alert_id",
        {"alert_id": alert.alert_id, "due": at_once(now)},
    )
    return await find_delivery(tx, alert=alert, delivery_id=delivery_id)


def _key(alert: Alert) -> dict[str, object]:
    return {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id}


_DELIVERY = """
    SELECT d.delivery_id, d.alert_id, d.event_id, d.type, d.status, d.attempts, d.attempted_at,
           d.last_status, d.last_error, d.created_at, d.finished_at,
           CASE WHEN d.delivery_id = (
               SELECT h.delivery_id FROM deliveries h
               WHERE h.alert_id = d.alert_id AND h.status = 'pending' ORDER BY h.queued LIMIT 1)
           THEN CASE WHEN a.due_at > d.created_at THEN a.due_at ELSE d.created_at END
           END AS next_attempt_at
    FROM deliveries d JOIN alerts a ON a.alert_id = d.alert_id
    WHERE d.tenant_id = :tenant_id AND d.alert_id = :alert_id
"""


def _delivery(row: Row) -> Delivery:
    return Delivery(
        bytes(row["delivery_id"]),
        bytes(row["alert_id"]),
        bytes(row["event_id"]),
        row["type"],
        row["status"],
        row["attempts"],
        row["attempted_at"],
        row["next_attempt_at"],
        row["last_status"],
        row["last_error"],
        row["created_at"],
        row["finished_at"],
    )
