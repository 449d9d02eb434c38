"""The room of a tenant's Idempotency-Keys, counted by an index; answers kept as a resource's id."""

from __future__ import annotations

from storage.database import Tx


async def m015_idempotency_room(tx: Tx) -> None:
    """Count the octets of each answer beside it."""
    for statement in _STATEMENTS:
        await tx.execute(statement.format_map(tx.dialect))


_STATEMENTS = (
    "ALTER TABLE idempotency_keys ADD COLUMN resource {text}",
    "ALTER TABLE idempotency_keys ADD COLUMN octets INTEGER NOT NULL DEFAULT 0",
    "UPDATE idempotency_keys SET octets = COALESCE(LENGTH(answer), 0)",
    "CREATE INDEX idempotency_by_tenant ON idempotency_keys (tenant_id, claimed_at, octets)",
)
