"""The full-text index in PostgreSQL: a `tsvector` of our own words with a GIN index.

- Words are passed with their positions; no dictionary of the server changes them. The weights A to
  D tell sender, recipient, subject and body apart.
- Fields lie one position apart, so no phrase reaches from one into the next. A field's filler takes
  its position and no room.
- Scopes begin with `=`, which is in no word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import unpack_from

from storage.database import Tx
from storage.index.query import Lookup, Term
from storage.index.words import FIELDS, FILLER, Document, Entry, pack, unpack

_WEIGHTS = dict(zip(FIELDS, "ABCD", strict=True))


async def index(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add messages: id, scopes, packed words. None of them is indexed already."""
    await tx.execute_many(
        """
        INSERT INTO search_documents (message_id, words)
        VALUES (:message_id, CAST(:words AS tsvector))
        """,
        [
            {"message_id": message_id, "words": vector(scopes, unpack(packed))}
            for message_id, scopes, packed in entries
        ],
    )


async def index_in_order(tx: Tx, entries: Sequence[Entry]) -> None:
    """The same."""
    await index(tx, entries)


async def forget(tx: Tx, message_id: bytes) -> None:
    """Remove a message; no effect when it is not indexed."""
    await tx.execute(
        "DELETE FROM search_documents WHERE message_id = :message_id", {"message_id": message_id}
    )


def vector(scopes: Iterable[str], found: dict[str, str]) -> str:
    """Return the text form of a tsvector: `'=scope' 'word':4C,9D`."""
    places: dict[str, list[str]] = {}
    position = 0
    for field in FIELDS:
        weight = _WEIGHTS[field]
        for word in found[field].split():
            position += 1
            if word != FILLER:
                places.setdefault(word, []).append(f"{position}{weight}")
        # A gap: no phrase may reach from one field into the next.
        position += 1
    parts = [f"'={scope}'" for scope in scopes]
    parts += [f"'{word}':{','.join(at)}" for word, at in places.items()]
    return " ".join(parts)


async def entries_after(tx: Tx, message_id: bytes, limit: int) -> list[Entry]:
    """Return the next messages of the index, as `index` takes them, in the order of their ids."""
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, tsvectorsend(words) AS words FROM search_documents
        WHERE message_id > :message_id ORDER BY message_id LIMIT {limit}
        """,
        {"message_id": message_id},
    )
    return [(bytes(row["message_id"]), *unvector(bytes(row["words"]))) for row in rows]


def unvector(sent: bytes) -> tuple[list[str], bytes]:
    """Return the scopes and the packed words of a tsvector, as PostgreSQL sends it.

    Positions without a word are fillers: those between two fields are given to the later one, which
    finds the same phrases.
    """
    scopes: list[str] = []
    found: list[tuple[int, int, str]] = []
    (count,) = unpack_from("!i", sent)
    at = 4
    for _ in range(count):
        end = sent.index(0, at)
        word = sent[at:end].decode()
        (times,) = unpack_from("!H", sent, end + 1)
        if not times:
            scopes.append(word.removeprefix("="))
        for place in unpack_from(f"!{times}H", sent, end + 3):
            found.append((place & _POSITION, 3 - (place >> 14), word))
        at = end + 3 + 2 * times
    found.sort()
    fields: list[list[str]] = [[] for _ in FIELDS]
    last, field = 0, 0
    for position, number, word in found:
        last, field = last + number - field, number
        fields[field] += [FILLER] * (position - last - 1)
        fields[field].append(word)
        last = position
    return scopes, pack(Document(*map(tuple, fields)))


_POSITION = (1 << 14) - 1  # of 16 bits; the other two are the weight, 3 for A


async def find(tx: Tx, lookup: Lookup) -> list[bytes]:
    """Return the ids of the matching messages, newest first.

    Each table gets the bounds: the planner does not carry them over, and would begin at the newest
    message of one table to join it with the other's.
    """
    bounds = "".join(
        (f" AND {table}.message_id < :before_id" if lookup.before else "")
        + (f" AND {table}.message_id > :after_id" if lookup.after else "")
        for table in ("c", "d", "m")
    )
    rows = await tx.fetch_all(
        f"""
        SELECT c.message_id FROM copies c
        JOIN search_documents d ON d.message_id = c.message_id
        JOIN messages m ON m.message_id = c.message_id AND m.tenant_id = :tenant_id
        WHERE c.inbox_id = :inbox_id AND d.words @@ CAST(:match AS tsquery)
          {bounds} {lookup.conditions}
        ORDER BY c.message_id DESC LIMIT :limit
        """,
        {
            **lookup.params,
            "match": match(lookup.scopes, lookup.terms),
            "before_id": lookup.before,
            "after_id": lookup.after,
        },
    )
    return [bytes(row["message_id"]) for row in rows]


async def matching(
    tx: Tx, message_ids: Sequence[bytes], scopes: Sequence[str], terms: Sequence[Term]
) -> set[bytes]:
    """Return those of the messages that have all scopes and terms, of whatever inbox."""
    names = {f"n{place}": one for place, one in enumerate(message_ids)}
    rows = await tx.fetch_all(
        f"""
        SELECT message_id FROM search_documents
        WHERE message_id IN ({", ".join(f":{name}" for name in names)})
          AND words @@ CAST(:match AS tsquery)
        """,
        {**names, "match": match(scopes, terms)},
    )
    return {bytes(row["message_id"]) for row in rows}


def match(scopes: Iterable[str], terms: Iterable[Term]) -> str:
    """Build the tsquery; words and scopes hold no character with a meaning there."""
    parts = [f"'={scope}'" for scope in scopes]
    for term in terms:
        weight = "ABCD" if term.scope == "any" else _WEIGHTS[term.scope]
        words = [f"'{word}':{weight}" for word in term.words]
        if term.prefix:
            words[-1] += "*"
        parts.append("(" + " <-> ".join(words) + ")")
    return " & ".join(parts)
