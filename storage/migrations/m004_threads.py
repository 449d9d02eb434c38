"""What a team does with a thread: openings, notes, assignment, tasks, templates."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m004_threads(tx: Tx) -> None:
    """Make the tables of shared work; a delivery writes none of them but to reopen a thread."""
    await run_schema(tx, _THREADS)


# `thread_openings` says whose copies of a thread somebody was given to see by an assignment, up to
# which id; `message_openings` keeps what was opened so once the giver's copy is gone. A note keeps
# which messages its author saw, and of which of them a copy was held.
_THREADS = """
ALTER TABLE threads ADD COLUMN assignee_inbox_id {id};
CREATE INDEX threads_assigned ON threads (assignee_inbox_id, thread_id)
    WHERE assignee_inbox_id IS NOT NULL;
CREATE INDEX threads_closed ON threads (tenant_id, thread_id) WHERE status = 'closed';

CREATE TABLE thread_openings (
    to_inbox_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    by_inbox_id {id} NOT NULL,
    tenant_id {id} NOT NULL,
    ended_before {id},
    PRIMARY KEY (to_inbox_id, thread_id, by_inbox_id)
) {clustered};
CREATE INDEX thread_openings_by_giver ON thread_openings (by_inbox_id, thread_id);

CREATE TABLE message_openings (
    inbox_id {id} NOT NULL,
    message_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    PRIMARY KEY (inbox_id, message_id)
) {clustered};
CREATE INDEX message_openings_by_message ON message_openings (message_id);

CREATE TABLE thread_history (
    entry_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    type {text} NOT NULL,
    inbox_id {id},
    by_inbox_id {id},
    by_user_id {id},
    created_at {int64} NOT NULL
) {clustered};
CREATE INDEX thread_history_by_thread ON thread_history (thread_id, entry_id);

CREATE TABLE notes (
    note_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    author_inbox_id {id} NOT NULL,
    author_user_id {id},
    body {text} NOT NULL,
    created_at {int64} NOT NULL,
    expires_at {int64} NOT NULL
);
CREATE INDEX notes_by_thread ON notes (thread_id, note_id);
CREATE INDEX notes_by_expiry ON notes (expires_at);

CREATE TABLE note_mentions (
    note_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    thread_id {id} NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (note_id, inbox_id)
) {clustered};
CREATE INDEX note_mentions_by_inbox ON note_mentions (inbox_id, thread_id);

CREATE TABLE note_messages (
    note_id {id} NOT NULL,
    message_id {id} NOT NULL,
    had_copy INTEGER NOT NULL,
    PRIMARY KEY (note_id, message_id)
) {clustered};

CREATE TABLE tasks (
    task_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    type {text} NOT NULL,
    title {text} NOT NULL,
    description {text},
    due_at {int64},
    thread_id {id},
    note_id {id},
    contact_id {id},
    share_id {id},
    created_by {id},
    created_at {int64} NOT NULL,
    completed_at {int64}
);
CREATE INDEX tasks_open ON tasks (inbox_id, due_at, task_id) WHERE completed_at IS NULL;
CREATE INDEX tasks_completed ON tasks (inbox_id, completed_at, task_id)
    WHERE completed_at IS NOT NULL;
CREATE INDEX tasks_by_thread ON tasks (thread_id, inbox_id) WHERE thread_id IS NOT NULL;

CREATE TABLE templates (
    template_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    subject {text} NOT NULL,
    body {text} NOT NULL,
    variables {text},
    created_by {id},
    created_at {int64} NOT NULL,
    updated_at {int64} NOT NULL
);
CREATE INDEX templates_by_tenant ON templates (tenant_id, template_id);

ALTER TABLE events ADD COLUMN note_id {id};
ALTER TABLE events ADD COLUMN task_id {id}
"""
