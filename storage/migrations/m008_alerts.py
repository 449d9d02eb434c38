"""Who wants to be told of events, and what each of them is owed."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m008_alerts(tx: Tx) -> None:
    """Make the tables of alerts and deliveries."""
    await run_schema(tx, _ALERTS)


# `since` is an id: an alert is told of events behind it only. `due_at` is when there is something
# to do for it, null when nothing is owed. `lane` is 0 while its endpoint answers as it should, 1
# before it ever did, 2 while it fails. `queued` is an id too, and the order in which an alert's
# deliveries go. `routed` has one row, the last event for which deliveries were made.
_ALERTS = """
CREATE TABLE alerts (
    alert_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    origin {text} NOT NULL,
    events {text} NOT NULL,
    delivery {text} NOT NULL,
    target {text} NOT NULL,
    filter {text} NOT NULL,
    enabled INTEGER NOT NULL,
    status {text} NOT NULL,
    last_error {text},
    secret {bytes},
    former_secret {bytes},
    former_secret_until {int64},
    created_by {text},
    created_at {int64} NOT NULL,
    updated_at {int64} NOT NULL,
    since {id} NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    lane INTEGER NOT NULL DEFAULT 1,
    due_at {int64},
    lease_owner {bytes},
    lease_until {int64}
);
CREATE INDEX alerts_by_inbox ON alerts (inbox_id, alert_id);
CREATE UNIQUE INDEX alerts_of_inboxes ON alerts (inbox_id) WHERE origin = 'inbox';
CREATE INDEX alerts_told ON alerts (since) WHERE enabled = 1 AND status = 'active';
CREATE INDEX alerts_of_tenants ON alerts (tenant_id, inbox_id);
CREATE INDEX alerts_due ON alerts (lane, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE deliveries (
    delivery_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    alert_id {id} NOT NULL,
    event_id {id} NOT NULL,
    type {text} NOT NULL,
    status {text} NOT NULL,
    queued {id} NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    attempted_at {int64},
    last_status INTEGER,
    last_error {text},
    created_at {int64} NOT NULL,
    finished_at {int64}
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (alert_id, event_id);
CREATE INDEX deliveries_by_alert ON deliveries (alert_id, delivery_id);
CREATE INDEX deliveries_owed ON deliveries (alert_id, queued) WHERE status = 'pending';
CREATE INDEX deliveries_by_end ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE routed (
    name {text} PRIMARY KEY,
    event_id {id} NOT NULL
) {clustered}
"""
