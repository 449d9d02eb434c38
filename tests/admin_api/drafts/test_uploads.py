"""Files for letters: stored as they come, for a day, within bounds, each for its own inbox."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from admin_api.drafts.uploads import MOST_OCTETS
from storage.clock import HOUR
from storage.drafts import uploads
from storage.drafts.uploads import Upload
from storage.errors import Invalid
from storage.ids import from_text
from tests.builders import FOREIGN_INBOX, SALES, SUPPORT, World
from tests.support.cases import cases
from tests.support.retention import forgotten

UPLOADS = "/v1/uploads/"
NAMED = {"filename": "offer.pdf"}
PDF = {"Content-Type": "application/pdf"}


async def upload(
    world: World, who: str = SALES, content: bytes = b"%PDF-1.7", key: str = ""
) -> str:
    headers = {**PDF, **({"Idempotency-Key": key} if key else {})}
    async with world.client(who) as api:
        answer = await api.post(UPLOADS, params=NAMED, content=content, headers=headers)
    assert answer.status_code == 201
    return str(answer.json()["upload_id"])


async def found(world: World, *names: str, who: str = SALES) -> list[Upload]:
    """What a letter of this inbox gets. Raises Invalid."""
    tenant = "Other" if who == FOREIGN_INBOX else "Example"
    return await world.database.read(
        lambda tx: uploads.find_uploads(
            tx,
            tenant_id=world.raw[tenant],
            inbox_id=world.raw[who],
            upload_ids=[from_text("upl", name) or b"" for name in names],
            now=world.clock(),
        )
    )


async def octets(world: World, one: Upload) -> bytes:
    return b"".join([chunk async for chunk in world.content.chunks(one.content)])


def files(world: World) -> int:
    """How many files there are: whole ones, and those that arrive."""
    folders = (world.content.files, world.content.spool)
    return sum(path.is_file() for folder in folders for path in folder.rglob("*"))


async def test_a_file_is_stored_as_it_comes_and_given_to_letters_of_its_inbox_alone(
    world: World,
) -> None:
    content = bytes(range(256)) * 3000  # three times what is held in memory
    async with world.client(SALES) as api:
        answer = await api.post(UPLOADS, params=NAMED, content=content, headers=PDF)
    record = answer.json()
    assert answer.status_code == 201
    assert record == {
        "upload_id": record["upload_id"],
        "filename": "offer.pdf",
        "content_type": "application/pdf",
        "size": len(content),
        "expires_at": record["expires_at"],
    }
    (one,) = await found(world, record["upload_id"])
    assert await octets(world, one) == content

    empty = await upload(world, content=b"")
    both = await found(world, empty, record["upload_id"])
    assert [item.content.size for item in both] == [0, len(content)]
    for who in (SUPPORT, FOREIGN_INBOX):
        with pytest.raises(Invalid) as fault:
            await found(world, empty, record["upload_id"], who=who)
        assert [one.field for one in fault.value.faults] == [
            "attachments[0].upload_id",
            "attachments[1].upload_id",
        ]
    with pytest.raises(Invalid, match="named twice"):
        await found(world, empty, empty)


async def test_a_bad_name_or_type_or_size_is_refused_and_leaves_no_file(world: World) -> None:
    named = {
        "no name": ({}, "filename"),
        "an empty one": ({"filename": " "}, "filename"),
        "a line end": ({"filename": "a\r\nBcc: x@y.test"}, "filename"),
        "a path": ({"filename": "../etc/passwd"}, "filename"),
        "another path": ({"filename": "C:\\a.txt"}, "filename"),
        "too long a name": ({"filename": "ü" * 128}, "filename"),
        "an unknown parameter": ({**NAMED, "name": "x"}, "name"),
    }
    typed = {
        "no media type": {"Content-Type": "pdf"},
        "a type with more in it": {"Content-Type": 'a/b; name="x'},
        "a compressed file": {"Content-Encoding": "gzip"},
    }

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_OCTETS // (1 << 20)):
            yield bytes(1 << 20)
        yield b"x"

    async with world.client(SALES) as api:
        with cases() as case:
            for name, (query, field) in named.items():
                with case(name):
                    answer = await api.post(UPLOADS, params=query, content=b"x", headers=PDF)
                    assert answer.status_code == 400
                    assert [one["field"] for one in answer.json()["errors"]] == [field]
            for name, headers in typed.items():
                with case(name):
                    answer = await api.post(
                        UPLOADS, params=NAMED, content=b"x", headers={**PDF, **headers}
                    )
                    assert answer.status_code == 415
            with case("a file that is said to be too large"):
                headers = {**PDF, "Content-Length": str(MOST_OCTETS + 1)}
                answer = await api.post(UPLOADS, params=NAMED, content=b"x", headers=headers)
                assert answer.status_code == 413
            with case("one that turns out to be"):
                answer = await api.post(UPLOADS, params=NAMED, content=endless(), headers=PDF)
                assert answer.status_code == 413
    assert files(world) == 0


async def test_an_inbox_holds_a_hundred_mebioctets_that_no_letter_has_taken(world: World) -> None:
    first = await upload(world)
    key = {"upload_id": from_text("upl", first), "size": uploads.ROOM - 3}
    await world.database.write(
        lambda tx: tx.execute("UPDATE uploads SET size = :size WHERE upload_id = :upload_id", key)
    )
    async with world.client(SALES) as api:
        for content in (b"four", _in_pieces(b"fo", b"ur")):
            answer = await api.post(UPLOADS, params=NAMED, content=content, headers=PDF)
            assert (answer.status_code, answer.json()["code"]) == (409, "uploads_full")
    assert files(world) == 1
    await upload(world, SUPPORT)
    await upload(world, content=b"3oc")
    await take(world, first)
    await upload(world, content=b"four")


async def _in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def take(world: World, name: str) -> bytes:
    message_id = b"m" * 16
    await world.database.write(
        lambda tx: uploads.take_uploads(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            message_id=message_id,
            upload_ids=[from_text("upl", name) or b""],
            now=world.clock(),
        )
    )
    return message_id


async def test_a_file_goes_after_a_day_and_is_one_letters_unless_that_is_cancelled(
    world: World,
) -> None:
    kept, taken = await upload(world), await upload(world)
    message_id = await take(world, taken)
    with pytest.raises(Invalid, match="has expired"):
        await found(world, taken)
    assert await forgotten(world.database, "uploads", now=world.clock() + 24 * HOUR - 1) == 0

    world.clock.advance(23 * HOUR)
    await world.database.write(
        lambda tx: uploads.release_uploads(
            tx, tenant_id=world.tenant_id, message_id=message_id, now=world.clock()
        )
    )
    world.clock.advance(HOUR)
    with pytest.raises(Invalid, match="has expired"):
        await found(world, kept)
    assert len(await found(world, taken)) == 1
    assert await forgotten(world.database, "uploads", now=world.clock()) == 1
    assert len(await found(world, taken)) == 1


async def test_the_same_key_makes_one_upload_and_another_file_is_a_mismatch(world: World) -> None:
    assert await upload(world, key="one") == await upload(world, key="one")
    headers = {**PDF, "Idempotency-Key": "one"}
    async with world.client(SALES) as api:
        answer = await api.post(UPLOADS, params=NAMED, content=b"other", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert files(world) == 1


async def test_four_files_of_an_inbox_come_in_at_a_time(world: World) -> None:
    go_on = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slow() -> AsyncIterator[bytes]:
        begun.release()
        await go_on.wait()
        yield b"x"

    async with world.client(SALES) as api:
        running = [
            asyncio.create_task(api.post(UPLOADS, params=NAMED, content=slow(), headers=PDF))
            for _ in range(4)
        ]
        for _ in range(4):
            await begun.acquire()
        answer = await api.post(UPLOADS, params=NAMED, content=b"x", headers=PDF)
        assert (answer.status_code, answer.json()["code"]) == (429, "upload_running")
        go_on.set()
        assert {(await one).status_code for one in running} == {201}
    await upload(world)
