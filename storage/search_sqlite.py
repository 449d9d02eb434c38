"""The index of words in SQLite: one FTS5 table without content, and what it was told beside it.

- The row's number is the time part of the message's id, which rises with the messages and is given
  once in a store: a look-up comes out newest first without sorting.
- FTS5 forgets a row only when it is told the same words again (SQLite 3.40 knows no other way for
  a table without content), so they are kept, compressed, in `search_documents`.
- The tokenizer parts words at the spaces we put there; all else about words is decided before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storage.database import Params, Tx
from storage.query import Term
from storage.words import FIELDS, unpack

SCHEMA = """
CREATE VIRTUAL TABLE search_words USING fts5(
    scope, sender, recipient, subject, body, content='', columnsize=0, tokenize='ascii'
);
CREATE TABLE search_documents (
    document_id INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL,
    scope TEXT NOT NULL,
    words BLOB NOT NULL
)
"""

# The rest of a condition: a copy of the inbox, then its message.
HITS = """
    FROM search_words w
    CROSS JOIN search_documents d ON d.document_id = w.rowid
    CROSS JOIN copies c ON c.message_id = d.message_id AND c.inbox_id = :inbox_id
    CROSS JOIN messages m ON m.message_id = c.message_id AND m.tenant_id = :tenant_id
    WHERE search_words MATCH :match
"""
ORDER = "w.rowid DESC"
# The same without asking whose copy it is, for messages that are known to be seen.
DOCUMENTS = """
    FROM search_words w CROSS JOIN search_documents c ON c.document_id = w.rowid
    WHERE search_words MATCH :match
"""
_MANY_FIELDS = "{" + " ".join(FIELDS) + "}"


async def index(tx: Tx, entries: Sequence[tuple[bytes, Sequence[str], bytes]]) -> None:
    """Add messages: id, scopes, packed words. None of them is there already."""
    documents = []
    rows = []
    for message_id, scopes, packed in entries:
        key = {"document_id": number(message_id), "scope": " ".join(scopes)}
        documents.append({**key, "message_id": message_id, "words": packed})
        rows.append({**key, **unpack(packed)})
    await tx.execute_many(
        """
        INSERT INTO search_documents (document_id, message_id, scope, words)
        VALUES (:document_id, :message_id, :scope, :words)
        """,
        documents,
    )
    await tx.execute_many(
        """
        INSERT INTO search_words (rowid, scope, sender, recipient, subject, body)
        VALUES (:document_id, :scope, :sender, :recipient, :subject, :body)
        """,
        rows,
    )


async def forget(tx: Tx, message_id: bytes) -> None:
    """Take a message out; nothing happens when it is not there."""
    key = {"document_id": number(message_id)}
    row = await tx.fetch_one(
        "SELECT scope, words FROM search_documents WHERE document_id = :document_id", key
    )
    if row is None:
        return
    await tx.execute(
        """
        INSERT INTO search_words (search_words, rowid, scope, sender, recipient, subject, body)
        VALUES ('delete', :document_id, :scope, :sender, :recipient, :subject, :body)
        """,
        {**key, "scope": row["scope"], **unpack(bytes(row["words"]))},
    )
    await tx.execute("DELETE FROM search_documents WHERE document_id = :document_id", key)


def match(scopes: Iterable[str], terms: Iterable[Term]) -> str:
    """What FTS5 is asked for; words and scopes hold no character that means anything there."""
    parts = [f'scope : "{scope}"' for scope in scopes]
    for term in terms:
        field = _MANY_FIELDS if term.scope == "any" else term.scope
        beginning = " *" if term.prefix else ""
        parts.append(f'{field} : "{" ".join(term.words)}"{beginning}')
    return " AND ".join(parts)


def bounds(after: bytes | None, before: bytes | None) -> tuple[str, Params]:
    """The part of the index between two ids, neither of them within."""
    condition = ""
    if after is not None:
        condition += " AND w.rowid > :after_number"
    if before is not None:
        condition += " AND w.rowid < :before_number"
    return condition, {
        "after_number": number(after) if after else None,
        "before_number": number(before) if before else None,
    }


def among(message_ids: Sequence[bytes]) -> tuple[str, Params]:
    """The condition that a hit is one of a few messages."""
    named = {f"n{place}": number(one) for place, one in enumerate(message_ids)}
    return f" AND w.rowid IN ({', '.join(f':{name}' for name in named)})", named


def number(message_id: bytes) -> int:
    """The row of a message: the time part of its id."""
    return int.from_bytes(message_id[:8], "big")
