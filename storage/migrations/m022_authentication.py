"""From where each message came, and what was found out about its sender."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m022_authentication(tx: Tx) -> None:
    """Make room for the client's address and for the checks of messages; none is checked yet."""
    await run_schema(tx, _CHECKS)


# `named_by` and `behind_relay` are null for messages from before. `dmarc_override` is why a failed
# message was taken all the same. A row of `message_checks` is
# made by the job that checks, never by a delivery; with `held_until` it is due again at that time.
# Events of a check name the message and are addressed to an inbox; those of deliveries alone are
# found by their message.
_CHECKS = """
ALTER TABLE messages ADD COLUMN named_by {text};
ALTER TABLE messages ADD COLUMN behind_relay INTEGER;
ALTER TABLE messages ADD COLUMN dmarc_override {text};

CREATE TABLE message_checks (
    message_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    tries INTEGER NOT NULL,
    held_until {int64},
    verdict {text},
    record {bytes},
    checked_at {int64}
) {clustered};
CREATE INDEX message_checks_due ON message_checks (held_until) WHERE held_until IS NOT NULL;

CREATE TABLE message_checks_worker (
    worker INTEGER PRIMARY KEY,
    message_id {id} NOT NULL,
    until {id}
);

DROP INDEX events_by_message;
CREATE INDEX events_by_message ON events (message_id)
    WHERE message_id IS NOT NULL AND inbox_id IS NULL
"""
