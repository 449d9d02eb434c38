"""The epoch of the embedded store: who has it open learns of every change but mail."""

import errno
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from storage.accounts import tenants
from storage.database import Store, Tx
from storage.engines import sqlite
from storage.engines.route_generation import FILE_NAME, RouteGeneration
from storage.engines.sqlite import SqliteDatabase, SqliteLookups
from storage.errors import StoreFull, StoreUnavailable
from tests.builders import TEAM, deliver, open_world
from tests.support.engines import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine("sqlite", "sqlite", tmp_path)


@pytest.fixture
async def database(engine: Engine) -> AsyncIterator[Store]:
    opened = await engine.open()
    yield opened
    await opened.close()


@pytest.fixture
async def lookups(database: Store, engine: Engine) -> AsyncIterator[SqliteLookups]:
    """Give the store as another process has it, to look recipients up."""
    opened = SqliteLookups.open(engine.data)
    yield opened
    await opened.close()


@pytest.fixture
def counts(tmp_path: Path) -> Iterator[RouteGeneration]:
    """Give the counts of a directory without a store."""
    store = tmp_path / sqlite.FILE_NAME
    store.touch()
    made = RouteGeneration(store, writes=True)
    yield made
    made.close()


async def make_tenant(tx: Tx) -> None:
    await tenants.create_tenant(tx, name=uuid4().hex, now=1)


async def count(database: Store) -> int:
    return len(await database.read(tenants.list_tenants))


async def test_every_transaction_makes_a_new_one_for_all(
    database: Store, lookups: SqliteLookups, engine: Engine
) -> None:
    other = await engine.open()
    seen = [lookups.route_generation()]
    for one in (database, other, database):
        await one.write(make_tenant)
        seen.append(lookups.route_generation())
        _, durable = await one.commit(make_tenant)
        await durable
        seen.append(lookups.route_generation())
    await other.close()

    assert None not in seen
    assert len(set(seen)) == len(seen) == 7


async def test_a_transaction_that_moves_no_route_leaves_it(
    database: Store, lookups: SqliteLookups
) -> None:
    before = lookups.route_generation()
    _, durable = await database.commit(make_tenant, changes_routes=False)
    await durable

    assert before is not None
    assert lookups.route_generation() == before
    assert await count(database) == 1


async def test_the_writes_of_jobs_and_of_calls_about_mail_leave_it(
    database: Store, lookups: SqliteLookups
) -> None:
    before = lookups.route_generation()
    for quick in (False, True):
        await database.write_across(make_tenant, quick=quick)
        await database.write_in(b"p", make_tenant, quick=quick)
    about_mail = database.for_caller((b"t", b"c"), in_partition=True)
    await about_mail.write(make_tenant)

    assert before is not None
    assert lookups.route_generation() == before
    assert await count(database) == 5
    await database.for_caller((b"t", b"c")).write(make_tenant)
    assert lookups.route_generation() not in (None, before)


async def test_a_delivery_writes_nothing_that_a_route_depends_on(engine: Engine) -> None:
    written: set[str | None] = set()
    async with open_world(engine) as world:

        def note(action: int, table: str | None, *_: object) -> int:
            if action in {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}:
                written.add(table)
            return sqlite3.SQLITE_OK

        await deliver(world, TEAM)
        writer = cast(SqliteDatabase, world.database)._writer._conn
        writer.set_authorizer(note)
        await deliver(world, TEAM, name="2@sender.test", references=("1@sender.test",))

    assert {"messages", "copies", "threads"} <= written
    routing = {"addresses", "domains", "lists", "list_members", "inboxes", "users", "tenants"}
    assert not written & routing


async def test_there_is_none_while_a_transaction_is_under_way(
    database: Store, lookups: SqliteLookups
) -> None:
    async def work(tx: Tx) -> int | None:
        return lookups.route_generation()

    assert await database.write(work) is None
    assert lookups.route_generation() is not None


