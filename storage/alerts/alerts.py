"""Alerts: the events an inbox is notified of, and how: by a webhook or as a task.

- An inbox's own `webhook_url` with its `webhook_events` is an alert too, of the origin `inbox`, at
  most one an inbox; all others are of the origin `alert`, at most `MOST` an inbox.
- A webhook has a secret, which is shown when it is made and never again. A new secret and the
  former one are both valid for a day, so that a receiver has time to learn it.
- A new target, or enabling, makes an alert active again that its failures had disabled.
- An alert that is off gets no deliveries: pending ones are dropped when it is switched off, and
  once it is on again it gets events from then on.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from storage.clock import DAY
from storage.database import Row, Tx
from storage.errors import Conflict, NotFound
from storage.keyset import ALL, Keyset

MOST = 50
OVERLAP = DAY
WEBHOOK, TASK = "webhook", "task"
OF_INBOX, OF_ITSELF = "inbox", "alert"
SWITCHED_OFF = "the alert was switched off"
ACTIVE, DISABLED = "active", "disabled"
# What its endpoint did last time: it answered, nobody has called it yet, it failed.
ANSWERING, NEW, FAILING = LANES = range(3)

# Standard Webhooks: 24 to 64 octets.
_SECRET_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Alert:
    """A stored alert, without its secret. `created_by` is its maker's id, as text."""

    alert_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    origin: str
    events: tuple[str, ...]
    delivery: str
    target: str
    filter: Mapping[str, str]
    enabled: bool
    status: str
    last_error: str | None
    created_by: str | None
    created_at: int
    updated_at: int

    @property
    def is_on(self) -> bool:
        """Whether it gets deliveries."""
        return self.enabled and self.status == ACTIVE


@dataclass(frozen=True, slots=True)
class Draft:
    """The wanted state of an alert."""

    events: Sequence[str]
    delivery: str
    target: str
    filter: Mapping[str, str]
    enabled: bool = True


def shown_secret(secret: bytes) -> str:
    """Return the secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secret).decode()


async def create_alert(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    draft: Draft,
    created_by: str | None,
    now: int,
    origin: str = OF_ITSELF,
) -> tuple[Alert, str | None]:
    """Make an alert; return it with its webhook's secret. Raises Conflict `too_many_alerts`."""
    await _require_room(tx, tenant_id, inbox_id, origin)
    alert_id, secret = tx.new_id(), secrets.token_bytes(_SECRET_OCTETS)
    is_webhook = draft.delivery == WEBHOOK
    await tx.execute(
        """
        INSERT INTO alerts
            (alert_id, tenant_id, inbox_id, origin, events, delivery, target, filter, enabled,
             status, secret, created_by, created_at, updated_at, since)
        VALUES
            (:alert_id, :tenant_id, :inbox_id, :origin, :events, :delivery, :target, :filter,
             :enabled, 'active', :secret, :created_by, :now, :now, :alert_id)
        """,
        {
            "alert_id": alert_id,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "origin": origin,
            **_columns(draft),
            "secret": secret if is_webhook else None,
            "created_by": created_by,
            "now": now,
        },
    )
    made = await find_alert(tx, tenant_id=tenant_id, inbox_id=inbox_id, alert_id=alert_id)
    return made, shown_secret(secret) if is_webhook else None


def _columns(draft: Draft) -> dict[str, object]:
    return {
        "events": orjson.dumps(list(draft.events)).decode(),
        "delivery": draft.delivery,
        "target": draft.target,
        "filter": orjson.dumps(dict(draft.filter)).decode(),
        "enabled": int(draft.enabled),
    }


