"""The kept lines of a card (photos, what has no place of its own), apart from what lists show."""

from __future__ import annotations

import json

from storage.database import Tx

_PAGE = 200
_APART = ("lines", "also")


async def m017_card_apart(tx: Tx) -> None:
    """Move them into a column of their own, behind all others: a list does not read it."""
    await tx.execute(
        "ALTER TABLE contacts ADD COLUMN apart {text} NOT NULL DEFAULT '{{}}'".format_map(
            tx.dialect
        )
    )
    after = b""
    while rows := await tx.fetch_all(
        f"""
        SELECT contact_id, card FROM contacts
        WHERE contact_id > :after AND (card LIKE '%"lines"%' OR card LIKE '%"also"%')
        ORDER BY contact_id LIMIT {_PAGE}
        """,
        {"after": after},
    ):
        after = bytes(rows[-1]["contact_id"])
        moved = []
        for row in rows:
            card = json.loads(row["card"])
            apart = json.dumps({name: card.pop(name) for name in _APART if name in card})
            moved.append(
                {"contact_id": row["contact_id"], "card": json.dumps(card), "apart": apart}
            )
        await tx.execute_many(
            "UPDATE contacts SET card = :card, apart = :apart WHERE contact_id = :contact_id",
            moved,
        )