async def test_it_begins_with_the_lock_held_and_ends_behind_the_commit(
    database: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else two would count at once, and what was true before be remembered under the new number."""
    begin, end, seen = RouteGeneration.begin, RouteGeneration.end, []
    path = tmp_path / sqlite.FILE_NAME
    with closing(sqlite3.connect(path, timeout=0, check_same_thread=False)) as other:

        def noted_begin(self: RouteGeneration) -> int:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            seen.append("locked")
            return begin(self)

        def noted_end(self: RouteGeneration, number: int) -> None:
            (rows,) = other.execute("SELECT COUNT(*) FROM tenants").fetchone()
            seen.append(f"{rows} there")
            end(self, number)

        monkeypatch.setattr(RouteGeneration, "begin", noted_begin)
        monkeypatch.setattr(RouteGeneration, "end", noted_end)
        await database.write(make_tenant)
        _, durable = await database.commit(make_tenant)
        await durable

    assert seen == ["locked", "1 there", "locked", "2 there"]


async def test_one_that_failed_has_ended_as_well(database: Store, lookups: SqliteLookups) -> None:
    async def work(tx: Tx) -> None:
        await make_tenant(tx)
        raise ValueError("changed its mind")

    before = lookups.route_generation()
    with pytest.raises(ValueError, match="changed its mind"):
        await database.write(work)

    assert lookups.route_generation() not in {None, before}
    assert await count(database) == 0


async def test_a_process_that_dies_in_between_leaves_none_until_another_has_ended(
    database: Store, lookups: SqliteLookups, tmp_path: Path
) -> None:
    before = lookups.route_generation()
    dying = RouteGeneration(tmp_path / sqlite.FILE_NAME, writes=True)
    dying.begin()
    dying.close()
    assert lookups.route_generation() is None

    await database.write(make_tenant)
    assert lookups.route_generation() not in {None, before}


def test_one_that_is_late_to_end_takes_nothing_back(
    counts: RouteGeneration, tmp_path: Path
) -> None:
    slow, quick = counts, RouteGeneration(tmp_path / sqlite.FILE_NAME, writes=True)
    first = slow.begin()
    second = quick.begin()
    slow.end(first)
    assert quick.now() is None
    quick.end(second)
    slow.end(first)

    assert slow.now() == quick.now() == second
    quick.close()


@pytest.mark.parametrize(
    "octets", [b"", b"x", b"\0" * 15, b"\0" * 8 + b"\x09" + b"\0" * 7, b"\xff" * 16, b"\xff" * 40]
)
def test_damage_to_the_file_heals(counts: RouteGeneration, tmp_path: Path, octets: bytes) -> None:
    for _ in range(3):
        counts.end(counts.begin())
    number = counts.begin()
    (tmp_path / FILE_NAME).write_bytes(octets)
    counts.end(number)
    seen = set()
    for _ in range(3):
        number = counts.begin()
        assert counts.now() is None
        counts.end(number)
        seen.add(counts.now())

    assert len(seen - {None}) >= 2


def test_who_only_reads_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"cannot use .*/{FILE_NAME}: No such file"):
        RouteGeneration(tmp_path / sqlite.FILE_NAME, writes=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "kind"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreUnavailable)]
)
async def test_what_cannot_be_announced_is_not_done(
    database: Store,
    lookups: SqliteLookups,
    monkeypatch: pytest.MonkeyPatch,
    fault: int,
    kind: type[Exception],
) -> None:
    def fail(*_: object) -> int:
        raise OSError(fault, os.strerror(fault))

    before = lookups.route_generation()
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", fail)
        with pytest.raises(kind, match=FILE_NAME):
            await database.write(make_tenant)
    assert (lookups.route_generation(), await count(database)) == (before, 0)

    await database.write(make_tenant)
    assert await count(database) == 1


async def test_what_cannot_be_told_to_have_ended_is_done_all_the_same(
    database: Store, lookups: SqliteLookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def fail_at_the_end(descriptor: int, octets: bytes, offset: int) -> int:
        if offset:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return write(descriptor, octets, offset)

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", fail_at_the_end)
        await database.write(make_tenant)
    assert await count(database) == 1
    assert lookups.route_generation() is None

    await database.write(make_tenant)
    assert lookups.route_generation() is not None


async def test_what_cannot_be_read_is_none(
    lookups: SqliteLookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "pread", fail)
        assert lookups.route_generation() is None
    assert lookups.route_generation() is not None


async def test_its_file_belongs_to_whom_the_store_belongs(engine: Engine, tmp_path: Path) -> None:
    """Root may have made it, with a command, and the server is to use it."""
    store, counts = tmp_path / sqlite.FILE_NAME, tmp_path / FILE_NAME
    await (await engine.open()).close()
    assert owner(counts) == owner(store)
    assert stat.S_IMODE(counts.stat().st_mode) == 0o600

    counts.unlink()
    store.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(store, 12345, 12345)
    await (await engine.open()).close()
    assert owner(counts) == owner(store)


def owner(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, found.st_mode
