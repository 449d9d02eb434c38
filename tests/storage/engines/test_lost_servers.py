"""PostgreSQL servers that fall silent or are lost, and what a gateway still knows of them then."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from storage.accounts import tenants
from storage.clock import system_clock
from storage.database import Store, Tx
from storage.engines import postgres, postgres_connections
from storage.engines.leases import route_leases
from storage.engines.opening import open_lookups
from storage.engines.postgres import open_postgres
from storage.engines.postgres_connections import connected
from tests.support.engines import Engine
from tests.support.postgres_server import PostgresServer

HERE = Path()


async def make_tenant(tx: Tx) -> int:
    """Make a tenant; the server's process that did it."""
    await tenants.create_tenant(tx, name=uuid4().hex, now=1)
    row = await tx.fetch_one("SELECT pg_backend_pid() AS process")
    assert row is not None
    return int(row["process"])


async def test_a_server_that_cannot_look_for_its_clients_is_used_all_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "DO $$ BEGIN RAISE 'not here' USING ERRCODE = 'invalid_parameter_value'; END $$;"
    monkeypatch.setattr(postgres_connections, "_LOOK_FOR_US", refused)
    database = await open_postgres(url, system_clock)
    await database.write(make_tenant)
    await database.close()


async def test_nobody_waits_for_ever_for_the_end_of_a_read(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_server.start()
    database = await Engine("", own_server.url(), HERE).open()
    monkeypatch.setattr(postgres_connections, "_ANSWER_WITHIN", 0.5)

    async def work(tx: Tx) -> int:
        await tx.fetch_one("SELECT 1 AS one")
        own_server.hold(signal.SIGSTOP)
        return 1

    try:
        assert await database.read(work) == 1
        async with asyncio.timeout(20):  # it waits for all that is under way
            await database.close()
    finally:
        own_server.hold(signal.SIGCONT)


async def test_who_changed_a_route_waits_for_no_silent_server(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_leases, "LATE", "SELECT pg_sleep(60)")
    began = time.monotonic()
    async with connected(url) as (connection, _):
        await route_leases.until_dropped(connection, None, began)
    assert route_leases.LEASE <= time.monotonic() - began < 20


async def test_a_lease_on_routes_outlives_a_crash_of_the_server(own_server: PostgresServer) -> None:
    """Else a change right behind the crash would not wait for whoever still remembers routes."""
    own_server.start({"wal_writer_delay": "10s"})
    await (await Engine("", own_server.url(), HERE).open()).close()
    lookups = await open_lookups(own_server.url(), HERE)
    async with asyncio.timeout(20):
        while lookups.route_generation() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    own_server.stop(signal.SIGQUIT)
    await lookups.close()
    own_server.start()
    with psycopg.connect(own_server.url(), autocommit=True) as operator:
        assert operator.execute("SELECT count(*) FROM route_leases").fetchone() == (1,)


async def test_a_process_of_the_server_that_was_ours_may_be_anothers(
    url: str, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was restarted begins to count anew, where it is alone on its machine."""
    told, woken = asyncio.Queue[Callable[[int], object]](), list[int]()

    async def listen(_store: str, _channel: str, heard: Callable[[int], object]) -> None:
        told.put_nowait(heard)
        await asyncio.Event().wait()

    monkeypatch.setattr(postgres, "listen", listen)
    opened.hear_others(lambda: woken.append(1))
    heard = await told.get()
    former = await opened.write(make_tenant)
    heard(former)
    assert not woken
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    present = await opened.write(make_tenant)
    heard(present)
    assert not woken
    heard(former)
    assert woken
