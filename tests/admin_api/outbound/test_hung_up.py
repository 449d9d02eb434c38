"""A client that goes away while its letter or its file is committed: what is stored is whole."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from admin_api.outbound import letters
from storage.database import Row, Tx
from storage.drafts import uploads
from storage.maintenance.integrity import audit
from tests.admin_api.outbound.test_letters import MESSAGES, question, sending_world
from tests.builders import SALES, World
from tests.support.engines import Engine

Call = Callable[[httpx2.AsyncClient], Awaitable[object]]


async def cancelled_within(
    world: World, monkeypatch: pytest.MonkeyPatch, place: object, name: str, call: Call
) -> None:
    """Make the call, and have it cancelled while its transaction does the work of this name."""
    loop, work = asyncio.get_running_loop(), getattr(place, name)

    async def cancelling(tx: Tx, *given: Any, **named: Any) -> object:  # noqa: ANN401
        loop.call_soon_threadsafe(calling.cancel)
        return await work(tx, *given, **named)

    monkeypatch.setattr(place, name, cancelling)
    async with world.client(SALES) as api:
        calling = asyncio.ensure_future(call(api))
        with pytest.raises(asyncio.CancelledError):
            await calling
    monkeypatch.undo()


async def stored(world: World, table: str) -> list[bytes]:
    """The ids of the rows, once the transaction is over."""
    key = {"letters": "message_id", "uploads": "upload_id"}[table]

    async def ids(tx: Tx) -> list[Row]:
        return await tx.fetch_all(f"SELECT {key} AS id FROM {table}")

    async with asyncio.timeout(20):
        while not (rows := await world.database.read(ids)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return [bytes(row["id"]) for row in rows]


async def test_a_letter_that_is_committed_keeps_its_content(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending_world(engine) as world:
        letter = {"reply_to_message_id": await question(world), "text_body": "é" * 60_000}
        await cancelled_within(
            world, monkeypatch, letters, "_queue", lambda api: api.post(MESSAGES, json=letter)
        )
        assert len(await stored(world, "letters")) == 1
        assert (await audit(world.database, world.content, deep=True)).findings == ()


async def test_a_file_that_is_committed_keeps_its_content(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = bytes(range(256)) * 3000
    async with sending_world(engine) as world:
        await cancelled_within(
            world,
            monkeypatch,
            uploads,
            "add_upload",
            lambda api: api.post("/v1/uploads/", params={"filename": "a"}, content=octets),
        )
        (upload_id,) = await stored(world, "uploads")
        (found,) = await world.database.read(
            lambda tx: uploads.find_uploads(
                tx,
                tenant_id=world.raw["Example"],
                inbox_id=world.raw[SALES],
                upload_ids=[upload_id],
                now=world.clock(),
            )
        )
        chunks = [chunk async for chunk in world.content.chunks(found.content)]
    assert b"".join(chunks) == octets
