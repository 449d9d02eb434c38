"""Links that sign somebody in once."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m023_sign_in_links(tx: Tx) -> None:
    """Make room for the links; no user has one yet."""
    await run_schema(tx, _LINKS)


_LINKS = """
CREATE TABLE sign_in_links (
    code_hash {bytes} PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (tenant_id),
    user_id {id} NOT NULL REFERENCES users (user_id),
    expires_at {int64} NOT NULL
);
CREATE INDEX sign_in_links_by_user ON sign_in_links (user_id)
"""
