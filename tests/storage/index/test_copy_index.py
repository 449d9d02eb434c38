"""The copies of an inbox in order, filed or not: always what the copies themselves say."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import migrations
from storage.clock import system_clock
from storage.database import Row, Tx
from storage.engines.opening import open_database
from storage.index.copy_index import _FILING, Source, fetch_newest, from_clauses, unread_clauses
from storage.index.query import FOLDERS
from storage.mailbox.copies import update_copy
from storage.mailbox.deletion import delete_copy
from storage.migrations import STEPS, migrate
from tests.builders import AGENT, SALES, SUPPORT, World, copies_in, deliver, open_world
from tests.support.engines import Engine

INBOXES = (SALES, SUPPORT, AGENT)


@pytest.fixture
def embedded(tmp_path: Path) -> Engine:
    return Engine("sqlite", "sqlite", tmp_path)


async def rows(world: World, sql: str) -> list[tuple[Any, ...]]:
    async def read(tx: Tx) -> list[Row]:
        return await tx.fetch_all(sql)

    return [tuple(dict(row).values()) for row in await world.database.read(read)]


async def listed(
    world: World,
    address: str,
    folder: str,
    *,
    is_read: bool | None = None,
    before: bytes | None = None,
    limit: int = 100,
) -> list[bytes]:
    found = await copies_in(
        world, address, folder=folder, is_read=is_read, before=before, limit=limit
    )
    return [copy.message_id for copy in found]


async def change(world: World, chance: random.Random, held: tuple[bytes, bytes]) -> None:
    """Read, flag, move or delete one copy."""
    inbox_id, message_id = held
    if chance.random() < 0.2:
        await world.database.write(
            lambda tx: delete_copy(
                tx, tenant_id=world.tenant_id, inbox_id=inbox_id, message_id=message_id
            )
        )
        return
    await world.database.write(
        lambda tx: update_copy(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=inbox_id,
            message_id=message_id,
            now=1,
            is_read=chance.choice([None, True, False]),
            is_flagged=chance.choice([None, True, False]),
            folder=chance.choice([None, *FOLDERS]),
        )
    )


@pytest.mark.parametrize(("seed", "most_unfiled"), [(0, 5), (3, 4000)])
async def test_filed_soon_or_late_each_folder_lists_its_copies(
    embedded: Engine, seed: int, most_unfiled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.index.copy_index._MOST_UNFILED", most_unfiled)
    assert await is_filed_beside_others(embedded, seed) is (most_unfiled == 5)


async def test_whatever_happens_each_folder_lists_its_copies(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.index.copy_index._MOST_UNFILED", 12)
    assert await is_filed_beside_others(engine, 2) is (engine.store == "sqlite")


async def is_filed_beside_others(engine: Engine, seed: int) -> bool:
    """Deliver, change and compare by chance; whether some copies were filed and others not."""
    chance = random.Random(seed)
    found = False
    async with open_world(engine) as world:
        for _ in range(30 if engine.store == "sqlite" else 12):  # nothing is filed elsewhere
            to = chance.choice(["team@example.test", "agent@example.test", "sales@example.test"])
            await deliver(world, to)
            held = await rows(world, "SELECT inbox_id, message_id FROM copies ORDER BY 1, 2")
            await change(world, chance, chance.choice(held))
            if engine.store == "sqlite":
                found |= await in_step(world)
            await lists_agree(world, chance)
    return found


async def in_step(world: World) -> bool:
    """Assert that what is filed is what it should be, and counted; whether there is both."""
    columns = "inbox_id, folder, message_id, is_read, is_flagged, route"
    due = f"SELECT {columns} FROM copies WHERE message_id <= (SELECT message_id FROM filing)"
    filed = await rows(world, f"SELECT {columns} FROM filed_copies ORDER BY 1, 2, 3")
    assert filed == await rows(world, f"{due} ORDER BY 1, 2, 3")
    counted = "SELECT inbox_id, folder, last, unread FROM unread_blocks ORDER BY 1, 2, 3"
    assert await rows(world, counted) == await rows(
        world,
        """
        SELECT c.inbox_id, c.folder, MIN(g.last), COUNT(*) FROM filed_copies c JOIN filings g
        ON c.message_id > g.above AND c.message_id <= g.last
        WHERE c.is_read = 0 GROUP BY c.inbox_id, c.folder, g.last ORDER BY 1, 2, 3
        """,
    )
    copies = await rows(world, "SELECT message_id FROM copies")
    return 0 < len(filed) < len(copies)


async def lists_agree(world: World, chance: random.Random) -> None:
    copies = await rows(
        world, "SELECT inbox_id, folder, message_id, is_read FROM copies ORDER BY message_id DESC"
    )
    for address in INBOXES:
        for place, folder in enumerate(FOLDERS):
            of_folder = [
                (bytes(message_id), is_read)
                for inbox_id, where, message_id, is_read in copies
                if (bytes(inbox_id), where) == (world.raw[address], place)
            ]
            for is_read in (None, chance.choice([False, True])):
                right = [one for one, read in of_folder if is_read in (None, bool(read))]
                assert await listed(world, address, folder, is_read=is_read) == right
                limit = chance.randint(1, 5)
                before = chance.choice([None, *(one for one, _ in of_folder)])
                below = [one for one in right if before is None or one < before]
                page = await listed(
                    world, address, folder, is_read=is_read, before=before, limit=limit
                )
                assert page == below[:limit]


async def test_copies_are_filed_seldom_and_all_at_once(
    embedded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.index.copy_index._MOST_UNFILED", 6)
    async with open_world(embedded) as world:
        filed = []
        for _ in range(7):
            await deliver(world, "team@example.test")
            filed += await rows(world, "SELECT COUNT(*) FROM filed_copies")
    assert [count for (count,) in filed] == [0, 0, 6, 6, 6, 12, 12]


async def test_nothing_is_sorted_or_gone_through(embedded: Engine) -> None:
    """However full the store is, the newest of a folder are read from where they stand."""
    plans: list[list[str]] = []

    async def explain(tx: Tx) -> list[Row]:
        def statement(source: Source) -> str:
            return (
                f"EXPLAIN QUERY PLAN SELECT c.message_id FROM {source} c CROSS JOIN messages m"
                " WHERE c.inbox_id = x'01' AND c.folder = 0 AND c.message_id < :before"
                " AND c.is_read = 0 AND m.message_id = c.message_id"
                f" ORDER BY {source.newest_first('c')} LIMIT :limit"
            )

        for source in (*from_clauses(tx), *unread_clauses(tx, below="before")):
            found = await tx.fetch_all(statement(source), {"limit": 9, "before": b"\xff"})
            plans.append([row["detail"] for row in found])
        return await fetch_newest(tx, lambda source: f"SELECT * FROM {source}", {}, limit=0)

    async with open_world(embedded) as world:
        assert await world.database.read(explain) == []
    unfiled, filed, unfiled_unread, filed_unread = plans
    assert unfiled[0] == "SEARCH copies USING PRIMARY KEY (message_id>? AND message_id<?)"
    assert filed[0] == "SEARCH c USING PRIMARY KEY (inbox_id=? AND folder=? AND message_id<?)"
    assert unfiled_unread == unfiled
    assert filed_unread[:2] == [
        "SEARCH b USING PRIMARY KEY (inbox_id=? AND folder=?)",
        "SEARCH f USING PRIMARY KEY (inbox_id=? AND folder=? AND message_id>? AND message_id<?)",
    ]
    assert not [step for plan in plans for step in plan if "TEMP B-TREE" in step]


async def test_filing_sorts_no_copies(embedded: Engine) -> None:
    """A sort costs half as much as the filing; only inboxes are told apart."""

    async def explain(tx: Tx) -> list[list[Row]]:
        return [await tx.fetch_all(f"EXPLAIN QUERY PLAN {statement}") for statement in _FILING]

    async with open_world(embedded) as world:
        plans = await world.database.read(explain)
    sorts = {row["detail"] for plan in plans for row in plan if "TEMP B-TREE" in row["detail"]}
    assert sorts == {"USE TEMP B-TREE FOR DISTINCT"}


async def test_an_older_store_is_filed_at_the_upgrade(
    embedded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(embedded.store, embedded.data, system_clock)
    before = next(place for place, step in enumerate(STEPS) if step.__name__ == "m013_filing")
    monkeypatch.setattr(migrations, "STEPS", STEPS[:before])
    await migrate(database, now=1)
    copies = [
        {"id": bytes([n]) * 16, "folder": n % 3, "inbox": bytes([n % 2]) * 16} for n in range(9)
    ]
    await database.write(
        lambda tx: tx.execute_many(
            """
            INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
            VALUES (:inbox, :id, :folder, 0, 0, 0)
            """,
            copies,
        )
    )
    monkeypatch.setattr(migrations, "STEPS", STEPS)
    await migrate(database, now=2)
    await database.close()

    with closing(sqlite3.connect(embedded.data / "postroom.db")) as store:
        filed = store.execute("SELECT inbox_id, folder, message_id FROM filed_copies").fetchall()
        assert sorted(filed) == sorted((c["inbox"], c["folder"], c["id"]) for c in copies)
        assert store.execute("SELECT message_id FROM filing").fetchall() == [(bytes([8]) * 16,)]
        unread = store.execute("SELECT SUM(unread) FROM unread_blocks").fetchone()
        assert unread == (len(copies),)


async def test_what_is_filed_twice_stops_nobody(embedded: Engine) -> None:
    async with open_world(embedded) as world:
        for _ in range(9):
            await deliver(world, "team@example.test")
        assert await rows(world, "SELECT COUNT(*) FROM filed_copies") != [(0,)]
        await world.database.write(lambda tx: tx.execute("UPDATE filing SET message_id = x''"))
        for _ in range(9):
            await deliver(world, "team@example.test")
        assert len(await listed(world, SALES, "inbox")) == 18
        await in_step(world)
