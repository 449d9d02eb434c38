"""Large contents in the database: written in pieces, read in part, named by a row or removed."""

import asyncio
import os
from contextlib import aclosing
from hashlib import sha256

import pytest

from storage.clock import DAY, HOUR
from storage.content.message_bytes import (
    Content,
    ContentDamaged,
    ContentDirectory,
    content_name,
    is_file,
)
from storage.content.orphans import orphans, remove_orphans
from storage.content.places import open_contents
from storage.database import Store
from storage.maintenance.integrity import audit
from tests.builders import SALES, TEAM, World, deliver, open_world
from tests.support.cases import cases
from tests.support.engines import Engine

PIECE = 256 * 1024
BODY = b"Subject: large\r\n\r\n" + bytes(range(256)) * 4096


def opened(engine: Engine, database: Store, keep_in: str = "database") -> ContentDirectory:
    contents = open_contents(engine.data, keep_in=keep_in, reader=database, store=database)
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
    async with aclosing(contents.chunks(content, start, end)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_content_in_the_database_is_read_as_it_came(engine: Engine) -> None:
    async with open_world(engine) as world:
        contents = opened(engine, world.database)
        content = await put(contents, BODY, now=world.clock())
        assert content.file is not None and not is_file(content.file)
        assert not any(contents.spool.iterdir())
        size = len(BODY)
        ranges = [(0, None), (0, 1), (PIECE - 1, PIECE + 1), (PIECE, 2 * PIECE), (size - 1, size)]
        with cases() as case:
            for start, end in ranges:
                with case(f"{start} to {end}"):
                    assert await read(contents, content, start, end) == BODY[start:end]
        async with contents.at_hand(content) as path:
            assert path is not None and path.read_bytes() == BODY
        assert not any(contents.spool.iterdir())
        with pytest.raises(ContentDamaged):
            await read(contents, content, 0, size + 1)

        await contents.remove(content.file)

        with pytest.raises(ContentDamaged):
            await read(contents, content)


async def test_a_spool_file_that_changed_is_stored_nowhere(engine: Engine) -> None:
    async with open_world(engine) as world:
        contents = opened(engine, world.database)
        spool = contents.new_spool(os.urandom(16))
        await asyncio.to_thread(spool.finish, [BODY])
        other = Content(sha256(b"other").digest(), len(BODY), None, content_name(spool.path.name))

        with pytest.raises(ContentDamaged):
            await contents.put(spool, other, now=world.clock())


async def stray(world: World, contents: ContentDirectory, now: int) -> set[str]:
    found = orphans(world.database, contents, now=now / 1_000_000)
    return {file async for some in found for file in some}


async def test_pieces_without_a_row_are_removed_after_an_hour(engine: Engine) -> None:
    async with open_world(engine) as world:
        contents = opened(engine, world.database)
        named, left = [await put(contents, BODY, now=world.clock()) for _ in range(2)]
        assert named.file and left.file
        message = await deliver(world, TEAM, body=BODY, file=named.file)
        now = world.clock()

        assert await stray(world, contents, now) == set()
        assert await stray(world, contents, now + HOUR + DAY) == {left.file}
        # One that is named by now stays, and one that is gone is stored no more.
        assert await remove_orphans(world.database, contents, [named.file, left.file]) == 1
        with pytest.raises(ContentDamaged):
            await deliver(world, TEAM, body=BODY, file=left.file)
        async with world.client(SALES) as client:
            raw = await client.get(f"/v1/messages/{message}/raw/")
        assert raw.content.endswith(BODY)


async def test_damaged_pieces_are_named(engine: Engine) -> None:
    async with open_world(engine) as world:
        contents = opened(engine, world.database)
        bodies = [BODY + b"%d" % number for number in range(3)]
        stored = [await put(contents, body, now=world.clock()) for body in bodies]
        for body, content in zip(bodies, stored, strict=True):
            await deliver(world, TEAM, body=body, file=content.file)
        assert (await audit(world.database, contents, deep=True)).findings == ()
        _, short, changed = [bytes.fromhex((one.file or "").rpartition(":")[2]) for one in stored]
        await world.database.write(
            lambda tx: tx.execute(
                "DELETE FROM content_pieces WHERE content_id = :id AND position = 4", {"id": short}
            )
        )
        await world.database.write(
            lambda tx: tx.execute(
                """
                UPDATE content_pieces SET octets = :octets
                WHERE content_id = :id AND position = 1
                """,
                {"id": changed, "octets": bytes(PIECE)},
            )
        )

        shallow = (await audit(world.database, contents)).findings
        deep = (await audit(world.database, contents, deep=True)).findings

        assert [short.hex() in one.fault for one in shallow] == [True]
        assert sorted(short.hex() in one.fault for one in deep) == [False, True]
        assert any(changed.hex() in one.fault for one in deep)
