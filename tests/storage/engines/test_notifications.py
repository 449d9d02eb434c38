"""What a connection hears of others' commits, without waking up to look."""

import asyncio

import pytest

from storage.engines.postgres_connections import connected
from storage.engines.servers.notify import heard

PATIENCE = 20.0


@pytest.mark.parametrize("with_an_answer", [True, False])
async def test_what_came_is_heard_at_once(url: str, with_an_answer: bool) -> None:
    async with connected(url) as (listener, _), connected(url) as (other, _):
        await listener.execute(b"LISTEN news")
        await other.execute(b"NOTIFY news")
        if with_an_answer:  # the driver reads it with that: the socket has nothing any more
            await listener.execute(b"SELECT 1 AS one")
        async with asyncio.timeout(PATIENCE):
            (one,) = await heard(listener)

    assert one.channel == "news"


async def test_what_comes_while_we_wait_is_heard_and_nothing_after_the_time(url: str) -> None:
    async with connected(url) as (listener, _), connected(url) as (other, _):
        await listener.execute(b"LISTEN news")
        assert await heard(listener, 0.05) == []
        hearing = asyncio.create_task(heard(listener))
        await asyncio.sleep(0.05)
        assert not hearing.done()
        await other.execute(b"NOTIFY news")
        async with asyncio.timeout(PATIENCE):
            assert [one.channel for one in await hearing] == ["news"]