async def _require_room(tx: Tx, tenant_id: bytes, inbox_id: bytes, origin: str) -> None:
    row = await tx.fetch_one(
        """
        SELECT COUNT(*) AS count FROM alerts
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND origin = :origin
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "origin": origin},
    )
    if row is not None and row["count"] >= MOST:
        raise Conflict("too_many_alerts", f"An inbox has at most {MOST} alerts.")


async def update_alert(
    tx: Tx, *, alert: Alert, draft: Draft, now: int, revived_by: str | None = None
) -> tuple[Alert, str | None]:
    """Change an alert; with `revived_by` it is active again, despite its failures, and theirs.

    The secret is returned when a task became a webhook, which had none before.
    """
    new = draft.delivery == WEBHOOK and alert.delivery != WEBHOOK
    secret = secrets.token_bytes(_SECRET_OCTETS) if new else None
    kept = "secret = :secret, former_secret = NULL," if new or draft.delivery == TASK else ""
    revived = "" if revived_by is None else _REVIVED
    # Without it, an alert that is on again would get all events since it went off.
    since = "since = :since," if revived_by is not None and not alert.is_on else ""
    # Else all that had gathered would be called at one time, once it is on again.
    if not (draft.enabled and draft.delivery == WEBHOOK and alert.is_on):
        await drop_owed(tx, tenant_id=alert.tenant_id, alert_id=alert.alert_id, now=now)
    elif revived_by is not None:
        await _begin_anew(tx, alert)
    await tx.execute(
        f"""
        UPDATE alerts
        SET events = :events, delivery = :delivery, target = :target, filter = :filter,
            {kept} {revived} {since} enabled = :enabled, updated_at = :now
        WHERE tenant_id = :tenant_id AND alert_id = :alert_id
        """,
        {
            **_columns(draft),
            "secret": secret,
            "since": tx.new_id(),
            "maker": revived_by,
            "now": now,
            "tenant_id": alert.tenant_id,
            "alert_id": alert.alert_id,
        },
    )
    changed = await _find_again(tx, alert)
    return changed, None if secret is None else shown_secret(secret)


async def _find_again(tx: Tx, alert: Alert) -> Alert:
    key = {"tenant_id": alert.tenant_id, "inbox_id": alert.inbox_id}
    return await find_alert(tx, **key, alert_id=alert.alert_id)


# What waits behind a failure goes out at once, by the new target.
_REVIVED = f"""
    status = 'active', last_error = NULL, failures = 0, lane = {NEW}, created_by = :maker,
    due_at = CASE WHEN due_at IS NULL THEN NULL ELSE :now END,
"""


async def _begin_anew(tx: Tx, alert: Alert) -> None:
    """Reset the attempts of the pending deliveries."""
    await tx.execute(
        """
        UPDATE deliveries SET tries = 0
        WHERE alert_id = :alert_id AND status = 'pending' AND tries > 0
        """,
        {"alert_id": alert.alert_id},
    )


async def drop_owed(tx: Tx, *, tenant_id: bytes, alert_id: bytes, now: int) -> None:
    """Drop the pending deliveries of an alert; they can be sent again one by one."""
    key = {"tenant_id": tenant_id, "alert_id": alert_id}
    await tx.execute(
        """
        UPDATE deliveries SET status = 'dropped', last_error = :why, finished_at = :now
        WHERE tenant_id = :tenant_id AND alert_id = :alert_id AND status = 'pending'
        """,
        {**key, "why": SWITCHED_OFF, "now": now},
    )
    await tx.execute(
        "UPDATE alerts SET due_at = NULL WHERE tenant_id = :tenant_id AND alert_id = :alert_id", key
    )


async def renew_secret(tx: Tx, *, alert: Alert, now: int) -> str:
    """Make a new secret, returned in clear; for a day the former one signs calls too."""
    secret = secrets.token_bytes(_SECRET_OCTETS)
    await tx.execute(
        """
        UPDATE alerts
        SET former_secret = secret, former_secret_until = :until, secret = :secret,
            updated_at = :now
        WHERE tenant_id = :tenant_id AND alert_id = :alert_id
        """,
        {
            "until": now + OVERLAP,
            "secret": secret,
            "now": now,
            "tenant_id": alert.tenant_id,
            "alert_id": alert.alert_id,
        },
    )
    return shown_secret(secret)


async def find_alert(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, alert_id: bytes) -> Alert:
    """Return the inbox's alert, of either origin. Raises NotFound, also for another inbox's."""
    row = await tx.fetch_one(
        _ALERT + " AND inbox_id = :inbox_id AND alert_id = :alert_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "alert_id": alert_id},
    )
    if row is None:
        raise NotFound("no such alert")
    return _alert(row)


async def list_alerts(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, origin: str = OF_ITSELF, span: Keyset = ALL
) -> list[Alert]:
    """Return the alerts of an inbox, oldest first."""
    rows = await tx.fetch_all(
        f"{_ALERT} AND inbox_id = :inbox_id AND origin = :origin {span.sql('alert_id')}",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "origin": origin, **span.params},
    )
    return [_alert(row) for row in rows]


async def alerts_of_inboxes(tx: Tx, *, tenant_id: bytes) -> list[Alert]:
    """Return the alerts of the origin `inbox`, of all inboxes of the tenant."""
    rows = await tx.fetch_all(f"{_ALERT} AND origin = '{OF_INBOX}'", {"tenant_id": tenant_id})
    return [_alert(row) for row in rows]


async def delete_alert(tx: Tx, *, tenant_id: bytes, alert_id: bytes) -> None:
    """Delete an alert and its pending deliveries; an attempt in flight is the last."""
    key = {"tenant_id": tenant_id, "alert_id": alert_id}
    where = "WHERE tenant_id = :tenant_id AND alert_id = :alert_id"
    await tx.execute(f"DELETE FROM deliveries {where}", key)
    await tx.execute(f"DELETE FROM alerts {where}", key)


async def delete_alerts_of_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes) -> None:
    """Delete all alerts of an inbox that is deleted, of either origin."""
    key = {"tenant_id": tenant_id, "inbox_id": inbox_id}
    where = "WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id"
    of_inbox = f"SELECT alert_id FROM alerts {where}"
    await tx.execute(f"DELETE FROM deliveries WHERE alert_id IN ({of_inbox})", key)
    await tx.execute(f"DELETE FROM alerts {where}", key)


_ALERT = """
    SELECT alert_id, tenant_id, inbox_id, origin, events, delivery, target, filter, enabled,
           status, last_error, created_by, created_at, updated_at
    FROM alerts WHERE tenant_id = :tenant_id
"""


def _alert(row: Row) -> Alert:
    return Alert(
        bytes(row["alert_id"]),
        bytes(row["tenant_id"]),
        bytes(row["inbox_id"]),
        row["origin"],
        tuple(orjson.loads(row["events"])),
        row["delivery"],
        row["target"],
        orjson.loads(row["filter"]),
        bool(row["enabled"]),
        row["status"],
        row["last_error"],
        row["created_by"],
        row["created_at"],
        row["updated_at"],
    )
