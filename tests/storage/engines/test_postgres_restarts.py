"""PostgreSQL that stops, crashes, is loosened by a reload, or says nothing."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from storage.accounts import tenants
from storage.accounts.tenants import Tenant
from storage.clock import system_clock
from storage.database import Database, Tx
from storage.engines import postgres, postgres_connections
from storage.engines.opening import open_database
from storage.errors import StoreUnavailable
from tests.support.engines import Engine
from tests.support.patience import HANG_SECONDS
from tests.support.postgres_server import PostgresServer

HERE = Path()


async def make_tenant(tx: Tx, kind: str = "Example") -> Tenant:
    return await tenants.create_tenant(tx, name=f"{kind} {uuid4().hex}", now=1)


async def names(tx: Tx) -> list[str]:
    return [tenant.name.partition(" ")[0] for tenant in await tenants.list_tenants(tx)]


async def refusal(url: str) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await open_database(url, HERE, system_clock)
    return str(caught.value)


async def well_again(database: Database) -> float:
    """Ask as a gateway under load does; the seconds until both ways are open."""
    began = time.monotonic()

    async def try_until_it_works(use: Callable[[], asyncio.Future[object]]) -> None:
        while True:
            try:
                await use()
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return

    await asyncio.gather(
        try_until_it_works(lambda: asyncio.ensure_future(database.write(make_tenant))),
        *(
            try_until_it_works(lambda: asyncio.ensure_future(database.read(names)))
            for _ in range(8)
        ),
    )
    return time.monotonic() - began


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_after_the_server_is_back_so_is_the_store(
    own_server: PostgresServer, how: signal.Signals
) -> None:
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    await asyncio.gather(*(database.read(names) for _ in range(10)))
    await database.write(make_tenant)
    asking = asyncio.create_task(ask_all_the_time(database))

    await asyncio.to_thread(own_server.stop, how)
    await asyncio.sleep(9)  # past the first patience, so that attempts have been given up
    await asyncio.to_thread(own_server.start)

    assert await well_again(database) < 5
    asking.cancel()
    refused = await asking
    assert refused > 0
    assert (await database.read(names))[0] == "Example"
    await database.close()


async def set_on_the_server(own_server: PostgresServer, name: str, value: str) -> None:
    """Change a setting of the running server by a reload, and wait until sessions have it."""

    def change() -> None:
        with psycopg.connect(own_server.url(), autocommit=True) as operator:
            operator.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            operator.execute("SELECT pg_reload_conf()")
            while True:
                row = operator.execute(f"SHOW {name}".encode()).fetchone()
                if row is not None and row[0] == value:
                    return
                time.sleep(0.02)

    await asyncio.to_thread(change)


async def test_a_reload_loosens_no_session_of_ours(own_server: PostgresServer) -> None:
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    await set_on_the_server(own_server, "synchronous_commit", "off")

    async def own_setting(tx: Tx) -> object:
        row = await tx.fetch_one("SELECT current_setting('synchronous_commit') AS now")
        return row and row["now"]

    assert await database.write(own_setting) == "on"
    await asyncio.to_thread(own_server.stop)
    await asyncio.to_thread(own_server.start)
    await well_again(database)
    assert await database.write(own_setting) == "on"
    await database.close()
    assert "synchronous_commit = off" in await refusal(own_server.url())


async def test_what_no_session_can_set_is_asked_for_in_each_write(
    own_server: PostgresServer,
) -> None:
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    for name in ("full_page_writes", "fsync"):
        await set_on_the_server(own_server, name, "off")
        assert f"{name} = off" in await told_in_the_end(database, refused=True)
        await database.read(names)

        await set_on_the_server(own_server, name, "on")
        assert await told_in_the_end(database, refused=False) == ""
    await database.close()


async def told_in_the_end(database: Database, *, refused: bool) -> str:
    """The refusal of a write, or none: a session hears of a reload a moment after it was asked."""
    said = ""
    for _ in range(100):
        try:
            await database.write(make_tenant)
        except StoreUnavailable as error:
            said = str(error)
        else:
            said = ""
        if bool(said) == refused:
            break
        await asyncio.sleep(0.05)
    return said


async def ask_all_the_time(database: Database) -> int:
    """Eight callers that hear of nothing but StoreUnavailable; how often they did."""
    refused = 0

    async def ask() -> None:
        nonlocal refused
        while True:
            try:
                await database.read(names)
            except StoreUnavailable:
                refused += 1
            await asyncio.sleep(0.02)

    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*(ask() for _ in range(8)))
    return refused


async def test_a_short_restart_is_waited_for(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No longer than the restart takes here: with the product's five seconds it is a short one.
    monkeypatch.setattr(postgres_connections, "PATIENCE", HANG_SECONDS)
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    await asyncio.to_thread(own_server.stop)
    writing = asyncio.create_task(database.write(make_tenant))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_server.start)

    assert (await writing).name.startswith("Example ")
    await database.close()


async def test_a_server_that_says_nothing_is_hung_up_on(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "_ANSWER_WITHIN", 0.5)
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    await database.write(make_tenant)
    monkeypatch.setattr(postgres, "WRITE_WAIT", 0.5)
    own_server.hold(signal.SIGSTOP)
    try:
        began = time.monotonic()
        results = await asyncio.gather(
            database.read(names), database.write(make_tenant), return_exceptions=True
        )
        assert [type(result) for result in results] == [StoreUnavailable] * 2
        assert time.monotonic() - began < 5
    finally:
        own_server.hold(signal.SIGCONT)

    assert await well_again(database) < 5
    await database.close()
