"""A table that PostgreSQL has never analyzed is analyzed soon after it has grown."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from storage.clock import system_clock
from storage.database import Store, Tx
from storage.engines.postgres import open_postgres
from storage.engines.servers import first_statistics
from storage.engines.servers.first_statistics import FirstStatistics
from storage.errors import StoreUnavailable

ROWS = [{"key": number, "text": "x" * 40} for number in range(3_000)]


async def make(tx: Tx, name: str, rows: Sequence[dict[str, object]]) -> None:
    await tx.execute(f"CREATE TABLE {name} (key INTEGER PRIMARY KEY, text TEXT)")
    await tx.execute_many(f"INSERT INTO {name} (key, text) VALUES (:key, :text)", rows)


async def without(store: Store) -> set[str]:
    async def work(tx: Tx) -> set[str]:
        rows = await tx.fetch_all(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples < 0"
            " AND relnamespace = to_regnamespace(current_schema())"
        )
        return {str(row["relname"]) for row in rows}

    return await store.read(work)


async def rows_known(store: Store, name: str) -> int:
    """How many rows the planner takes the table for."""
    query = "SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"
    row = await store.read(lambda tx: tx.fetch_one(query, {"name": name}))
    assert row is not None
    return int(row["reltuples"])


async def analyzed(store: Store, name: str) -> None:
    """Wait until the table has statistics."""
    async with asyncio.timeout(20):
        while name in await without(store):  # noqa: ASYNC110  # it is the store that is looked at
            await asyncio.sleep(0.02)


async def test_a_commit_has_long_tables_analyzed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_statistics, "_LOOK_SECONDS", 0.05)
    store = await open_postgres(url, system_clock)

    async def work(tx: Tx) -> None:
        await make(tx, "Short", ROWS[:10])
        await make(tx, '"Long"', ROWS)

    try:
        await store.write(work)
        await analyzed(store, "Long")
        await store.write(partial(make, name="later", rows=ROWS))
        await analyzed(store, "later")
        assert "short" in await without(store)
    finally:
        await store.close()


class Server:
    """Notes what is asked of it. With `fault` no connection is lent; a table of another owner is
    passed over.
    """

    def __init__(self, url: str) -> None:
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.passes_over = False
        self._url = url

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        if self.fault is not None:
            raise self.fault
        async with await AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row
        ) as connection:
            execute = connection.execute

            async def noted(text: bytes) -> object:
                self.asked.append(text.decode().split()[0])
                return None if self.passes_over and b"ANALYZE" in text else await execute(text)

            connection.execute = noted  # type: ignore[method-assign, assignment]
            yield connection


async def looked(statistics: FirstStatistics) -> None:
    statistics.look_seconds = 0
    statistics.look_soon()
    assert statistics.looking is not None
    await statistics.looking


async def test_a_table_that_gets_none_is_tried_once(url: str, opened: Store) -> None:
    await opened.write(partial(make, name="long", rows=ROWS))
    server = Server(url)
    server.passes_over = True
    statistics = FirstStatistics(server.lend)
    await looked(statistics)
    await looked(statistics)
    assert "long" in await without(opened)
    assert server.asked == ["SELECT", "ANALYZE", "SELECT"]


async def test_a_table_analyzed_while_its_rows_were_on_their_way_is_analyzed_again(
    url: str, opened: Store
) -> None:
    server = Server(url)
    statistics = FirstStatistics(server.lend)
    await opened.write(partial(make, name="long", rows=ROWS[:1]))

    async def work(tx: Tx) -> None:
        insert = "INSERT INTO long (key, text) VALUES (:key, :text)"
        await tx.execute_many(insert, ROWS[1:])
        await tx.fetch_all("SELECT key FROM long WHERE key = 0")  # the rows are at the server now
        await looked(statistics)
        await asyncio.sleep(1)  # the server counts the rows of a connection once a second

    await opened.write(work)
    assert await rows_known(opened, "long") < 10
    async with asyncio.timeout(20):
        while await rows_known(opened, "long") < 10:  # the server counts some time after a commit
            await looked(statistics)
    assert await rows_known(opened, "long") == len(ROWS)
    await looked(statistics)
    assert server.asked[-2:] == ["ANALYZE", "SELECT"]


async def test_a_server_out_of_reach_is_told_and_asked_again(
    url: str, opened: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await opened.write(partial(make, name="long", rows=ROWS))
    server = Server(url)
    statistics = FirstStatistics(server.lend)
    for fault in (StoreUnavailable("away"), psycopg.OperationalError("lost")):
        server.fault = fault
        with caplog.at_level(logging.WARNING):
            await looked(statistics)
        assert str(fault) in caplog.text
    server.fault = None
    await looked(statistics)
    assert "long" not in await without(opened)


async def test_one_look_is_under_way_and_close_ends_it(url: str) -> None:
    server = Server(url)
    statistics = FirstStatistics(server.lend)
    await statistics.close()
    statistics.look_soon()
    first = statistics.looking
    statistics.look_soon()
    assert statistics.looking is first
    await statistics.close()
    assert first is not None and first.cancelled()
    assert server.asked == []
