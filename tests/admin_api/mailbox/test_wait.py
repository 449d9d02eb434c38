"""Waiting for a message over HTTP."""

import asyncio
from collections import Counter

import pytest

from admin_api.call.call import Call, acting_inbox
from admin_api.mailbox import wait
from admin_api.mailbox.messages import Entire
from storage.database import Tx
from tests.admin_api.events.streams import feed_of
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, TENANT_OWNER, World, deliver

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
        answer = await waiting

    assert answer.json()["message_id"] == sent  # at the end of its time it would have been 204


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


async def waiting_calls(world: World, count: int) -> None:
    """Return when so many wait."""
    async with asyncio.timeout(20):
        while feed_of(world).streams_open < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_mail_of_others_wakes_nobody_who_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[bytes] = Counter()
    newest = wait._newest

    async def counted(tx: Tx, call: Call, expected: wait.Expected) -> Entire | None:
        reads[await acting_inbox(tx, call)] += 1
        return await newest(tx, call, expected)

    monkeypatch.setattr(wait, "_newest", counted)
    async with world.client(AGENT) as api, world.client(FOREIGN_INBOX) as foreign:
        calls = [asyncio.create_task(one.get(WAIT)) for one in (api, foreign) for _ in range(10)]
        await waiting_calls(world, 20)
        # Each call looks before and after it begins to listen.
        for _ in range(3000):
            if sum(reads.values()) == 2 * len(calls):
                break
            await asyncio.sleep(0.01)
        before = Counter(reads)
        for _ in range(20):
            await deliver(world, "sales@example.test")
            world.commits.set()
            await asyncio.sleep(0.02)
        assert reads == before
        await deliver(world, "agent@example.test")
        world.commits.set()
        answers = await asyncio.gather(*calls[:10])
        assert {answer.status_code for answer in answers} == {200}
        await deliver(world, "desk@other.test", tenant="Other")
        world.commits.set()
        assert {answer.status_code for answer in await asyncio.gather(*calls[10:])} == {200}
    assert reads[world.raw[AGENT]] <= before[world.raw[AGENT]] + 20


async def test_waiting_counts_as_a_stream_of_its_credential(world: World) -> None:
    async with world.client(AGENT) as api, world.client(SALES) as other:
        calls = [asyncio.create_task(api.get(WAIT)) for _ in range(20)]
        await waiting_calls(world, 20)
        refused = await api.get(WAIT)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert (await api.get(WAIT, params={"timeout": "0"})).status_code == 204
        assert (await other.get(WAIT, params={"timeout": "1"})).status_code == 204
        await deliver(world, "agent@example.test")
        world.commits.set()
        await asyncio.gather(*calls)
        again = await api.get(WAIT, params={"timeout": "1", "subject": "none"})
        assert again.status_code == 204
    assert feed_of(world).streams_open == 0


async def test_waiting_ends_with_its_credential(world: World) -> None:
    async with world.client(SALES) as api, world.client(TENANT_OWNER) as owner:
        waiting = asyncio.create_task(api.get(WAIT))
        await waiting_calls(world, 1)
        (token,) = [
            one
            for one in (await owner.get("/v1/tokens/")).json()
            if one["inbox_id"] == world.ids[SALES]
        ]
        await owner.delete(f"/v1/tokens/{token['token_id']}/")
        async with asyncio.timeout(10):
            answer = await waiting
    assert answer.status_code == 401


async def test_waiting_ends_with_the_process_and_with_the_client(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        gone = asyncio.create_task(other.get(WAIT))
        waiting = asyncio.create_task(api.get(WAIT))
        await waiting_calls(world, 2)
        gone.cancel()
        await asyncio.wait([gone])
        assert feed_of(world).streams_open == 1
        feed_of(world).close()
        async with asyncio.timeout(10):
            assert (await waiting).status_code == 204
