"""Large contents as objects: put, read in part and compared, found damaged, orphaned, backed up."""

import asyncio
import os
import urllib.request
from collections.abc import Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from obstore.store import LocalStore, MemoryStore, ObjectStore

from storage.backup.backup import make_backup
from storage.backup.restore import restore_backup
from storage.clock import DAY, HOUR, system_clock
from storage.content.message_bytes import (
    Content,
    ContentDamaged,
    ContentDirectory,
    content_at,
    content_name,
    is_file,
)
from storage.content.object_store import Keys, Opener, open_bucket
from storage.content.orphans import orphans, remove_orphans
from storage.content.places import open_contents
from storage.database import Reads, Store
from storage.errors import StoreUnavailable
from storage.maintenance.content_move import move_contents
from storage.maintenance.integrity import audit
from storage.maintenance.verification import verify
from tests.builders import TEAM, deliver, open_world
from tests.storage.backup.test_backup import emptied
from tests.support.cases import cases
from tests.support.engines import Engine

MIB = 1024 * 1024
BODY = b"Subject: large\r\n\r\n" + bytes(range(256)) * 24 * 1024  # six MiB: several parts
URL = "s3://mail.example/large?region=eu-1"
KEYS = Keys("access", "secret")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Give the setting of a bucket of a server that speaks S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    asked = urllib.request.Request(f"{endpoint}/mail.example", method="PUT")
    urllib.request.urlopen(asked, timeout=20).close()
    yield f"s3://mail.example/large?endpoint={endpoint}&region=us-east-1"
    server.stop()


def always(store: ObjectStore) -> Opener:
    return lambda bucket, keys: store


def opened(
    engine: Engine, database: Store, url: str = URL, opener: Opener = open_bucket
) -> ContentDirectory:
    contents = open_contents(
        engine.data, keep_in=url, reader=database, store=database, keys=KEYS, opener=opener
    )
    contents.prepare()
    return contents


async def put(contents: ContentDirectory, body: bytes, *, now: int) -> Content:
    spool = contents.new_spool(os.urandom(16))
    await asyncio.to_thread(spool.finish, [body])
    name = content_name(spool.path.name)
    received = Content(sha256(body).digest(), len(body), None, name)
    return await contents.put(spool, received, now=now)


async def read(
    contents: ContentDirectory, content: Content, start: int = 0, end: int | None = None
) -> bytes:
    return b"".join([chunk async for chunk in contents.chunks(content, start, end)])


async def test_an_object_is_read_as_it_came(engine: Engine, service: str, tmp_path: Path) -> None:
    places = {
        "memory": (URL, always(MemoryStore())),
        "directory": (URL, always(LocalStore(tmp_path / "objects", mkdir=True))),
        "server": (service, open_bucket),
    }
    async with open_world(engine) as world:
        with cases() as case:
            for name, (url, opener) in places.items():
                contents = opened(engine, world.database, url, opener)
                content = await put(contents, BODY, now=world.clock())
                location = content.file or ""
                with case(name):
                    assert location.startswith("s3://mail.example/large/")
                    assert contents.is_in_place(location)
                    assert await read(contents, content) == BODY
                    assert (
                        await read(contents, content, MIB - 1, MIB + 1) == BODY[MIB - 1 : MIB + 1]
                    )
                    assert await contents.elsewhere.fault(content) is None  # type: ignore[union-attr]
                    async with contents.at_hand(content) as path:
                        assert path is not None and path.read_bytes() == BODY
                    await contents.remove(location)
                    with pytest.raises(ContentDamaged):
                        await read(contents, content)
                    assert not any(contents.spool.iterdir())
        left = await world.database.read(lambda tx: tx.fetch_all("SELECT * FROM object_checksums"))
        assert left == []


async def test_an_object_that_is_not_what_was_stored_is_named_and_never_read(
    engine: Engine,
) -> None:
    objects = MemoryStore()
    async with open_world(engine) as world:
        contents = opened(engine, world.database, opener=always(objects))
        stored = [await put(contents, BODY + b"%d" % n, now=world.clock()) for n in range(3)]
        for number, content in enumerate(stored):
            await deliver(world, TEAM, body=BODY + b"%d" % number, file=content.file)
        assert (await audit(world.database, contents, deep=True)).findings == ()
        keys = sorted(one["path"] for some in objects.list() for one in some)
        by_end = {key[-32:]: key for key in keys}
        changed, short = (by_end[(one.file or "").partition("?")[0][-32:]] for one in stored[:2])
        await asyncio.to_thread(objects.put, changed, bytes(len(BODY) + 1))
        await asyncio.to_thread(objects.put, short, BODY)

        assert len((await audit(world.database, contents)).findings) == 1
        assert len((await audit(world.database, contents, deep=True)).findings) == 2
        with pytest.raises(ContentDamaged):
            await read(contents, stored[0], 5 * MIB, 5 * MIB + 1)


async def test_a_service_out_of_reach_is_a_fault_of_ours(engine: Engine) -> None:
    nobody = "s3://mail.example/large?endpoint=http://127.0.0.1:9&region=us-east-1"
    async with open_world(engine) as world:
        contents = opened(engine, world.database, nobody)
        with pytest.raises(StoreUnavailable):
            await put(contents, BODY, now=world.clock())
        with pytest.raises(StoreUnavailable):
            await contents.elsewhere.strays(1.0).__anext__()  # type: ignore[union-attr]


