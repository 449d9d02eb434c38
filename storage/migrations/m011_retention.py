"""What is kept for a time: since when a copy is in the trash, and who removes what is over."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m011_retention(tx: Tx) -> None:
    """Make what retention needs; a delivery writes none of it, but for the index of files."""
    await run_schema(tx, _RETENTION)


# Since when an earlier release's trash is there is unknown; its days begin at the upgrade, for
# which the time of the last id stands. `retention_worker` has one row: who is at it, until when.
_RETENTION = """
CREATE TABLE trashed (
    message_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    trashed_at {int64} NOT NULL,
    PRIMARY KEY (message_id, inbox_id)
) {clustered};
CREATE INDEX trashed_by_time ON trashed (trashed_at);
INSERT INTO trashed (message_id, inbox_id, trashed_at)
    SELECT c.message_id, c.inbox_id, s.value
    FROM copies c CROSS JOIN store_state s WHERE c.folder = 3 AND s.name = 'last_id';

CREATE TABLE retention_worker (
    worker INTEGER PRIMARY KEY,
    owner {bytes} NOT NULL,
    held_until {int64} NOT NULL,
    finished_at {int64}
);

CREATE TABLE deferred_lists (
    list_id {id} PRIMARY KEY,
    tenant_id {id} NOT NULL,
    deferred {int64} NOT NULL,
    last_at {int64} NOT NULL
);

CREATE INDEX contents_by_file ON contents (file) WHERE file IS NOT NULL;
CREATE INDEX tasks_of_notes ON tasks (created_at)
    WHERE type = 'mention' AND completed_at IS NOT NULL
"""
