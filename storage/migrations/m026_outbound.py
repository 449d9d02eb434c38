"""Letters that leave: the queue to the smarthost, and the smarthosts of domains."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m026_outbound(tx: Tx) -> None:
    """Make room for them; nothing was sent before."""
    await run_schema(tx, _OUTBOUND)


# The letter itself is a message. `call` is the call that made it, as JSON. `due_at` is the next
# attempt; `dot_at` tells that the present attempt may have been accepted.
_OUTBOUND = """
CREATE TABLE letters (
    message_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    user_id {id},
    token_id {id},
    approved_by {id},
    thread_id {id} NOT NULL,
    list_id {id},
    domain {text} NOT NULL,
    call {text} NOT NULL,
    is_shared INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    due_at {int64},
    dot_at {int64},
    lease_owner {bytes},
    lease_until {int64},
    expires_at {int64} NOT NULL,
    created_at {int64} NOT NULL
);
CREATE INDEX letters_due ON letters (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX letters_leased ON letters (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX letters_by_thread ON letters (thread_id, message_id);
CREATE INDEX letters_by_token ON letters (token_id, created_at) WHERE token_id IS NOT NULL;
CREATE INDEX letters_by_inbox ON letters (inbox_id, message_id);

CREATE TABLE letter_recipients (
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    email {text} NOT NULL,
    kind {text} NOT NULL,
    state {text} NOT NULL,
    code INTEGER,
    enhanced {text},
    diagnostic {text},
    updated_at {int64} NOT NULL,
    PRIMARY KEY (message_id, position)
) {clustered}
"""
