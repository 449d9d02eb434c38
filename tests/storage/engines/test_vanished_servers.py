"""A server whose machine vanishes without a word, and one that is only slow."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from storage.clock import system_clock
from storage.database import Store, Tx
from storage.engines import postgres_connections
from storage.engines.fair_turns import WRITE_WAIT
from storage.engines.postgres import open_postgres
from storage.engines.postgres_connections import connected, control
from storage.engines.servers import reach
from storage.errors import StoreUnavailable
from tests.support.engines import Engine
from tests.support.postgres_server import PostgresServer
from tests.support.vanishing import VanishingServer, drop_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")

QUICK = {"keepalives_idle": 1, "keepalives_interval": 1}


@pytest.fixture
def far(own_server: PostgresServer) -> Iterator[VanishingServer]:
    """Give a way to the server that may vanish; there is another one, as to a promoted standby."""
    own_server.start()
    with VanishingServer(own_server.folder / ".s.PGSQL.5432") as made:
        yield made


@pytest.fixture
async def store(
    far: VanishingServer, own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """Give a store on it, whose gateway notices in two seconds instead of six."""
    monkeypatch.setattr(reach, "SILENT_SECONDS", 1.5)
    monkeypatch.setattr(postgres_connections, "_LOOK_EVERY", 0.2)
    monkeypatch.setattr(postgres_connections, "_OPTIONS", postgres_connections._OPTIONS | QUICK)
    await (await Engine("", own_server.url(), Path()).open()).close()
    both = own_server.url(host=f"127.0.0.1,{own_server.folder}", port=f"{far.port},5432")
    database = await open_postgres(both, system_clock)
    yield database
    await database.close()


async def one(tx: Tx) -> int:
    row = await tx.fetch_one("SELECT 1 AS one")
    assert row is not None
    return int(row["one"])


def asked_after_it(far: VanishingServer) -> Callable[[Tx], Awaitable[None]]:
    async def work(tx: Tx) -> None:
        await one(tx)
        far.vanish()
        await one(tx)

    return work


def waiting_meanwhile(far: VanishingServer) -> Callable[[Tx], Awaitable[None]]:
    """All that was sent is acknowledged, and the answer never comes."""

    async def work(tx: Tx) -> None:
        asyncio.get_running_loop().call_later(0.3, far.vanish)
        await tx.fetch_one("SELECT pg_sleep(60)")

    return work


@pytest.mark.parametrize("work_on", [asked_after_it, waiting_meanwhile])
@pytest.mark.parametrize("kind", ["write", "read"])
async def test_house_work_lets_go_of_a_machine_that_has_vanished(
    store: Store, far: VanishingServer, kind: str, work_on: Callable[..., object]
) -> None:
    """It has no bound of its own: a migration may take an hour."""
    run = store.write if kind == "write" else store.read
    began = time.monotonic()

    with pytest.raises(StoreUnavailable):
        await run(work_on(far))  # type: ignore[arg-type]
    lost_after = time.monotonic() - began
    assert await run(one) == 1  # on the other host

    assert lost_after < 5
    assert time.monotonic() - began - lost_after < 6


async def test_an_idle_connection_to_a_vanished_machine_is_not_lent(
    store: Store, far: VanishingServer
) -> None:
    assert await store.read(one) == 1
    far.vanish()
    await asyncio.sleep(4)

    for run in (store.read, store.write):
        began = time.monotonic()
        assert await run(one) == 1
        assert time.monotonic() - began < 5  # libpq gives the first host two seconds


async def test_a_server_that_is_slow_is_waited_for(
    store: Store, far: VanishingServer, own_server: PostgresServer
) -> None:
    """Its machine acknowledges all the while, also when nothing more goes into its window."""
    large = b"x" * (32 << 20)

    async def work(tx: Tx) -> int:
        await one(tx)
        own_server.hold(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(4, own_server.hold, signal.SIGCONT)
        row = await tx.fetch_one("SELECT length(:x) AS n", {"x": large})
        assert row is not None
        return int(row["n"])

    assert await store.write(work) == len(large)


async def test_a_gateway_that_has_vanished_keeps_its_locks_no_longer_than_others_wait(
    own_server: PostgresServer,
) -> None:
    # An address of this process's own, for the port is everybody's.
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.9"
    own_server.start({"listen_addresses": host})
    lock = "SELECT pg_advisory_lock(7)"
    async with (
        connected(own_server.url(host=host)) as (gone, _),
        connected(own_server.url()) as (waiting, _),
    ):
        await control(gone, lock)
        await asyncio.sleep(0.1)  # all is acknowledged
        with socket.socket(fileno=os.dup(gone.fileno())) as line:
            drop_all(line)
        began = time.monotonic()
        await control(waiting, f"SET lock_timeout = 30000; {lock}")
        assert time.monotonic() - began < WRITE_WAIT
