"""The schema: one on both engines, made once, whoever starts at the same time."""

import asyncio
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from storage import migrations
from storage.clock import system_clock
from storage.database import Database, Tx
from storage.engines.opening import open_database
from storage.errors import StoreUnavailable
from storage.maintenance.readiness import require_ready
from storage.migrations import OLDEST, STEPS, Step, migrate, require_current, version
from tests.support.engines import Databases, Engine

Columns = dict[str, dict[str, bool]]
# How each engine finds words, and the copies of an inbox in order, is its own affair.
OWN_TABLES = ("search_", "sqlite_", "filed_copies", "filing", "unread_blocks")


@pytest.fixture(params=["sqlite", "postgresql"])
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Give a store in which nobody has made a table yet, on one engine and then on the other."""
    if request.param == "sqlite":
        yield Engine("sqlite", "sqlite", tmp_path)
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make_empty()
    yield Engine("postgresql", url, tmp_path)
    databases.drop(url)


async def opened(engine: Engine) -> Database:
    return await open_database(engine.store, engine.data, system_clock)


async def test_a_new_store_gets_every_step_once(untouched: Engine) -> None:
    database = await opened(untouched)

    assert await migrate(database, now=7) == len(STEPS)
    assert await migrate(database, now=8) == 0

    rows = await database.read(
        lambda tx: tx.fetch_all("SELECT number, name, applied_at FROM migrations ORDER BY number")
    )
    assert [(row["number"], row["name"], row["applied_at"]) for row in rows] == [
        (number, step.__name__, 7) for number, step in enumerate(STEPS, start=1)
    ]
    await database.close()


def test_steps_are_named_by_their_number() -> None:
    assert [step.__name__[:4] for step in STEPS] == [f"m{n:03d}" for n in range(1, len(STEPS) + 1)]


async def test_started_several_times_at_once_each_step_runs_once(untouched: Engine) -> None:
    stores = [await opened(untouched) for _ in range(4)]

    done = await asyncio.gather(*(migrate(store, now=7) for store in stores))

    assert sum(done) == len(STEPS)
    for store in stores:
        await store.close()


def migrate_alone(engine: Engine, done: "multiprocessing.Queue[int]") -> None:
    async def run() -> int:
        database = await opened(engine)
        try:
            return await migrate(database, now=7)
        finally:
            await database.close()

    done.put(asyncio.run(run()))


def test_two_processes_that_start_at_once_run_each_step_once(untouched: Engine) -> None:
    context = multiprocessing.get_context("spawn")
    done: multiprocessing.Queue[int] = context.Queue()
    starts = [context.Process(target=migrate_alone, args=(untouched, done)) for _ in range(2)]
    for start in starts:
        start.start()
    ran = [done.get(timeout=60) for _ in starts]
    for start in starts:
        start.join()

    assert sum(ran) == len(STEPS)


async def test_a_step_that_fails_leaves_nothing_behind(
    untouched: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def m999_half_way(tx: Tx) -> None:
        await tx.execute("CREATE TABLE half_way (number INTEGER)")
        raise RuntimeError("power cut")

    database = await opened(untouched)
    await migrate(database, now=1)
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, m999_half_way))

    with pytest.raises(RuntimeError, match="power cut"):
        await migrate(database, now=2)

    assert (await version(database)).last == len(STEPS)
    with pytest.raises(Exception, match="half_way"):
        await database.read(lambda tx: tx.fetch_all("SELECT number FROM half_way"))
    await database.close()


async def test_a_store_of_a_newer_release_is_refused(database: Database) -> None:
    await database.write(
        lambda tx: tx.execute(
            "INSERT INTO migrations (number, name, applied_at) VALUES (9999, 'm9999_later', 1)"
        )
    )

    with pytest.raises(StoreUnavailable, match="newer release"):
        await migrate(database, now=1)
    with pytest.raises(StoreUnavailable, match="newer release"):
        await require_ready(database)


async def test_a_newer_release_says_which_older_ones_may_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expand, then contract: only a step that takes something away ends what runs beside it."""
    here = len(STEPS)
    assert (await version(database)).oldest == OLDEST <= here

    async def m998_adds(tx: Tx) -> None:
        await tx.execute("CREATE TABLE added (number INTEGER)")

    async def m999_takes_away(tx: Tx) -> None:
        await tx.execute("DROP TABLE added")

    async def upgrade(*steps: Step, oldest: int) -> None:
        """Migrate as the release with these steps does."""
        with monkeypatch.context() as newer:
            newer.setattr(migrations, "STEPS", (*STEPS, *steps))
            newer.setattr(migrations, "OLDEST", oldest)
            await migrate(database, now=1)

    await upgrade(m998_adds, oldest=here)
    assert await migrate(database, now=1) == 0
    await require_ready(database)
    await upgrade(m998_adds, m999_takes_away, oldest=here + 2)
    for refused in (migrate(database, now=1), require_current(database), require_ready(database)):
        with pytest.raises(StoreUnavailable, match="newer release"):
            await refused


async def test_both_engines_have_the_same_tables_and_columns(
    databases: Databases, tmp_path: Path
) -> None:
    await (await Engine("sqlite", "sqlite", tmp_path).open()).close()
    url = databases.make()

    assert of_postgres(url) == of_sqlite(tmp_path / "postroom.db")
    databases.drop(url)


def of_sqlite(file: Path) -> Columns:
    """Return each table's columns, and whether they may be null."""
    with closing(sqlite3.connect(file)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM pragma_table_list")]
        return {
            table: {
                name: not (not_null or is_key)
                for _, name, _, not_null, _, is_key in store.execute(f"PRAGMA table_info({table})")
            }
            for table in tables
            if not table.startswith(OWN_TABLES)
        }


def of_postgres(url: str) -> Columns:
    found: Columns = {}
    with psycopg.connect(url) as store:
        for table, name, nullable in store.execute(
            "SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        ):
            if not table.startswith(OWN_TABLES):
                found.setdefault(table, {})[name] = nullable
    return found


async def test_text_compares_by_octets_in_every_column(databases: Databases) -> None:
    """A step writes {text}; TEXT alone would take the order of the database's locale."""
    url = databases.make()
    with psycopg.connect(url) as store:
        others = store.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND data_type = 'text'"
            " AND collation_name IS DISTINCT FROM 'C'"
        ).fetchall()

    assert others == []
    databases.drop(url)


async def test_times_ids_and_sizes_have_room_on_both_engines(databases: Databases) -> None:
    """A column of microseconds or octets that were INTEGER would overflow in 2038 or at 2 GiB."""
    url = databases.make()
    with psycopg.connect(url) as store:
        narrow = store.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND data_type = 'integer'"
            " AND (column_name LIKE '%\\_at' OR column_name LIKE '%size%'"
            "      OR column_name LIKE '%until%' OR column_name = 'value')"
        ).fetchall()

    assert narrow == []
    databases.drop(url)
