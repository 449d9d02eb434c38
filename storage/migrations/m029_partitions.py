"""Positions of jobs by partition: on PostgreSQL each tenant has its own, SQLite has one."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m029_partitions(tx: Tx) -> None:
    """Put all positions into one table; those of the whole store hold for each tenant."""
    await run_schema(tx, _TABLES)
    is_postgres = tx.dialect["engine"] == "postgres"
    part, tenants = ("t.tenant_id", "CROSS JOIN tenants t") if is_postgres else (":whole", "")
    for statement in _POSITIONS:
        await tx.execute(statement.format(part=part, tenants=tenants), {"whole": b""})
    await run_schema(tx, _FORMER)
    if is_postgres:
        await run_schema(tx, _OF_TENANTS)


# `part` is a tenant, or empty for the whole store. `until` is where the messages end that the job
# of the checks has left behind. In `tenant_floors` is the time part of the last id that was given
# in a tenant, where its writers do not wait for those of others.
_TABLES = """
CREATE TABLE cursors (
    name {text} NOT NULL,
    part {id} NOT NULL,
    position {id} NOT NULL,
    until {id},
    PRIMARY KEY (name, part)
) {clustered};
CREATE TABLE tenant_floors (
    tenant_id {id} PRIMARY KEY,
    value {int64} NOT NULL
) {clustered}
"""
_POSITIONS = (
    """
    INSERT INTO cursors (name, part, position)
    SELECT 'events', {part}, w.event_id FROM routed w {tenants} WHERE w.name = 'events'
    """,
    """
    INSERT INTO cursors (name, part, position)
    SELECT 'relationships', {part}, w.message_id FROM relationships_worker w {tenants}
    WHERE w.worker = 0
    """,
    """
    INSERT INTO cursors (name, part, position, until)
    SELECT CASE w.worker WHEN 0 THEN 'checks' ELSE 'checks_behind' END, {part}, w.message_id,
           w.until
    FROM message_checks_worker w {tenants}
    """,
)
_FORMER = """
DROP TABLE routed;
DROP TABLE relationships_worker;
DROP TABLE message_checks_worker
"""
# SQLite reads all tenants together, and its deliveries have no index to spare.
_OF_TENANTS = """
ALTER TABLE tenant_floors SET (fillfactor = 50);
CREATE INDEX events_by_tenant ON events (tenant_id, event_id);
CREATE INDEX messages_by_tenant ON messages (tenant_id, message_id)
"""
