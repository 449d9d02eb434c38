"""What the parser finds out after the commit, and the index of words."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m003_parsing(tx: Tx) -> None:
    """Make room for previews, attachments and bodies; messages that wait are their own queue."""
    await run_schema(tx, _PARSING)
    await run_schema(tx, _INDEX[tx.dialect["engine"]])


_PARSING = """
ALTER TABLE messages ADD COLUMN preview {text} NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN has_attachments INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN text_parts {text} NOT NULL DEFAULT '[]';
ALTER TABLE messages ADD COLUMN reply_to {text} NOT NULL DEFAULT '[]';
CREATE INDEX messages_pending ON messages (message_id) WHERE parse_status = 'pending';

CREATE TABLE parse_attempts (
    message_id {id} PRIMARY KEY,
    tries INTEGER NOT NULL,
    held_until {int64} NOT NULL,
    reason {text}
) {clustered};

CREATE TABLE bodies (
    message_id {id} PRIMARY KEY,
    text {bytes},
    html {bytes}
);

CREATE TABLE attachments (
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    attachment_id {id} NOT NULL,
    filename {text},
    content_type {text} NOT NULL,
    size {int64} NOT NULL,
    is_inline INTEGER NOT NULL,
    content_id {text},
    part_start {int64} NOT NULL,
    part_end {int64} NOT NULL,
    encoding {text} NOT NULL,
    PRIMARY KEY (message_id, position)
) {clustered}
"""

# The full-text index is the one part of the schema in which the engines differ.
_INDEX = {
    "sqlite": """
CREATE VIRTUAL TABLE search_words USING fts5(
    scope, sender, recipient, subject, body, content='', columnsize=0, tokenize='ascii'
);
CREATE TABLE search_documents (
    document_id INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL
);
CREATE TABLE search_texts (
    document_id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    words BLOB NOT NULL
)
""",
    "postgres": """
CREATE TABLE search_documents (
    message_id bytea PRIMARY KEY,
    words tsvector NOT NULL
);
CREATE INDEX search_documents_by_words ON search_documents USING GIN (words)
""",
}
