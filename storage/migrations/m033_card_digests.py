"""Digests of cards: which card of a book a card of a file is, where hundreds have one name."""

from __future__ import annotations

from hashlib import sha256

from storage.database import Tx
from storage.migrations.schema import run_schema

_PAGE = 50  # each card may be of half a megabyte
# So many cards of a name are compared in any case.
_COMPARED = 50


async def m033_card_digests(tx: Tx) -> None:
    """Give each card a digest; of those that are there, where the oldest of a name are not all."""
    await run_schema(tx, _COLUMN)
    for name in await tx.fetch_all(_CROWDED, {"compared": _COMPARED}):
        after = b""
        key = {"inbox_id": name["inbox_id"], "sort_key": name["sort_key"]}
        while rows := await tx.fetch_all(_CARDS, {**key, "after": after, "page": _PAGE}):
            after = bytes(rows[-1]["contact_id"])
            digests = [
                {"contact_id": row["contact_id"], "digest": _digest(row["card"], row["apart"])}
                for row in rows
            ]
            await tx.execute_many(
                "UPDATE contacts SET digest = :digest WHERE contact_id = :contact_id", digests
            )


def _digest(card: str, apart: str) -> str:
    return sha256(f"{card}\n{apart}".encode()).hexdigest()[:32]


_COLUMN = """
ALTER TABLE contacts ADD COLUMN digest {text} NOT NULL DEFAULT '';
CREATE INDEX contacts_by_digest ON contacts (inbox_id, digest, contact_id) WHERE digest <> ''
"""
_CROWDED = """
SELECT inbox_id, sort_key FROM contacts
GROUP BY inbox_id, sort_key HAVING COUNT(*) > :compared
"""
_CARDS = """
SELECT contact_id, card, apart FROM contacts
WHERE inbox_id = :inbox_id AND sort_key = :sort_key AND contact_id > :after
ORDER BY contact_id LIMIT :page
"""
