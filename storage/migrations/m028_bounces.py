"""Reports of failure that come back to a letter, and smarthosts of single domains."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m028_bounces(tx: Tx) -> None:
    """Make room for them; letters from before have no token, so no report finds them."""
    await run_schema(tx, _BOUNCES)


# `bounce_token` stands in the envelope sender of a letter. `bounce_of` is the letter that a message
# is a report about; `bounce_state` is what the report says, null until it was read. `password_file`
# is a path on the machine that sends; the password itself is not in the store.
_BOUNCES = """
ALTER TABLE letters ADD COLUMN bounce_token {text};
CREATE UNIQUE INDEX letters_by_bounce_token ON letters (bounce_token)
    WHERE bounce_token IS NOT NULL;
ALTER TABLE messages ADD COLUMN bounce_of {id};
ALTER TABLE messages ADD COLUMN bounce_state {text};

CREATE TABLE domain_smarthosts (
    tenant_id {id} NOT NULL,
    domain {text} NOT NULL,
    host {text} NOT NULL,
    port INTEGER NOT NULL,
    tls {text} NOT NULL,
    username {text} NOT NULL,
    password_file {text} NOT NULL,
    PRIMARY KEY (tenant_id, domain)
) {clustered}
"""
