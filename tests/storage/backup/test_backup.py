"""A backup holds one moment of the store, shares what did not change, and comes back whole."""

import asyncio
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import orjson
import psycopg
import pytest

from storage.backup.backup import (
    BackupReport,
    make_backup,
    record_backup,
    remove_older,
)
from storage.backup.manifest import complete_backups, read_manifest
from storage.backup.pieces import RowCutter
from storage.backup.restore import find_backup, restore_backup
from storage.clock import system_clock
from storage.content.message_bytes import Content, ContentDirectory
from storage.database import Store, Tx
from storage.drafts.uploads import add_upload
from storage.engines.sqlite import FILE_NAME
from storage.errors import BackupUnusable, Conflict
from storage.maintenance.integrity import audit
from storage.maintenance.store_gauges import last_backup
from storage.maintenance.verification import verify
from tests.builders import MESSAGE, SALES, World, deliver, open_world
from tests.support.engines import Engine

BIG = b"Subject: big\r\n\r\n" + b"0123456789abcde\r\n" * 20_000
NAME = "00000000/0000000000000000"
UPLOADED = "00000000/0000000000000001"


def nothing(what: str, done: int, total: int) -> None:
    pass


async def back_up(
    engine: Engine, target: Path, progress: Callable[[str, int, int], None] = nothing
) -> BackupReport:
    return await make_backup(
        engine.store, engine.data, target, clock=system_clock, release="1", progress=progress
    )


def put_file(data: Path, name: str, body: bytes = BIG) -> str:
    path = data / "content" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return name


def emptied(engine: Engine, data: Path) -> Engine:
    """Another place with nothing in it; on PostgreSQL the schema of the same database."""
    if engine.name != "sqlite":
        with psycopg.connect(engine.store, autocommit=True) as server:
            server.execute("DROP SCHEMA public CASCADE")
            server.execute("CREATE SCHEMA public")
    return Engine(engine.name, engine.store, data)


