"""Waiting for a message over HTTP."""

import asyncio
import time

from tests.builders import AGENT, SALES, World, deliver

WAIT = "/v1/messages/wait/"


async def test_a_message_that_is_there_is_the_answer(world: World) -> None:
    await deliver(world, "team@example.test", subject="Your code is 1")
    second = await deliver(world, "team+a@example.test", subject="Your code is 2")
    async with world.client(SALES) as api:
        newest = await api.get(
            WAIT, params={"to": "TEAM@Example.test", "subject": "CODE", "timeout": "0"}
        )
        tagged = await api.get(WAIT, params={"to": "team+a@example.test", "timeout": "0"})
        other = await api.get(WAIT, params={"subject": "code is 3", "timeout": "0"})

    assert newest.json()["message_id"] == tagged.json()["message_id"] == second
    assert newest.json()["envelope"]["rcpt_to"] == ["team+a@example.test"]
    assert (other.status_code, other.content) == (204, b"")


async def test_a_message_that_comes_ends_the_waiting(world: World) -> None:
    async with world.client(SALES) as api:
        waiting = asyncio.create_task(api.get(WAIT, params={"subject": "late"}))
        await asyncio.sleep(0.1)
        await deliver(world, "team@example.test", subject="early")
        world.commits.set()
        sent = await deliver(world, "team@example.test", subject="late")
        world.commits.set()
        started = time.monotonic()
        answer = await waiting

    assert answer.json()["message_id"] == sent
    assert time.monotonic() - started < 1.5


async def test_what_another_process_commits_is_seen_a_little_later(world: World) -> None:
    async with world.client(SALES) as api:
        waiting = asyncio.create_task(api.get(WAIT))
        await asyncio.sleep(0.05)
        sent = await deliver(world, "team@example.test")
        answer = await waiting

    assert answer.json()["message_id"] == sent


async def test_an_inbox_waits_for_its_own_messages_only(world: World) -> None:
    await deliver(world, "team@example.test")
    async with world.client(AGENT) as api:
        answer = await api.get(WAIT, params={"timeout": "0"})

    assert answer.status_code == 204


async def test_only_what_came_after_counts(world: World) -> None:
    await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        received = (await api.get("/v1/messages/")).json()["results"][0]["received_at"]
        since = await api.get(WAIT, params={"after": received, "timeout": "0"})
        later = await api.get(WAIT, params={"after": "2027-06-01", "timeout": "0"})
        odd = await api.get(WAIT, params={"timeout": "61", "after": "soon"})

    assert (since.status_code, later.status_code) == (200, 204)
    assert {fault["field"] for fault in odd.json()["errors"]} == {"timeout", "after"}
