"""The order of the copies of an inbox, kept apart from the copies themselves."""

from __future__ import annotations

from storage.database import Tx


async def m013_filing(tx: Tx) -> None:
    """File all copies there are (`storage.index.copy_index`); PostgreSQL keeps its index."""
    if tx.dialect["engine"] != "sqlite":
        return
    for statement in (_FILED, _FILE, _FILING, _UP_TO, _COUNTED, _NO_INDEX, _CHANGED, _DELETED):
        await tx.execute(statement)


_FILED = """
CREATE TABLE filed_copies (
    inbox_id BLOB NOT NULL,
    folder INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    is_read INTEGER NOT NULL,
    is_flagged INTEGER NOT NULL,
    route INTEGER NOT NULL,
    PRIMARY KEY (inbox_id, folder, message_id)
) WITHOUT ROWID
"""
_FILE = """
INSERT INTO filed_copies (inbox_id, folder, message_id, is_read, is_flagged, route)
    SELECT inbox_id, folder, message_id, is_read, is_flagged, route FROM copies
    ORDER BY inbox_id, folder, message_id
"""
_FILING = """
CREATE TABLE filing (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    message_id BLOB NOT NULL
)
"""
_UP_TO = """
INSERT INTO filing (only, message_id) SELECT 1, COALESCE(MAX(message_id), x'') FROM copies
"""
_COUNTED = "INSERT INTO store_state (name, value) VALUES ('unfiled', 0)"
_NO_INDEX = "DROP INDEX copies_by_folder"
_CHANGED = """
CREATE TRIGGER copies_changed AFTER UPDATE ON copies BEGIN
    UPDATE filed_copies
    SET folder = new.folder, is_read = new.is_read, is_flagged = new.is_flagged, route = new.route
    WHERE inbox_id = old.inbox_id AND folder = old.folder AND message_id = old.message_id;
END
"""
_DELETED = """
CREATE TRIGGER copies_deleted AFTER DELETE ON copies BEGIN
    DELETE FROM filed_copies
    WHERE inbox_id = old.inbox_id AND folder = old.folder AND message_id = old.message_id;
END
"""
