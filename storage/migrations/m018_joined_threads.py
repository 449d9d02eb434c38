"""Two threads that turn out to be one, and where the parser is in what was stored before."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m018_joined_threads(tx: Tx) -> None:
    """Make room for joins, and have all messages that are there parsed once more."""
    await run_schema(tx, _JOINED)
    await tx.execute(_AGAIN, {"begin": b""})


# `joined_to` is the thread that a joined one is answered as. A reference is `is_message` once a
# message of that id came; those of before are found out when they are parsed again. An opening
# holds for messages after `since`; what it opened before is kept message by message.
_JOINED = """
ALTER TABLE threads ADD COLUMN joined_to {id};
CREATE INDEX threads_joined ON threads (joined_to) WHERE joined_to IS NOT NULL;
ALTER TABLE thread_references ADD COLUMN is_message INTEGER NOT NULL DEFAULT 0;
ALTER TABLE thread_openings ADD COLUMN since {id};

CREATE TABLE reparse (
    worker INTEGER PRIMARY KEY,
    after {id} NOT NULL,
    until {id} NOT NULL
)
"""
_AGAIN = """
    INSERT INTO reparse (worker, after, until)
    SELECT 0, :begin, m.message_id FROM messages m
    ORDER BY m.message_id DESC LIMIT 1
"""
