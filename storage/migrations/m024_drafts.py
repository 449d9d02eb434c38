"""Letters before they are sent: uploads, drafts, approvals, and what tells how one may send."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m024_drafts(tx: Tx) -> None:
    """Make room for them; lists, inboxes and tokens get the defaults of new ones."""
    await run_schema(tx, _DRAFTS)


# An upload with a message was taken by that letter. A draft is seen by its inbox, and by those that
# see the message it answers, `about_message_id`; `seen_message_id` was the newest of its thread
# when it was last read against it. `letter` is JSON. An approval's letter is the message itself.
_DRAFTS = """
ALTER TABLE lists ADD COLUMN reply_as {text} NOT NULL DEFAULT 'list';
ALTER TABLE lists ADD COLUMN reply_name {text} NOT NULL DEFAULT 'both';
ALTER TABLE lists ADD COLUMN signature {text} NOT NULL DEFAULT '';
ALTER TABLE inboxes ADD COLUMN signature {text} NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN requires_approval {text} NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN send_to {text} NOT NULL DEFAULT 'participants';
ALTER TABLE tokens ADD COLUMN send_rate INTEGER NOT NULL DEFAULT 30;
ALTER TABLE events ADD COLUMN approval_id {id};

CREATE TABLE uploads (
    upload_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    filename {text} NOT NULL,
    content_type {text} NOT NULL,
    sha256 {bytes} NOT NULL,
    size {int64} NOT NULL,
    file {text} NOT NULL,
    message_id {id},
    expires_at {int64} NOT NULL
);
CREATE INDEX uploads_by_inbox ON uploads (inbox_id, upload_id);
CREATE INDEX uploads_by_message ON uploads (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX uploads_by_file ON uploads (file);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

CREATE TABLE drafts (
    draft_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    user_id {id},
    token_id {id},
    about_message_id {id} NOT NULL,
    seen_message_id {id} NOT NULL,
    letter {text} NOT NULL,
    version {int64} NOT NULL,
    changed_by_inbox_id {id} NOT NULL,
    changed_by_user_id {id},
    changed_by_token_id {id},
    created_at {int64} NOT NULL,
    updated_at {int64} NOT NULL
);
CREATE INDEX drafts_by_thread ON drafts (thread_id, draft_id);
CREATE INDEX drafts_by_inbox ON drafts (inbox_id, draft_id);
CREATE INDEX drafts_by_age ON drafts (updated_at);

CREATE TABLE approvals (
    approval_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    token_id {id} NOT NULL,
    message_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    subject {text} NOT NULL,
    seen_message_id {id},
    task_id {id} NOT NULL,
    status {text} NOT NULL,
    reason {text},
    resolved_by_user_id {id},
    resolved_at {int64},
    created_at {int64} NOT NULL,
    expires_at {int64} NOT NULL
);
CREATE INDEX approvals_by_inbox ON approvals (inbox_id, approval_id);
CREATE INDEX approvals_by_thread ON approvals (thread_id);
CREATE INDEX approvals_by_message ON approvals (message_id);
CREATE INDEX approvals_pending ON approvals (expires_at) WHERE status = 'pending';
CREATE INDEX approvals_resolved ON approvals (resolved_at) WHERE resolved_at IS NOT NULL
"""