@asynccontextmanager
async def filled(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as world:
        await deliver(world, "team@example.test")
        await deliver(world, "agent@example.test", body=BIG, file=put_file(engine.data, NAME))
        yield world


async def upload(world: World, file: str, body: bytes) -> None:
    """A file for a letter, which is stored beside the contents of messages."""
    await world.database.write(
        lambda tx: add_upload(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            filename="offer.pdf",
            content_type="application/pdf",
            content=Content(hashlib.sha256(body).digest(), len(body), None, file),
            now=world.clock(),
        )
    )


TABLES = ("tenants", "inboxes", "lists", "messages", "copies", "contents", "events", "uploads")


async def everything(database: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that a backup of either engine has to bring back."""

    async def work(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
        found = {}
        for table in TABLES:
            rows = await tx.fetch_all(f"SELECT * FROM {table}")
            values = [tuple(dict(row).values()) for row in rows]
            found[table] = sorted(values, key=repr)
        return found

    return await database.read(work)


async def test_what_was_backed_up_is_restored(engine: Engine, tmp_path: Path) -> None:
    async with filled(engine) as world:
        await upload(world, put_file(engine.data, UPLOADED, b"%PDF"), b"%PDF")
        before = await everything(world.database)
        report = await back_up(engine, tmp_path / "backups")
    other = emptied(engine, tmp_path / "other")

    manifest = await restore_backup(
        other.store, other.data, find_backup(tmp_path / "backups"), clock=system_clock
    )

    assert manifest == report.manifest
    found = await verify(other.store, other.data, clock=system_clock)
    assert (found.findings, found.report.messages, found.report.copies_present) == ((), 2, 3)
    assert (other.data / "content" / NAME).read_bytes() == BIG
    assert (other.data / "content" / UPLOADED).read_bytes() == b"%PDF"
    database = await other.open()
    try:
        assert await everything(database) == before
    finally:
        await database.close()


async def test_a_second_backup_writes_what_changed(engine: Engine, tmp_path: Path) -> None:
    async with filled(engine) as world:
        for _ in range(40):
            await deliver(world, "team@example.test", body=MESSAGE + os.urandom(60_000))
        first = await back_up(engine, tmp_path / "backups")
        await deliver(world, "team@example.test", subject="One more")
        second = await back_up(engine, tmp_path / "backups")

    assert first.octets.linked == 0
    assert second.octets.linked > len(BIG)
    assert second.octets.written < first.octets.written
    assert second.octets.written + second.octets.linked >= first.octets.written
    assert (second.path / "content" / NAME).samefile(first.path / "content" / NAME)


async def test_mail_acknowledged_before_the_backup_is_in_it(engine: Engine, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    async with filled(engine) as world:
        streaming, begun = True, asyncio.Event()

        async def stream() -> None:
            while streaming:
                acknowledged.append(await deliver(world, "team@example.test"))
                begun.set()
                await asyncio.sleep(0)

        streamed = asyncio.create_task(stream())
        await begun.wait()
        due = len(acknowledged)
        await back_up(engine, tmp_path / "backups")
        streaming = False
        await streamed
    other = emptied(engine, tmp_path / "other")
    await restore_backup(
        other.store, other.data, find_backup(tmp_path / "backups"), clock=system_clock
    )

    database = await other.open()
    try:
        report = await audit(database, ContentDirectory(other.data), deep=True)
    finally:
        await database.close()
    assert report.findings == ()
    assert report.messages >= 2 + due


async def test_a_content_deleted_meanwhile_is_no_fault(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    snapshots = 0

    def delete_behind_the_first(what: str, done: int, total: int) -> None:
        nonlocal snapshots
        if what == "database" and done == total:
            snapshots += 1
            with closing(sqlite3.connect(engine.data / FILE_NAME)) as store:
                store.execute("DELETE FROM contents WHERE file = ?", (NAME,))
                store.commit()

    async with filled(engine):
        (engine.data / "content" / NAME).unlink()
        report = await back_up(engine, tmp_path / "backups", delete_behind_the_first)

    assert snapshots == 2
    assert (report.manifest.faults, report.manifest.contents) == ((), ())


async def test_a_damaged_content_is_told_and_all_else_is_kept(
    engine: Engine, tmp_path: Path
) -> None:
    async with filled(engine):
        put_file(engine.data, NAME, BIG[::-1])
        report = await back_up(engine, tmp_path / "backups")

    assert report.manifest.faults == (f"content {NAME} is missing or is not what was stored",)
    assert read_manifest(report.path).tables


async def test_the_time_of_the_last_good_backup_is_remembered(database: Store) -> None:
    assert await database.read(last_backup) is None
    await record_backup(database, now=5)
    await record_backup(database, now=7)

    assert await database.read(last_backup) == 7


async def test_a_restore_overwrites_nothing(engine: Engine, tmp_path: Path) -> None:
    async with filled(engine):
        report = await back_up(engine, tmp_path / "backups")

    with pytest.raises(Conflict, match="is not empty"):
        await restore_backup(engine.store, engine.data, report.path, clock=system_clock)
    if engine.name != "sqlite":
        with pytest.raises(Conflict, match="has tables already"):
            await restore_backup(engine.store, tmp_path / "new", report.path, clock=system_clock)
    assert not (tmp_path / "new").exists()


async def test_a_backup_of_one_engine_is_not_restored_into_the_other(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with filled(engine):
        report = await back_up(engine, tmp_path / "backups")

    with pytest.raises(Conflict, match="the backup is of sqlite"):
        await restore_backup("postgresql://x", tmp_path / "b", report.path, clock=system_clock)


async def test_every_damaged_piece_is_named_and_nothing_is_restored(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with filled(engine):
        report = await back_up(engine, tmp_path / "backups")
    names = [piece.name for piece in report.manifest.pieces]
    for name in names:
        octets = bytearray((report.path / name).read_bytes())
        octets[len(octets) // 2] ^= 1
        (report.path / name).write_bytes(octets)

    with pytest.raises(BackupUnusable) as raised:
        await restore_backup("sqlite", tmp_path / "other", report.path, clock=system_clock)
    assert all(name in str(raised.value) for name in names)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda sealed: sealed["manifest"].update(schema=0), "is not what was written"),
        (lambda sealed: sealed.pop("sha256"), "is not a manifest"),
        (lambda sealed: sealed["manifest"].update(format=99), "is not what was written"),
    ],
)
async def test_a_manifest_that_was_changed_is_refused(
    tmp_path: Path, change: Callable[[dict[str, dict[str, int]]], object], told: str
) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with filled(engine):
        report = await back_up(engine, tmp_path / "backups")
    path = report.path / "manifest.json"
    sealed = orjson.loads(path.read_bytes())
    change(sealed)
    path.write_bytes(orjson.dumps(sealed))

    with pytest.raises(BackupUnusable, match=told):
        read_manifest(report.path)


async def test_a_backup_by_a_newer_release_is_refused(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with filled(engine):
        report = await back_up(engine, tmp_path / "backups")
    path = report.path / "manifest.json"
    manifest = orjson.loads(path.read_bytes())["manifest"] | {"schema": 9_999}
    body = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
    sealed = {"manifest": manifest, "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(orjson.dumps(sealed, option=orjson.OPT_SORT_KEYS))

    with pytest.raises(BackupUnusable, match="newer release"):
        await restore_backup("sqlite", tmp_path / "other", report.path, clock=system_clock)


async def test_an_interrupted_backup_is_none_and_the_next_one_replaces_it(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    target = tmp_path / "backups"

    async with filled(engine):
        with pytest.raises(BackupUnusable):
            find_backup(target)
        (target / ".partial" / "database").mkdir(parents=True)
        (target / ".partial" / "database" / "000000").write_bytes(b"half")
        assert complete_backups(target) == []
        report = await back_up(engine, target)

    assert complete_backups(target) == [report.path]
    assert not (target / ".partial").exists()


async def test_two_backups_into_one_place_do_not_meet(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    target = tmp_path / "backups"
    target.mkdir()
    async with filled(engine):
        with (target / ".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(Conflict, match="another backup"):
                await back_up(engine, target)


async def test_the_newest_backups_are_kept_and_stay_whole(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    target = tmp_path / "backups"
    async with filled(engine):
        made = [(await back_up(engine, target)).path for _ in range(3)]

    assert remove_older(target, 1) == made[:2]
    await restore_backup("sqlite", tmp_path / "other", target / made[2].name, clock=system_clock)
    assert (await verify("sqlite", tmp_path / "other", clock=system_clock)).findings == ()


def test_a_changed_row_moves_the_ends_of_its_own_piece_only() -> None:
    rows = [b"%08d\t" % number + bytes([97 + number % 26]) * 900 + b"\n" for number in range(9000)]

    def cut(rows: list[bytes]) -> list[bytes]:
        cutter = RowCutter()
        return [piece for row in rows if (piece := cutter.add(row))] + [cutter.rest()]

    before = cut(rows)
    after = cut([*rows[:4000], b"a new row\n", *rows[4000:]])
    assert b"".join(before) == b"".join(rows)
    assert len(set(after) - set(before)) <= 2
