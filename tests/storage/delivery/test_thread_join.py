"""The thread that a message joins at its delivery (RFC 5322 3.6.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.delivery.arrivals import (
    Arrival,
    Stored,
)
from tests.builders import (
    FOREIGN_LIST,
    World,
    open_world,
)
from tests.storage.delivery.arriving import (
    count,
    deliver,
    mail,
    rows,
    stored,
)
from tests.support.engines import Engine


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


def named(world: World, name: str | None, *references: str, tenant: str = "Example") -> Arrival:
    to = "team@example.test" if tenant == "Example" else FOREIGN_LIST
    made = mail(world, to, body=f"{name}{references}".encode(), tenant=tenant)
    return made._replace(header_message_id=name, references=references)


async def threads_of(world: World, *arrivals: Arrival) -> list[int]:
    """Deliver one after the other; the threads they landed in, numbered as they appeared."""
    seen: dict[bytes, int] = {}
    found = []
    for arrival in arrivals:
        one = await stored(world, arrival)
        (row,) = await rows(
            world, "SELECT thread_id FROM messages WHERE message_id = :id", id=one.message_id
        )
        found.append(seen.setdefault(row["thread_id"], len(seen)))
    return found


async def test_a_reply_joins_the_thread_in_either_order(world: World) -> None:
    first, reply = named(world, "1@a"), named(world, "2@a", "1@a")
    assert await threads_of(world, first, reply) == [0, 0]

    late, early = named(world, "3@a"), named(world, "4@a", "3@a")
    assert await threads_of(world, early, late) == [0, 0]


async def test_replies_to_mail_never_seen_still_meet(world: World) -> None:
    assert await threads_of(
        world, named(world, "2@a", "0@a"), named(world, "3@a", "0@a"), named(world, "4@a", "3@a")
    ) == [0, 0, 0]


async def test_a_message_that_refers_to_two_threads_lands_in_the_older(world: World) -> None:
    assert await threads_of(
        world, named(world, "1@a"), named(world, "2@a"), named(world, "3@a", "2@a", "1@a")
    ) == [0, 1, 0]
    assert len(await rows(world, "SELECT DISTINCT thread_id FROM messages")) == 1


async def test_of_a_message_id_used_twice_the_first_counts(world: World) -> None:
    first, second = named(world, "1@a"), named(world, "1@a")._replace(subject="other")
    second = second._replace(content=mail(world, body=b"other").content)
    assert await threads_of(world, first, second, named(world, "2@a", "1@a")) == [0, 0, 0]


async def test_mail_without_any_name_is_a_thread_of_its_own(world: World) -> None:
    assert await threads_of(world, named(world, None), named(world, None)) == [0, 1]


async def test_messages_of_one_batch_meet_as_well(world: World) -> None:
    first, second = await deliver(world, named(world, "2@a", "1@a"), named(world, "3@a", "1@a"))

    assert isinstance(first, Stored) and isinstance(second, Stored)
    assert len(await rows(world, "SELECT DISTINCT thread_id FROM messages")) == 1
    assert await count(world, "threads") == 1


async def test_threads_never_cross_tenants(world: World) -> None:
    ours, theirs = named(world, "1@a"), named(world, "2@a", "1@a", tenant="Other")

    assert await threads_of(world, ours, theirs) == [0, 1]


async def test_a_new_message_reopens_a_closed_thread(world: World) -> None:
    await stored(world, named(world, "1@a"))
    await world.database.write(lambda tx: tx.execute("UPDATE threads SET status = 'closed'"))

    await stored(world, named(world, "2@a", "1@a"))

    assert [row["status"] for row in await rows(world, "SELECT status FROM threads")] == ["open"]
    assert len(await rows(world, "SELECT 1 FROM events WHERE type = 'thread.reopened'")) == 1
