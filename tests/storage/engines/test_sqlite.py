"""What only SQLite can do to us: locks of other processes, a full disk, a work that waits."""

import asyncio
import errno
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import pytest

from storage.accounts import tenants
from storage.clock import system_clock
from storage.database import Store, Tx
from storage.engines import sqlite
from storage.engines.fair_turns import WRITE_WAIT
from storage.engines.sqlite import FILE_NAME, SqliteDatabase, open_sqlite
from storage.errors import StoreFull, StoreUnavailable
from tests.support.engines import Engine


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Engine("sqlite", "sqlite", tmp_path).open()
    yield opened
    await opened.close()


async def make_tenant(tx: Tx, kind: str = "Example") -> None:
    await tenants.create_tenant(tx, name=f"{kind} {uuid4().hex}", now=1)


async def names(tx: Tx) -> list[str]:
    return [tenant.name.partition(" ")[0] for tenant in await tenants.list_tenants(tx)]


async def pragma(database: Store, name: str, *, write: bool = True) -> object:
    async def work(tx: Tx) -> object:
        row = await tx.fetch_one(f"PRAGMA {name}")
        return None if row is None else dict(row).popitem()[1]

    return await (database.write(work) if write else database.read(work))


async def test_a_commit_that_returned_survives_a_loss_of_power(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    await database.write(make_tenant)
    assert len(synced) == 1
    _, durable = await database.commit(make_tenant)
    assert len(synced) == 1
    await durable
    assert len(synced) == 2
    assert Path(f"/proc/self/fd/{synced[0]}").readlink().name == f"{FILE_NAME}-wal"


async def test_one_sync_serves_all_who_wait(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    commits = [await database.commit(make_tenant) for _ in range(5)]
    await asyncio.gather(*(durable for _, durable in commits))

    assert 1 <= len(synced) <= 2


async def test_a_slow_disk_is_not_waited_for_on_the_event_loop(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first of the slow ones is."""
    here = threading.get_ident()
    threads: list[int] = []
    monkeypatch.setattr("storage.disk._QUICK_SECONDS", 0.3)
    lasts = iter([0.0, 0.3, 0.3, 0.0])
    with monkeypatch.context() as quick:  # whatever the disk was like when the store was opened
        quick.setattr(os, "fdatasync", lambda _: None)
        for _ in range(30):
            await database.write(make_tenant)

    def sync(_: int) -> None:
        threads.append(threading.get_ident())
        time.sleep(next(lasts))

    with monkeypatch.context() as slow:
        slow.setattr(os, "fdatasync", sync)
        for _ in range(4):
            await database.write(make_tenant)

    assert [thread == here for thread in threads] == [True, True, False, False]


async def test_a_thread_that_cannot_be_had_is_told_and_nobody_waits_for_ever(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as slow:
        slow.setattr(os, "fdatasync", lambda _: time.sleep(0.02))
        await database.write(make_tenant)
    _, durable = await database.commit(make_tenant)
    with monkeypatch.context() as starved:
        starved.setattr(asyncio, "to_thread", no_thread)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="can't start new thread"):
                await durable
            _, durable = 0, database.write(make_tenant)
    with pytest.raises(StoreUnavailable, match="can't start new thread"):
        await durable


async def test_a_sync_that_failed_is_never_taken_back(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may drop what it could not write, and call the next sync a success."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreUnavailable, match="could not be synced"):
            await database.write(make_tenant)

    with pytest.raises(StoreUnavailable, match="could not be synced"):
        await database.write(make_tenant)


async def test_a_log_that_was_removed_is_noticed_at_the_next_sync(
    database: Store, tmp_path: Path
) -> None:
    await database.write(make_tenant)
    (tmp_path / f"{FILE_NAME}-wal").unlink()

    with pytest.raises(StoreUnavailable, match="log was removed or replaced"):
        await (await database.commit(make_tenant))[1]

    fault = database.fault()
    assert fault is not None and fault.lasting


@pytest.mark.parametrize("replaced", [False, True])
async def test_what_a_lost_log_held_is_there_at_the_next_start(
    tmp_path: Path, replaced: bool
) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path)
    database = await engine.open()
    await database.write(make_tenant)
    log = tmp_path / f"{FILE_NAME}-wal"
    earlier = log.read_bytes()
    await database.write(partial(make_tenant, kind="Second"))
    log.unlink()
    if replaced:
        log.write_bytes(earlier)
    with pytest.raises(StoreUnavailable):
        await database.write(partial(make_tenant, kind="Third"))

    await database.abandon()

    anew = tmp_path / "anew"  # as a process that ends leaves it: without closing
    shutil.copytree(tmp_path, anew, ignore=shutil.ignore_patterns("anew", "*-shm"))
    again = await Engine("sqlite", "sqlite", anew).open()
    assert (await again.read(names))[:2] == ["Example", "Second"]
    await again.close()
    await database.close()


async def test_a_directory_that_was_moved_away_is_unavailable_until_it_is_back(
    tmp_path: Path,
) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    database = await Engine("sqlite", "sqlite", data).open()
    data.rename(elsewhere)
    with pytest.raises(StoreUnavailable, match="not where it was"):
        await (await database.commit(make_tenant))[1]
    for use in (database.read(names), database.write(make_tenant)):
        with pytest.raises(StoreUnavailable, match="not where it was"):
            await use
    fault = database.fault()
    assert fault is not None and not fault.lasting

    elsewhere.rename(data)

    assert database.fault() is None
    await database.write(make_tenant)
    await database.close()


@pytest.mark.parametrize("gone", [False, True])
async def test_a_store_that_was_replaced_or_removed_is_never_well_again(
    tmp_path: Path, gone: bool
) -> None:
    data = tmp_path / "data"
    database = await Engine("sqlite", "sqlite", data).open()
    if gone:
        shutil.rmtree(data)
    else:
        data.rename(tmp_path / "before")
        shutil.copytree(tmp_path / "before", data)

    with pytest.raises(StoreUnavailable, match="removed" if gone else "replaced"):
        await (await database.commit(make_tenant))[1]

    fault = database.fault()
    assert fault is not None and fault.lasting
    await database.abandon()
    await database.close()


async def test_a_sync_that_failed_fails_reads_too(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read could be lost with the power, and health says so."""
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", Mock(side_effect=OSError(errno.EIO, "i/o error")))
        with pytest.raises(StoreUnavailable):
            await database.write(make_tenant)

    with pytest.raises(StoreUnavailable, match="could not be synced"):
        await database.read(names)


async def test_the_connections_are_what_they_are_for(database: Store) -> None:
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "synchronous") == 1  # NORMAL: the log is synced behind it
    assert await pragma(database, "foreign_keys") == 1
    assert await pragma(database, "query_only") == 0
    assert await pragma(database, "query_only", write=False) == 1


async def test_only_the_owner_of_the_process_may_read_the_store(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "store"
    await (await open_sqlite(data, system_clock)).close()

    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / FILE_NAME).stat().st_mode) == 0o600


async def test_a_whole_transaction_runs_in_the_connections_own_thread(
    database: SqliteDatabase,
) -> None:
    """Holds aiosqlite to what `in_thread` needs of it."""
    threads = set()

    async def work(tx: Tx) -> None:
        threads.add(threading.get_ident())
        await make_tenant(tx)
        threads.add(threading.get_ident())

    await database.write(work)
    assert len(threads) == 1
    assert threads.pop() != threading.get_ident()


async def test_a_look_up_runs_at_once(database: Store) -> None:
    threads = []

    async def work(tx: Tx) -> None:
        threads.append(threading.get_ident())
        await names(tx)

    await database.read_quick(work)
    assert threads == [threading.get_ident()]


async def test_work_that_waits_for_anything_else_is_a_fault_and_stores_nothing(
    database: Store,
) -> None:
    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="wait on nothing"):
        await database.write(work)

    assert await database.read(names) == []


