"""The full-text index in SQLite: one FTS5 table without content, and the words it was given.

- The row number is the time part of the message's id, which rises with the messages and is unique
  among those that this engine gave: a query gives the newest first without sorting. In a store that
  was copied from PostgreSQL two tenants may have messages of one microsecond: there it is the next
  free number, a few above that.
- FTS5 deletes a row only when it gets the same words again (SQLite 3.40 has no other way for a
  table without content), so they are stored, compressed, in `search_texts`.
- The tokenizer splits words at our spaces; all else about words is decided before.
- A common word in a folder of few messages is not looked up in all the others: after so many hits
  outside the folder, the folder's own messages are matched by their words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from storage.database import Tx
from storage.index.copy_index import Source, fetch_newest
from storage.index.query import Lookup, Term, packed_matches
from storage.index.words import FIELDS, Entry, unpack

_MANY_FIELDS = "{" + " ".join(FIELDS) + "}"
_HITS_WALKED = (200, 5_000)
_HIGHEST = (1 << 63) - 1
_MOST_SHIFTED = 1_000
_JUDGED_AT_ONCE = 250
_JUDGED = 2_000


async def index(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add messages: id, scopes, packed words. None of them is indexed already."""
    await _add(tx, {number(entry[0]): entry for entry in entries})


