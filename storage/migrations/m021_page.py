"""Columns and indexes for a page: unread mail, changes of copies, shared read state."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m021_page(tx: Tx) -> None:
    """Make the few copies that a count or a filter is about findable, whatever the folder holds."""
    await run_schema(tx, _COLUMNS)
    if tx.dialect["engine"] != "sqlite":
        await run_schema(tx, _INDEXES)
        return
    for statement in (_FILINGS, _BLOCKS, _FLAGGED, _ALL_FILED, _ALL_COUNTED, *_TRIGGERS):
        await tx.execute(statement)


# Lists of before show nobody what their members have read, until an admin says so.
_COLUMNS = """
ALTER TABLE lists ADD COLUMN share_read_state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN message_ids {bytes}
"""
# The mark is in each index, too: of two that fit, a planner without statistics takes the one with
# more columns that are given.
_INDEXES = """
CREATE INDEX copies_unread ON copies (inbox_id, folder, is_read, message_id, route)
    WHERE is_read = 0;
CREATE INDEX copies_flagged ON copies (inbox_id, folder, is_flagged, message_id)
    WHERE is_flagged = 1
"""
_FLAGGED = """
CREATE INDEX copies_flagged ON filed_copies (inbox_id, folder, is_flagged, message_id)
    WHERE is_flagged = 1
"""
_FILINGS = """
CREATE TABLE filings (
    last BLOB PRIMARY KEY,
    above BLOB NOT NULL
) WITHOUT ROWID
"""
_BLOCKS = """
CREATE TABLE unread_blocks (
    inbox_id BLOB NOT NULL,
    folder INTEGER NOT NULL,
    last BLOB NOT NULL,
    above BLOB NOT NULL,
    unread INTEGER NOT NULL,
    PRIMARY KEY (inbox_id, folder, last)
) WITHOUT ROWID
"""
# What was filed before is cut at every thousandth message.
_ALL_FILED = """
INSERT INTO filings (last, above)
    SELECT last, LAG(last, 1, x'') OVER (ORDER BY last) FROM (
        SELECT m.message_id AS last FROM (
            SELECT message_id, ROW_NUMBER() OVER (ORDER BY message_id) AS place FROM messages) m
        WHERE m.place % 1000 = 0 AND m.message_id < (SELECT message_id FROM filing)
        UNION SELECT message_id FROM filing WHERE message_id <> x'')
"""
_ALL_COUNTED = """
INSERT INTO unread_blocks (inbox_id, folder, last, above, unread)
    SELECT c.inbox_id, c.folder, g.last, g.above, COUNT(*)
    FROM filed_copies c CROSS JOIN filings g
    WHERE c.is_read = 0
      AND g.last = (SELECT MIN(f.last) FROM filings f WHERE f.last >= c.message_id)
    GROUP BY c.inbox_id, c.folder, g.last
"""
_UNCOUNTED = """
    UPDATE unread_blocks SET unread = unread - 1
    WHERE inbox_id = old.inbox_id AND folder = old.folder
      AND last = (SELECT MIN(last) FROM filings WHERE last >= old.message_id);
    DELETE FROM unread_blocks
    WHERE inbox_id = old.inbox_id AND folder = old.folder
      AND last = (SELECT MIN(last) FROM filings WHERE last >= old.message_id) AND unread <= 0;
"""
_COUNTED = """
    INSERT INTO unread_blocks (inbox_id, folder, last, above, unread)
    SELECT new.inbox_id, new.folder, last, above, 1 FROM filings
    WHERE last = (SELECT MIN(last) FROM filings WHERE last >= new.message_id)
    ON CONFLICT (inbox_id, folder, last) DO UPDATE SET unread = unread + 1;
"""
_ELSEWHERE = "(old.folder <> new.folder OR old.is_read <> new.is_read)"
_TRIGGERS = (
    f"""
CREATE TRIGGER unread_left AFTER UPDATE ON filed_copies
WHEN old.is_read = 0 AND {_ELSEWHERE} BEGIN {_UNCOUNTED} END
""",
    f"""
CREATE TRIGGER unread_came AFTER UPDATE ON filed_copies
WHEN new.is_read = 0 AND {_ELSEWHERE} BEGIN {_COUNTED} END
""",
    f"""
CREATE TRIGGER unread_deleted AFTER DELETE ON filed_copies
WHEN old.is_read = 0 BEGIN {_UNCOUNTED} END
""",
)
