"""What was stored before an upgrade is parsed once more: corrected, resumed, nothing split."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.jobs.reparse import BATCH, one_batch
from gateway.parser.process import ParserProcess
from storage.database import Tx
from storage.ids import from_text
from storage.mailbox import reparse
from storage.maintenance.store_gauges import waiting
from storage.message_format.mime_parts import Parsed
from tests.builders import SALES, SUPPORT, World, count_all, open_world, receive
from tests.support.engines import Engine
from tests.support.inputs import MESSAGES, content
from tests.support.post_room import parse_waiting

TEAM = "team@example.test"
MADE_UP = "JohnDoejohn.doe@outside.test"


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as opened:
        yield opened


@pytest.fixture
async def parser() -> AsyncIterator[ParserProcess]:
    made = ParserProcess(size_limit=1024 * 1024)
    yield made
    await made.stop()


async def everything(world: World, parser: ParserProcess) -> int:
    """Parse all that waits once more; how many batches it took."""
    batches = 0
    while await one_batch(world.database, world.content, parser, world.clock):
        batches += 1
    return batches


async def stored_before(world: World, names: list[str]) -> dict[str, str]:
    """Messages as the first release had stored them: sender, charset, files and threads wrong."""
    ids = {name: await receive(world, TEAM, body=content(name)) for name in names}

    async def spoil(tx: Tx) -> None:
        await tx.execute(
            """
            UPDATE messages SET from_name = '', from_email = :email, automatic = 0
            WHERE subject = 'case 1'
            """,
            {"email": MADE_UP},
        )
        await tx.execute("UPDATE messages SET automatic = 0", {})

    await world.database.write(spoil)
    await parse_waiting(world.database, world.clock())
    await count_all(world)

    async def forget(tx: Tx) -> None:
        await tx.execute("UPDATE messages SET preview = 'old', has_attachments = 1", {})
        await tx.execute("UPDATE attachments SET filename = 'old'", {})
        await tx.execute("UPDATE thread_references SET is_message = 0", {})
        await reparse.start_again(tx)

    await world.database.write(forget)
    return ids


async def message(world: World, message_id: str) -> dict[str, Any]:
    async with world.client(SALES) as api:
        answer = await api.get(f"/v1/messages/{message_id}/")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def known(world: World, address: str) -> int:
    async with world.client(SALES) as api:
        answer = await api.get(f"/v1/relationships/{address}/")
    return 0 if answer.status_code == 404 else int(answer.json()["message_count"])


async def events_of(world: World) -> int:
    row = await world.database.read(lambda tx: tx.fetch_one("SELECT COUNT(*) AS n FROM events"))
    assert row is not None
    return int(row["n"])


async def test_text_names_words_files_and_relationships_are_corrected(
    world: World, parser: ParserProcess
) -> None:
    names = ["from-bare-with-name", "raw-latin1-filename", "auto-newsletter"]
    ids = await stored_before(world, names)
    file = (await message(world, ids["raw-latin1-filename"]))["attachments"]
    news = "news@h7-28603.outside.test"
    assert (await known(world, MADE_UP), await known(world, news)) == (1, 1)
    before = await events_of(world)

    assert await everything(world, parser) == 1

    shown = await message(world, ids["from-bare-with-name"])
    assert shown["from"] == {"name": "John Doe", "email": "john.doe@outside.test"}
    assert (shown["preview"], shown["has_attachments"]) == ("pangolin", False)
    assert await known(world, "john.doe@outside.test") == 1
    assert (await known(world, MADE_UP), await known(world, news)) == (0, 0)
    (again,) = (await message(world, ids["raw-latin1-filename"]))["attachments"]
    assert again["filename"] == "Präsentation.pdf"
    assert [again["attachment_id"]] == [one["attachment_id"] for one in file]
    async with world.client(SUPPORT) as api:
        found = await api.get("/v1/messages/", params={"q": "from:john.doe pangolin"})
    assert len(found.json()["results"]) == 1
    assert await events_of(world) == before


async def test_what_is_done_is_done_once_and_resumed(world: World, parser: ParserProcess) -> None:
    body = content("text-bom")
    for number in range(BATCH + 3):
        await receive(world, TEAM, body=body.replace(b"case 23", b"case %d" % number))
    await parse_waiting(world.database, world.clock())
    assert await world.database.write(reparse.start_again) == BATCH + 3
    assert (await world.database.read(waiting)).reparsing == BATCH + 3

    assert await one_batch(world.database, world.content, parser, world.clock)
    assert (await world.database.read(waiting)).reparsing == 3
    await receive(world, TEAM, body=body)
    assert await everything(world, parser) == 1
    assert (await world.database.read(waiting)).reparsing == 0


async def test_of_two_processes_one_keeps_a_batch(world: World) -> None:
    await receive(world, TEAM, body=content("text-bom"))
    await world.database.write(reparse.start_again)
    batch = await world.database.read(lambda tx: reparse.next_batch(tx, limit=5))
    assert batch is not None

    async def keep(tx: Tx) -> bool:
        return await reparse.keep(tx, batch, (), now=world.clock())

    assert await world.database.write(keep)
    assert not await world.database.write(keep)


async def test_threads_are_joined_and_never_split(world: World, parser: ParserProcess) -> None:
    names = ["out-of-order-1", "out-of-order-2", "irt-encoded-1", "irt-encoded-2"]
    await stored_before(world, names)

    async def split(tx: Tx) -> None:
        """The encoded id was not read then, and the message between the two came too early."""
        thread_id = tx.new_id()
        rows = await tx.fetch_all(
            "SELECT message_id, tenant_id, received_at, header_message_id FROM messages"
        )
        for row in rows:
            if not row["header_message_id"].startswith("en2."):
                continue
            await tx.execute(
                """
                INSERT INTO threads (thread_id, tenant_id, status, created_at)
                VALUES (:thread_id, :tenant_id, 'open', :now)
                """,
                {
                    "thread_id": thread_id,
                    "tenant_id": bytes(row["tenant_id"]),
                    "now": row["received_at"],
                },
            )
            await tx.execute(
                "UPDATE messages SET thread_id = :thread_id WHERE message_id = :message_id",
                {"thread_id": thread_id, "message_id": bytes(row["message_id"])},
            )

    await world.database.write(split)
    async with world.client(SALES) as api:
        assert len((await api.get("/v1/messages/threads/")).json()["results"]) == 4
        await everything(world, parser)
        threads = (await api.get("/v1/messages/threads/")).json()["results"]
    assert sorted(one["message_count"] for one in threads) == [1, 1, 2]


async def test_the_root_of_a_long_thread_counts_as_at_delivery(
    world: World, parser: ParserProcess
) -> None:
    others = "".join(f"\r\n <r{number}@x>" for number in range(150))
    await receive(world, TEAM, body=b"Message-ID: <root@x>\r\nFrom: ann@client.test\r\n\r\nA\r\n")
    head = f"Message-ID: <late@x>\r\nIn-Reply-To: <p@x> <q@x>\r\nReferences: <root@x>{others}"
    late = await receive(world, TEAM, body=f"{head}\r\n\r\nB\r\n".encode())

    async def split(tx: Tx) -> None:
        row = await tx.fetch_one("SELECT tenant_id, created_at FROM threads")
        assert row is not None  # one thread until here: so it was at delivery
        thread = {**row, "thread_id": tx.new_id(), "message_id": from_text("msg", late)}
        await tx.execute(
            """
            INSERT INTO threads (thread_id, tenant_id, status, created_at)
            VALUES (:thread_id, :tenant_id, 'open', :created_at)
            """,
            thread,
        )
        await tx.execute(
            "UPDATE messages SET thread_id = :thread_id WHERE message_id = :message_id", thread
        )
        await tx.execute("DELETE FROM thread_references WHERE is_message = 0")
        await reparse.start_again(tx)

    await world.database.write(split)
    await everything(world, parser)
    async with world.client(SALES) as api:
        (thread,) = (await api.get("/v1/messages/threads/")).json()["results"]
    assert thread["message_count"] == 2


async def test_a_message_that_cannot_be_parsed_now_stays_as_it_is(
    world: World, parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored_before(world, ["text-bom"])

    async def refuse(requests: object) -> list[Parsed | str]:
        return ["took more than a second of the processor"]

    monkeypatch.setattr(parser, "parse", refuse)
    assert await everything(world, parser) == 1
    async with world.client(SALES) as api:
        (item,) = (await api.get("/v1/messages/")).json()["results"]
    assert item["preview"] == "old"


async def test_a_large_message_is_read_from_its_file(world: World, parser: ParserProcess) -> None:
    body = content("from-bare-with-name") + b"x" * 300_000
    (world.content.files / "large").write_bytes(body)
    await receive(world, TEAM, body=body)
    await world.database.write(
        lambda tx: tx.execute("UPDATE contents SET body = NULL, file = 'large'", {})
    )
    await world.database.write(reparse.start_again)

    assert await everything(world, parser) == 1
    async with world.client(SALES) as api:
        (item,) = (await api.get("/v1/messages/")).json()["results"]
    assert item["preview"].startswith("pangolin x")


async def test_a_letter_that_was_a_file_is_opened_and_keeps_its_attachments(
    world: World, parser: ParserProcess
) -> None:
    name = "signed-as-a-whole"
    message_id = await receive(world, TEAM, body=content(name))
    await parse_waiting(world.database, world.clock())

    async def close(tx: Tx) -> None:
        await tx.execute("DELETE FROM attachments WHERE part_steps <> ''", {})
        await tx.execute("DELETE FROM bodies", {})
        await reparse.start_again(tx)

    await world.database.write(close)
    (whole,) = (await message(world, message_id))["attachments"]
    await everything(world, parser)
    shown = await message(world, message_id)
    pdf, signature = shown["attachments"]
    assert (shown["text_body"], pdf["filename"]) == (MESSAGES[name].text, "a.pdf")
    assert signature == whole

    await world.database.write(reparse.start_again)
    await everything(world, parser)
    assert (await message(world, message_id))["attachments"] == [pdf, signature]
