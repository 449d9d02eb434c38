"""PgBouncer before the server: in session mode nothing is missed, other modes are refused."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from storage.accounts import tenants
from storage.clock import system_clock
from storage.database import Store, Tx
from storage.engines.opening import open_database
from storage.engines.servers.pooling import SHARED
from storage.errors import StoreUnavailable
from storage.migrations import migrate
from tests.support.pooler import Pooler
from tests.support.postgres_server import PostgresServer

HERE = Path()
CURED_WITHIN = 5.0


@pytest.fixture
def pooler(own_server: PostgresServer) -> Iterator[Pooler]:
    own_server.start()
    made = Pooler(own_server.folder, "postgres")
    yield made
    made.remove()


async def opened(url: str) -> Store:
    return await open_database(url, HERE, system_clock)


async def make_tenant(tx: Tx) -> None:
    await tenants.create_tenant(tx, name=f"Example {tx.new_id().hex()}", now=1)


async def count(tx: Tx) -> int:
    return len(await tenants.list_tenants(tx))


async def test_session_mode_serves_and_other_modes_are_refused_with_the_reason(
    own_server: PostgresServer, pooler: Pooler
) -> None:
    told: list[str] = []
    one, two = await opened(pooler.url("session")), await opened(pooler.url("session"))
    try:
        await migrate(one, now=1)
        one.hear_others(lambda: told.append("one"))
        two.hear_others(lambda: told.append("two"))
        await heard(told, ["one", "two"])  # each begins to listen
        for _ in range(7):  # from the sixth on the statements are prepared
            await one.write(make_tenant)
            await asyncio.gather(*(two.read(count) for _ in range(8)))
        await heard(told, ["two"] * 7)
        assert "one" not in told, "it heard its own commits"

        for mode, reason in (("transaction", SHARED), ("statement", "transaction")):
            with pytest.raises(StoreUnavailable, match=reason.split(";")[0].split("(")[0]):
                await opened(pooler.url(mode))

        await asyncio.to_thread(own_server.stop, signal.SIGQUIT)
        await asyncio.to_thread(own_server.start)
        assert await well_again(one) < CURED_WITHIN
    finally:
        await one.close()
        await two.close()


async def test_what_somebody_has_prepared_in_a_session_is_not_met(
    pooler: Pooler,
) -> None:
    with ExitStack() as open_together:
        for _ in range(15):  # more than the store takes
            somebody = psycopg.connect(pooler.url("session"), autocommit=True)
            open_together.enter_context(somebody)
            for number in range(9):
                somebody.execute(f"PREPARE _pg3_{number} AS SELECT 1".encode())
    store = await opened(pooler.url("session"))
    try:
        await migrate(store, now=1)
        for _ in range(7):
            await store.write(make_tenant)
        assert await store.read(count) == 7
    finally:
        await store.close()


async def heard(told: list[str], expected: list[str]) -> None:
    """Wait until that was told, in whatever order, and forget it."""
    async with asyncio.timeout(20):
        while any(told.count(one) < expected.count(one) for one in expected):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for one in expected:
        told.remove(one)


async def well_again(store: Store) -> float:
    began = time.monotonic()
    while True:
        try:
            await store.write(make_tenant)
            assert await store.read(count) >= 8
        except StoreUnavailable:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic() - began