async def test_a_lock_of_another_process_is_waited_for(database: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(database.write(make_tenant))
        await asyncio.sleep(0.1)
        assert not writing.done()
        assert await database.read(names) == []  # who only reads waits for nobody
        other.execute("COMMIT")
        await writing

    assert await database.read(names) == ["Example"]


async def test_a_lock_that_is_held_too_long_is_unavailable(
    database: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with monkeypatch.context() as impatient:
            impatient.setattr(sqlite, "WRITE_WAIT", 0.2)
            with pytest.raises(StoreUnavailable, match="locked"):
                await database.write(make_tenant)
        assert time.monotonic() - began < WRITE_WAIT
        other.execute("ROLLBACK")

    await database.write(make_tenant)


async def test_a_full_disk_is_full_and_well_again_with_space(database: Store) -> None:
    pages = await pragma(database, "page_count")
    await pragma(database, f"max_page_count = {pages}")

    with pytest.raises(StoreFull):
        await database.write(lambda tx: make_tenant(tx, "x" * 100_000))

    await pragma(database, "max_page_count = 1000000")
    await database.write(lambda tx: make_tenant(tx, "x" * 100_000))
    assert len(await database.read(names)) == 1


async def test_a_fault_of_ours_stays_what_it_is(database: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        await database.read(lambda tx: tx.fetch_all("SELECT FROM WHERE"))
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(
            lambda tx: tx.execute("INSERT INTO store_state (name, value) VALUES ('last_id', 1)")
        )


async def test_a_data_directory_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match=f"cannot use {tmp_path}"):
        await open_sqlite(tmp_path / "file" / "store", system_clock)