async def index_in_order(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add messages in the order of their ids, all above those that are indexed."""
    row = await tx.fetch_one("SELECT MAX(document_id) AS last FROM search_documents")
    last = row["last"] if row and row["last"] is not None else -1
    numbered = {}
    for entry in entries:
        last = max(number(entry[0]), last + 1)
        numbered[last] = entry
    await _add(tx, numbered)


async def _add(tx: Tx, entries: Mapping[int, Entry]) -> None:
    rows = [
        {
            "document_id": document_id,
            "message_id": message_id,
            "scope": " ".join(scopes),
            "words": packed,
            **unpack(packed),
        }
        for document_id, (message_id, scopes, packed) in entries.items()
    ]
    for statement in _INDEX:
        await tx.execute_many(statement, rows)


_INDEX = (
    """
    INSERT INTO search_documents (document_id, message_id) VALUES (:document_id, :message_id)
    """,
    """
    INSERT INTO search_texts (document_id, scope, words) VALUES (:document_id, :scope, :words)
    """,
    """
    INSERT INTO search_words (rowid, scope, sender, recipient, subject, body)
    VALUES (:document_id, :scope, :sender, :recipient, :subject, :body)
    """,
)


async def forget(tx: Tx, message_id: bytes) -> None:
    """Remove a message; no effect when it is not indexed."""
    row = await tx.fetch_one(_FIND, {"number": number(message_id), "message_id": message_id})
    if row is None:
        return
    key = {"document_id": row["document_id"]}
    # A table without content has to be told the very words that it indexed.
    await tx.execute(
        """
        INSERT INTO search_words (search_words, rowid, scope, sender, recipient, subject, body)
        VALUES ('delete', :document_id, :scope, :sender, :recipient, :subject, :body)
        """,
        {**key, "scope": row["scope"], **unpack(bytes(row["words"]))},
    )
    for table in ("search_documents", "search_texts"):
        await tx.execute(f"DELETE FROM {table} WHERE document_id = :document_id", key)


_FIND = f"""
    SELECT t.document_id, t.scope, t.words FROM search_documents d
    CROSS JOIN search_texts t ON t.document_id = d.document_id
    WHERE d.document_id BETWEEN :number AND :number + {_MOST_SHIFTED} AND d.message_id = :message_id
    LIMIT 1
"""


async def find(tx: Tx, lookup: Lookup) -> list[bytes]:
    """Return the ids of the matching messages, newest first."""
    found: list[bytes] = []
    below = await _place_of(tx, lookup.before) if lookup.before else _HIGHEST
    for most in _HITS_WALKED if lookup.narrow else ():
        hits = await _hits(tx, lookup, below, most)
        found += await _fitting(tx, lookup, hits)
        if len(found) >= lookup.limit or len(hits) < most:
            return found[: lookup.limit]
        below = hits[-1]
    judged = await _judge(tx, lookup, below) if lookup.narrow else None
    if judged is None:
        judged = await _walk(tx, lookup, below)
    return [*found, *judged][: lookup.limit]


async def _hits(tx: Tx, lookup: Lookup, below: int, most: int) -> list[int]:
    """Return at most so many hits, newest first, before other conditions."""
    statement = f"{_HITS.format(_newer(lookup))} LIMIT {most}"
    rows = await tx.fetch_all(statement, _params(lookup, below))
    return [row["document_id"] for row in rows]


async def _place_of(tx: Tx, message_id: bytes) -> int:
    """The row number of a message, or the one that it would have."""
    row = await tx.fetch_one(_FIND, {"number": number(message_id), "message_id": message_id})
    return int(row["document_id"]) if row else number(message_id)


_HITS = """
    SELECT rowid AS document_id FROM search_words
    WHERE search_words MATCH :match AND rowid < :below {} ORDER BY rowid DESC
"""


async def _fitting(tx: Tx, lookup: Lookup, hits: Sequence[int]) -> list[bytes]:
    """Return those of the hits that meet the conditions."""
    chosen = "SELECT value AS document_id FROM json_each(:hits)"
    return await _ids(tx, lookup, chosen, {**lookup.params, "hits": json.dumps(hits)})


async def _walk(tx: Tx, lookup: Lookup, below: int) -> list[bytes]:
    """Read all hits, newest first, until enough of them meet the conditions."""
    return await _ids(tx, lookup, _HITS.format(_newer(lookup)), _params(lookup, below))


async def _ids(tx: Tx, lookup: Lookup, chosen: str, params: Mapping[str, object]) -> list[bytes]:
    rows = await tx.fetch_all(
        f"""
        SELECT c.message_id FROM ({chosen}) w
        CROSS JOIN search_documents d ON d.document_id = w.document_id
        CROSS JOIN copies c ON c.message_id = d.message_id AND c.inbox_id = :inbox_id
        CROSS JOIN messages m ON m.message_id = c.message_id AND m.tenant_id = :tenant_id
        WHERE 1 = 1 {lookup.conditions}
        ORDER BY w.document_id DESC LIMIT :limit
        """,
        params,
    )
    return [bytes(row["message_id"]) for row in rows]


def _newer(lookup: Lookup) -> str:
    return "AND rowid > :after_number" if lookup.after else ""


def _params(lookup: Lookup, below: int) -> dict[str, object]:
    return {
        **lookup.params,
        "match": match(lookup.scopes, lookup.terms),
        "after_number": number(lookup.after) if lookup.after else None,
        "below": below,
    }


async def _judge(tx: Tx, lookup: Lookup, under: int) -> list[bytes] | None:
    """Read the copies instead, newest first; None when that does not get far soon."""
    found: list[bytes] = []
    below = await _id_at(tx, under)
    for _ in range(0, _JUDGED, _JUDGED_AT_ONCE):
        copies = await _copies_below(tx, lookup, below)
        meant = await matching(tx, copies, lookup.scopes, lookup.terms)
        found += [one for one in copies if one in meant]
        if len(found) >= lookup.limit or len(copies) < _JUDGED_AT_ONCE:
            return found[: lookup.limit]
        below = copies[-1]
    return None


async def _id_at(tx: Tx, document_id: int) -> bytes:
    """The message of this row number, or the least id that could have it."""
    row = await tx.fetch_one(
        "SELECT message_id FROM search_documents WHERE document_id = :document_id",
        {"document_id": document_id},
    )
    return bytes(row["message_id"]) if row else document_id.to_bytes(8, "big") + bytes(8)


async def _copies_below(tx: Tx, lookup: Lookup, below: bytes) -> list[bytes]:
    found: list[bytes] = []
    params = {**lookup.params, "below": below, "after": lookup.after, "limit": _JUDGED_AT_ONCE}
    for one in lookup.narrow:
        if one.startswith("m."):
            rows = await tx.fetch_all(
                _narrowed(lookup, "messages m CROSS JOIN copies c", one), params
            )
        else:
            rows = await fetch_newest(
                tx, partial(_in_order, lookup, one), params, limit=_JUDGED_AT_ONCE
            )
        found += [bytes(row["message_id"]) for row in rows]
    return sorted(found, reverse=True)[:_JUDGED_AT_ONCE]


def _in_order(lookup: Lookup, one: str, source: Source) -> str:
    return _narrowed(lookup, f"{source} c CROSS JOIN messages m", one)


def _narrowed(lookup: Lookup, joined: str, one: str) -> str:
    return f"""
        SELECT c.message_id FROM {joined}
        WHERE m.message_id = c.message_id AND c.inbox_id = :inbox_id
          AND m.tenant_id = :tenant_id AND {one} AND c.message_id < :below
          {"AND c.message_id > :after" if lookup.after else ""} {lookup.conditions}
        ORDER BY c.message_id DESC LIMIT :limit
    """


async def matching(
    tx: Tx, message_ids: Iterable[bytes], scopes: Sequence[str], terms: Sequence[Term]
) -> set[bytes]:
    """Return those of the messages that have all scopes and terms, of whatever inbox."""
    found = set()
    for message_id in message_ids:
        row = await tx.fetch_one(_FIND, {"number": number(message_id), "message_id": message_id})
        if row is None or not {*scopes} <= {*row["scope"].split(" ")}:
            continue
        if packed_matches(terms, bytes(row["words"])):
            found.add(message_id)
    return found


async def entries_after(tx: Tx, message_id: bytes, limit: int) -> list[Entry]:
    """Return the next messages of the index, as `index` takes them, in the order of their ids."""
    rows = await tx.fetch_all(
        f"""
        SELECT d.message_id, t.scope, t.words FROM search_documents d
        JOIN search_texts t ON t.document_id = d.document_id
        WHERE d.document_id > :above ORDER BY d.document_id LIMIT {limit}
        """,
        {"above": await _place_of(tx, message_id) if message_id else -1},
    )
    return [(bytes(row["message_id"]), row["scope"].split(), bytes(row["words"])) for row in rows]


def match(scopes: Iterable[str], terms: Iterable[Term]) -> str:
    """Build the FTS5 query; words and scopes hold no character with a meaning there."""
    parts = [f'scope : "{scope}"' for scope in scopes]
    for term in terms:
        field = _MANY_FIELDS if term.scope == "any" else term.scope
        beginning = " *" if term.prefix else ""
        parts.append(f'{field} : "{" ".join(term.words)}"{beginning}')
    return " AND ".join(parts)


def number(message_id: bytes) -> int:
    """Return the least row number of a message: the time part of its id."""
    # No two ids that this engine gave have the same time part (`storage.ids`).
    return int.from_bytes(message_id[:8], "big")
