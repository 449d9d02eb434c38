"""Mail for a list without members: counted, and shown to the admins."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.delivery import empty_list_attempts
from gateway.delivery.empty_list_attempts import Deferred
from storage.clock import rfc3339
from storage.database import Tx
from storage.directory.empty_list_attempts import add_deferred
from storage.directory.lists import add_member, delete_list, remove_member
from storage.errors import StoreUnavailable
from tests.builders import SALES, SUPPORT, TEAM, TENANT_ADMIN, TENANT_OWNER, World, open_world
from tests.support.engines import Engine

LIST = "/v1/distribution-lists/"


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    """A world whose list has no members."""
    async with open_world(engine) as made:
        for address in (SALES, SUPPORT):
            key = {"tenant_id": made.tenant_id, "list_id": made.raw[TEAM]}

            async def leave(tx: Tx, address: str = address, key: dict[str, bytes] = key) -> None:
                await remove_member(tx, **key, inbox_id=made.raw[address], now=made.clock())

            await made.database.write(leave)
        yield made


async def shown(world: World, who: str) -> dict[str, Any]:
    async with world.client(who) as api:
        one = (await api.get(f"{LIST}{world.ids[TEAM]}/")).json()
        assert (await api.get(LIST)).json() == [one]
    return {name: one[name] for name in one if "deferred" in name}


async def written(world: World) -> bool:
    """Whether anything is counted in the store."""
    rows = await world.database.read(lambda tx: tx.fetch_all("SELECT 1 FROM deferred_lists"))
    return bool(rows)


async def test_attempts_are_counted_and_shown_to_admins_only(world: World) -> None:
    counted = Deferred(world.database, world.clock)
    assert await shown(world, TENANT_OWNER) == {}
    for _ in range(3):
        counted.note(world.raw[TEAM])
    await counted.write()
    world.clock.advance(5_000_000)
    counted.note(world.raw[TEAM])
    counted.note(b"?" * 16)
    await counted.write()
    await counted.write()
    told = {"deferred_count": 4, "last_deferred_at": rfc3339(world.clock())}
    assert await shown(world, TENANT_OWNER) == await shown(world, TENANT_ADMIN) == told
    assert await shown(world, SALES) == await shown(world, "mia@people.test") == {}


async def test_with_a_member_or_without_the_list_it_begins_anew(world: World) -> None:
    counted = Deferred(world.database, world.clock)
    key = {"tenant_id": world.tenant_id, "list_id": world.raw[TEAM]}
    counted.note(world.raw[TEAM])
    await counted.write()
    await world.database.write(
        lambda tx: add_member(tx, **key, inbox_id=world.raw[SALES], now=world.clock())
    )
    counted.note(world.raw[TEAM])  # told to wait just before
    await counted.write()
    assert await shown(world, TENANT_OWNER) == {}
    await world.database.write(lambda tx: delete_list(tx, **key, now=world.clock()))
    counted.note(world.raw[TEAM])
    await counted.write()
    assert not await written(world)


async def test_what_could_not_be_written_is_written_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Deferred(world.database, world.clock)
    monkeypatch.setattr(empty_list_attempts, "_EVERY_SECONDS", 0.01)
    away = [True, True]

    async def add(tx: Tx, attempts: dict[bytes, int], *, now: int) -> None:
        if away:
            away.pop()
            raise StoreUnavailable("away")
        await add_deferred(tx, attempts, now=now)

    monkeypatch.setattr(empty_list_attempts, "add_deferred", add)
    running = asyncio.create_task(counted.run())
    counted.note(world.raw[TEAM])
    for _ in range(500):
        if await written(world):
            break
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await shown(world, TENANT_OWNER))["deferred_count"] == 1
