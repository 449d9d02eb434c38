"""Moving large contents between files and the database: all of them, once, and as they were."""

import asyncio
import os

import pytest

from storage.content.message_bytes import Content, ContentDirectory, content_name, is_file
from storage.content.places import open_contents
from storage.database import Tx
from storage.ids import from_text
from storage.maintenance.content_move import MoveReport, count_misplaced, move_contents
from storage.maintenance.integrity import audit
from tests.builders import SALES, TEAM, World, deliver, open_world
from tests.support.engines import Engine

BODY = b"Subject: large\r\n\r\n" + bytes(range(256)) * 2048


def opened(engine: Engine, world: World, keep_in: str) -> ContentDirectory:
    made = open_contents(engine.data, keep_in=keep_in, reader=world.database, store=world.database)
    made.prepare()
    return made


async def large(world: World, contents: ContentDirectory, number: int) -> tuple[str, str]:
    """Store a message whose content is a file; its id and the file's name."""
    body = BODY + b"%d" % number
    spool = contents.new_spool(os.urandom(16))
    name = content_name(spool.path.name)
    await asyncio.to_thread(spool.finish, [body])
    await asyncio.to_thread(contents.place, [spool])
    return await deliver(world, TEAM, body=body, file=name), name


async def locations(world: World) -> list[str]:
    async def work(tx: Tx) -> list[str]:
        rows = await tx.fetch_all("SELECT file FROM contents WHERE file IS NOT NULL ORDER BY file")
        return [row["file"] for row in rows]

    return await world.database.read(work)


async def moved(world: World, contents: ContentDirectory) -> MoveReport:
    return await move_contents(world.database, contents, clock=world.clock, linger=0)


async def test_contents_are_moved_to_the_database_and_back(engine: Engine) -> None:
    async with open_world(engine) as world:
        files, database = (opened(engine, world, kind) for kind in ("files", "database"))
        ids = [(await large(world, files, number))[0] for number in range(3)]
        assert await count_misplaced(world.database, database) == (3, 3 * len(BODY) + 3)

        there = await moved(world, database)
        assert (there.moved, there.octets, there.damaged) == (3, 3 * len(BODY) + 3, [])
        assert not any(map(is_file, await locations(world)))
        assert not any(path.is_file() for path in files.files.glob("*/*"))
        assert (await moved(world, database)).moved == 0  # nothing is done twice
        assert (await audit(world.database, database, deep=True)).findings == ()
        async with world.client(SALES) as client:
            raw = await client.get(f"/v1/messages/{ids[1]}/raw/")
        assert raw.content.endswith(BODY + b"1")

        back = await moved(world, files)
        assert back.moved == 3
        assert all(map(is_file, await locations(world)))
        assert (await audit(world.database, files, deep=True)).findings == ()
        pieces = await world.database.read(
            lambda tx: tx.fetch_all("SELECT position FROM content_pieces")
        )
        assert pieces == []


async def test_one_that_cannot_be_moved_holds_no_other_up(engine: Engine) -> None:
    async with open_world(engine) as world:
        files, database = (opened(engine, world, kind) for kind in ("files", "database"))
        made = [await large(world, files, number) for number in range(4)]
        (files.files / made[0][1]).write_bytes(b"damaged")
        (files.files / made[1][1]).unlink()  # as one that another gateway has

        found = await moved(world, database)

        assert (found.moved, found.absent) == (2, 1)
        assert found.damaged == [from_text("msg", made[0][0])]
        assert len([*filter(is_file, await locations(world))]) == 2


async def test_one_that_is_deleted_meanwhile_leaves_nothing_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(engine) as world:
        files, database = (opened(engine, world, kind) for kind in ("files", "database"))
        await large(world, files, 0)
        copy = ContentDirectory.copy

        async def deleting(contents: ContentDirectory, content: Content, *, now: int) -> Content:
            copied = await copy(contents, content, now=now)
            await world.database.write(lambda tx: tx.execute("DELETE FROM contents"))
            return copied

        monkeypatch.setattr(ContentDirectory, "copy", deleting)

        assert (await moved(world, database)).moved == 0
        pieces = await world.database.read(
            lambda tx: tx.fetch_all("SELECT position FROM content_pieces")
        )
        assert pieces == []