async def test_a_bucket_that_is_not_there_is_out_of_reach_and_nothing_in_it_is_damaged(
    engine: Engine, service: str
) -> None:
    wrong = service.replace("//mail.example/", "//other.example/")
    async with open_world(engine) as world:
        contents = opened(engine, world.database, service)
        content = await put(contents, BODY, now=world.clock())
        location = (content.file or "").replace("//mail.example/", "//other.example/")
        await deliver(world, TEAM, body=BODY, file=location)
        with pytest.raises(StoreUnavailable, match=r"^the object store: .*NoSuchBucket"):
            await put(opened(engine, world.database, wrong), BODY, now=world.clock())
        with pytest.raises(StoreUnavailable, match=r"^the object store: .*NoSuchBucket"):
            await read(contents, content._replace(file=location))

        for deep in (False, True):
            (found,) = (await audit(world.database, contents, deep=deep)).findings
            assert found.unread
            assert "NoSuchBucket" in found.fault

        clock = world.clock
    whole = await verify(
        engine.store, engine.data, clock=clock, contents=lambda reader: contents_at(engine, reader)
    )
    assert [one.unread for one in whole.findings] == [True]


async def test_an_object_that_was_removed_as_an_orphan_is_named_by_no_message(
    engine: Engine,
) -> None:
    async with open_world(engine) as world:
        contents = opened(engine, world.database, opener=always(MemoryStore()))
        content = await put(contents, BODY, now=world.clock())
        location = content.file or ""
        assert await remove_orphans(world.database, contents, [location]) == 1

        with pytest.raises(ContentDamaged):
            await deliver(world, TEAM, body=BODY, file=location)
        assert (await audit(world.database, contents)).messages == 0


def contents_at(engine: Engine, reader: Reads) -> ContentDirectory:
    return open_contents(engine.data, keep_in="files", reader=reader, keys=KEYS)


async def test_a_service_out_of_reach_is_told_with_its_cause_first(engine: Engine) -> None:
    nobody = f"s3://mail.example/{'long/' * 40}x?endpoint=http://127.0.0.1:9&region=us-east-1"
    async with open_world(engine) as world:
        contents = opened(engine, world.database, nobody)
        with pytest.raises(StoreUnavailable) as caught:
            await put(contents, BODY, now=world.clock())
    told = str(caught.value)
    assert told.startswith(
        "the object store: HTTP error: error sending request: Connection refused"
    )
    assert len(told) <= 300


async def test_objects_without_a_row_are_removed_after_a_day_and_of_this_store_alone(
    engine: Engine,
) -> None:
    objects = MemoryStore()
    objects.put(f"large/{7:016x}/00000000/{0:032x}", b"another store's")
    async with open_world(engine) as world:
        contents = opened(engine, world.database, opener=always(objects))
        named, left = [await put(contents, BODY, now=world.clock()) for _ in range(2)]
        await deliver(world, TEAM, body=BODY, file=named.file)
        seconds = world.clock() / 1_000_000

        async def strays(later: int) -> list[str]:
            found = orphans(world.database, contents, now=seconds + later / 1_000_000)
            return [file async for some in found for file in some]

        assert await strays(2 * HOUR) == []
        assert await strays(2 * DAY) == [left.file]
        removed = await remove_orphans(
            world.database, contents, [left.file or "", named.file or ""]
        )
        assert removed == 1
    assert len([one for some in objects.list() for one in some]) == 2


async def test_a_store_with_objects_is_backed_up_and_restored_as_files(
    engine: Engine, tmp_path: Path
) -> None:
    objects = MemoryStore()
    fetched: list[str] = []
    target = tmp_path / "backups"

    async with open_world(engine) as world:
        contents = opened(engine, world.database, opener=always(objects))
        content = await put(contents, BODY, now=world.clock())
        await deliver(world, TEAM, body=BODY, file=content.file)

        @asynccontextmanager
        async def fetch(location: str):  # type: ignore[no-untyped-def]
            fetched.append(location)
            found = await world.database.read(lambda tx: content_at(tx, location=location))
            async with contents.at_hand(found) as path:
                yield path

        for _ in range(2):
            report = await make_backup(
                engine.store,
                engine.data,
                target,
                clock=system_clock,
                release="1",
                progress=lambda *_: None,
                fetch=fetch,
            )
            assert (report.manifest.faults, len(report.manifest.contents)) == ((), 1)
        assert fetched == [content.file]  # the second one is linked
        database = opened(engine, world.database, "database", always(objects))
        moved = await move_contents(world.database, database, clock=world.clock, linger=0)
        assert moved.moved == 1
        assert not [one for some in objects.list() for one in some]

    empty = emptied(engine, tmp_path / "restored")
    await restore_backup(empty.store, empty.data, report.path, clock=system_clock)
    found = await verify(empty.store, empty.data, clock=system_clock)
    assert (found.findings, found.report.messages) == ((), 1)
    names = [path for path in (empty.data / "content").rglob("*") if path.is_file()]
    assert [path.read_bytes() == BODY for path in names] == [True]
    assert all(is_file(str(path.relative_to(empty.data))) for path in names)
