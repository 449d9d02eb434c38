"""The audit log: who did what to which object."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m009_audit_log(tx: Tx) -> None:
    """Make the table of what was done; nothing refers to it, nothing in it ever changes."""
    await run_schema(tx, _AUDIT_LOG)


# Actor, credential and object are kept as they were shown: their rows may be gone long before.
_AUDIT_LOG = """
CREATE TABLE audit_log (
    tenant_id {id} NOT NULL,
    entry_id {id} NOT NULL,
    action {text} NOT NULL,
    actor_type {text} NOT NULL,
    actor_id {text},
    actor_name {text} NOT NULL,
    credential_id {text},
    client {text},
    object_type {text} NOT NULL,
    object_id {text} NOT NULL,
    object_name {text} NOT NULL,
    inbox_id {id},
    details {text} NOT NULL,
    created_at {int64} NOT NULL,
    PRIMARY KEY (tenant_id, entry_id)
) {clustered};
CREATE INDEX audit_log_by_actor ON audit_log (tenant_id, actor_id, entry_id);
CREATE INDEX audit_log_by_object ON audit_log (tenant_id, object_id, entry_id);
CREATE INDEX audit_log_by_action ON audit_log (tenant_id, action, entry_id);
CREATE INDEX audit_log_by_time ON audit_log (created_at)
"""
