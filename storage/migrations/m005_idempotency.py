"""Keys by which a repeated call is known, and what the first one was answered."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m005_idempotency(tx: Tx) -> None:
    """Make the table of calls that carried a key."""
    await run_schema(tx, _IDEMPOTENCY)


# `key` and `body` are keyed hashes; an answer without `status` is still being made.
_IDEMPOTENCY = """
CREATE TABLE idempotency_keys (
    key {bytes} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    body {bytes} NOT NULL,
    claim_id {id} NOT NULL,
    claimed_at {int64} NOT NULL,
    status INTEGER,
    answer {bytes}
) {clustered};
CREATE INDEX idempotency_by_age ON idempotency_keys (claimed_at)
"""
