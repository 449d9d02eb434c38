"""The stored cards of a book: how those that could be one are found."""

from pathlib import Path
from typing import cast

from storage.contacts.cards import Card
from storage.contacts.contacts import contacts_alike, contacts_named
from storage.database import Params, Row, Tx
from tests.builders import open_world
from tests.support.engines import Engine


async def test_alike_cards_are_read_by_an_index(tmp_path: Path) -> None:
    plans: list[str] = []

    class Explaining:
        def __init__(self, tx: Tx) -> None:
            self.tx = tx

        async def fetch_all(self, sql: str, params: Params) -> list[Row]:
            rows = await self.tx.fetch_all(f"EXPLAIN QUERY PLAN {sql}", params)
            plans.extend(row["detail"] for row in rows)
            return []

    async def explain(tx: Tx) -> None:
        explaining = cast(Tx, Explaining(tx))
        book = {"tenant_id": b"t", "inbox_id": b"i"}
        await contacts_alike(explaining, **book, card=Card(full_name="Ann"))
        await contacts_named(explaining, **book, sort_key="ann")

    async with open_world(Engine("sqlite", "sqlite", tmp_path)) as world:
        await world.database.read(explain)
    assert [plan.partition(" USING ")[2] for plan in plans] == [
        "INDEX contacts_by_digest (inbox_id=? AND digest=?)",
        "INDEX contacts_by_text (inbox_id=? AND sort_key=? AND <expr>=?)",
        "INDEX contacts_by_name (inbox_id=? AND sort_key=?)",
    ]
