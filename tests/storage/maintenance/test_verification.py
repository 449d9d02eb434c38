"""Verify finds every damaged page and content, needs read access alone, and leaves nothing."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.engines.snapshots.sqlite_reader import open_reader
from storage.engines.sqlite import FILE_NAME
from storage.errors import StoreUnavailable
from storage.maintenance.verification import verify
from tests.builders import deliver, open_world
from tests.support.engines import Databases, Engine, Engines

PAGE = 4096
BODY = b"Subject: many\r\n\r\n" + b"some words of a mail\r\n" * 400
LARGE = b"Subject: large\r\n\r\n" + b"x" * 3000


async def fill(engine: Engine, messages: int, files: int) -> None:
    async with open_world(engine) as world:
        for number in range(messages):
            await deliver(world, "team@example.test", body=BODY + b"%d" % number)
        for number in range(files):
            name = f"00000000/{number:032x}"
            path = engine.data / "content" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(LARGE + b"%d" % number)
            await deliver(world, "team@example.test", body=path.read_bytes(), file=name)


def btree_pages(path: Path) -> list[int]:
    """The pages that are nodes of tables and indexes, found by their first octet."""
    octets = path.read_bytes()
    pages = range(2, len(octets) // PAGE + 1)
    kinds = {2, 5, 10, 13}
    return [1, *(page for page in pages if octets[(page - 1) * PAGE] in kinds)]


async def overwritten_pages_are_found(engine: Engine, rounds: int) -> None:
    await fill(engine, 60, 0)
    path = engine.data / FILE_NAME
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        free = store.execute("PRAGMA freelist_count").fetchone()[0]
    assert free == 0
    assert (await verify("sqlite", engine.data, clock=system_clock)).findings == ()
    sound = path.read_bytes()
    chance = random.Random(20261128)
    for page in chance.choices(btree_pages(path), k=rounds):
        damaged = bytearray(sound)
        damaged[(page - 1) * PAGE : page * PAGE] = chance.randbytes(PAGE)
        path.write_bytes(damaged)
        assert (await verify("sqlite", engine.data, clock=system_clock)).findings, page
    path.write_bytes(sound)
    assert (await verify("sqlite", engine.data, clock=system_clock)).findings == ()


async def test_an_overwritten_page_is_found(tmp_path: Path) -> None:
    await overwritten_pages_are_found(Engine("sqlite", "sqlite", tmp_path), 25)


async def test_an_index_that_lacks_a_row_is_named_on_postgresql(
    both_engines: dict[str, Engines], databases: Databases, tmp_path: Path
) -> None:
    with both_engines["postgresql"](tmp_path) as engine:
        await fill(engine, 2, 0)
        with databases.administer(engine.store) as operator:
            await an_index_that_lacks_a_row_is_named(engine, operator)


async def an_index_that_lacks_a_row_is_named(
    engine: Engine, operator: psycopg.Connection[tuple[object, ...]]
) -> None:
    try:
        operator.execute("CREATE EXTENSION amcheck")
    except psycopg.errors.UndefinedFile:
        pytest.skip("amcheck is not installed; Debian: apt-get install postgresql-contrib")
    try:
        # The gateways' role is a plain one.
        operator.execute("GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO PUBLIC")
        assert (await verify(engine.store, engine.data, clock=system_clock)).findings == ()
        ready = "UPDATE pg_index SET indisready = %s WHERE indexrelid = 'tenants_pkey'::regclass"
        operator.execute(ready, (False,))
        operator.execute("UPDATE tenants SET name = name || '.' WHERE true")
        operator.execute(ready, (True,))
        found = (await verify(engine.store, engine.data, clock=system_clock)).findings
        assert [one for one in found if "index tenants_pkey" in str(one)], found
    finally:
        operator.execute("REINDEX TABLE tenants")
        operator.execute("DROP EXTENSION amcheck")


async def test_a_right_that_is_missing_is_no_damage(
    both_engines: dict[str, Engines], databases: Databases, tmp_path: Path
) -> None:
    with both_engines["postgresql"](tmp_path) as engine:
        await fill(engine, 2, 0)
        with databases.administer(engine.store) as operator:
            operator.execute(f"REVOKE SELECT ON threads FROM {databases.owner}")
            try:
                with pytest.raises(
                    StoreUnavailable, match=r"^permission denied for table threads;"
                ):
                    await verify(engine.store, engine.data, clock=system_clock)
            finally:
                operator.execute(f"GRANT SELECT ON threads TO {databases.owner}")


@pytest.mark.soak
async def test_500_overwritten_pages_are_found(tmp_path: Path) -> None:
    await overwritten_pages_are_found(Engine("sqlite", "sqlite", tmp_path), 500)


async def damaged_contents_are_named(engine: Engine, count: int) -> None:
    await fill(engine, 3, count)
    files = sorted((engine.data / "content").glob("*/*"))
    for number, path in enumerate(files):
        octets = bytearray(path.read_bytes())
        match number % 3:
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(octets[:-1])
            case 2:
                octets[100] ^= 1
                path.write_bytes(octets)

    found = await verify(engine.store, engine.data, clock=system_clock)

    told = "\n".join(finding.fault for finding in found.findings)
    assert len(found.findings) == len(files)
    assert len(files) >= count
    assert all(path.name in told for path in files)


async def test_every_damaged_content_is_named(engine: Engine) -> None:
    await damaged_contents_are_named(engine, 30)


@pytest.mark.soak
async def test_100_damaged_contents_are_named(engine: Engine) -> None:
    await damaged_contents_are_named(engine, 100)


async def test_a_store_that_was_not_closed_is_verified_without_writing(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    copied = tmp_path / "copied"
    async with open_world(engine) as world:
        await deliver(world, "team@example.test")
        shutil.copytree(engine.data, copied, ignore=shutil.ignore_patterns("*-shm"))
    assert (copied / f"{FILE_NAME}-wal").stat().st_size
    before = {path.name: path.stat().st_mtime_ns for path in copied.iterdir()}
    copied.chmod(0o500)
    try:
        found = await verify("sqlite", copied, clock=system_clock)
    finally:
        copied.chmod(0o700)

    assert (found.findings, found.report.messages) == ((), 1)
    assert {path.name: path.stat().st_mtime_ns for path in copied.iterdir()} == before


async def test_a_closed_store_is_read_without_leaving_a_file(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with open_world(engine) as world:
        await deliver(world, "team@example.test")
    before = sorted(engine.data.iterdir())

    found = await verify("sqlite", engine.data, clock=system_clock)

    assert (found.findings, found.report.messages) == ((), 1)
    assert sorted(engine.data.iterdir()) == before


async def test_a_store_is_read_beside_its_writer(tmp_path: Path) -> None:
    engine = Engine("sqlite", "sqlite", tmp_path / "data")
    async with open_world(engine) as world:
        await deliver(world, "team@example.test")
        reader = open_reader(engine.data)
        try:
            await deliver(world, "team@example.test")
            found = await verify("sqlite", engine.data, clock=system_clock)
            assert await reader.page_faults() == []
        finally:
            await reader.close()
    assert (found.findings, found.report.messages) == ((), 2)


async def test_orphans_are_told_and_are_no_fault(engine: Engine) -> None:
    await fill(engine, 1, 0)
    orphan = ContentDirectory(engine.data).files / "0" / "orphan"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))

    found = await verify(engine.store, engine.data, clock=system_clock)

    assert (found.orphans, found.findings) == (("0/orphan",), ())
