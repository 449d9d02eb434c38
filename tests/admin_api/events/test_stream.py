"""The live stream: everything once, in order, to who may hear it, for as long as they may."""

import asyncio
import random

import pytest

from admin_api.events import stream as event_stream
from storage.clock import DAY, SECOND
from storage.database import Tx, Work
from storage.errors import StoreUnavailable
from storage.events.log import newest_event_id
from storage.ids import lowest_at, to_text
from storage.teamwork.tasks import Draft, create_task
from tests.admin_api.events.streams import PATIENCE, STREAM, feed_of, streaming
from tests.admin_api.teamwork.team import delete, get, post, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)
from tests.support.engines import Engine


async def test_a_message_is_told_to_each_member_as_it_comes(world: World) -> None:
    async with streaming(world, SALES) as sales, streaming(world, AGENT) as agent:
        message = await deliver(world, TEAM.lower())
        told = await sales.next()

        assert told is not None
        assert told.type == "message.received"
        assert told.body["data"]["message_id"] == message
        assert told.body["data"]["inbox_id"] == world.ids[SALES]
        assert sales.headers["content-type"].startswith("text/event-stream")
        assert sales.headers["cache-control"] == "no-store"
        assert sales.headers["x-accel-buffering"] == "no"
        assert sales.body.startswith(b"retry: ")
        assert await agent.silent()


async def test_what_the_api_writes_is_told_at_once(world: World) -> None:
    thread = await thread_with(world, TEAM.lower())
    async with streaming(world, SUPPORT) as support:
        await post(world, SALES, thread + "notes/", body="See.", mentions=[SUPPORT])
        await post(world, SALES, thread + "assign/", to=SUPPORT)
        told = await support.take(5)

    assert [one.type for one in told] == [
        "thread.note_added",
        "thread.mentioned",
        "task.created",
        "thread.assigned",
        "task.created",
    ]
    assert all("See." not in str(one.body) for one in told)


async def test_who_comes_back_goes_on_behind_the_last_event(world: World) -> None:
    async with streaming(world, SALES) as stream:
        await deliver(world, SALES.lower())
        first = await stream.next()
    assert first is not None
    missed = [await deliver(world, SALES.lower()) for _ in range(250)]

    async with streaming(world, SALES, last=first.event_id) as stream:
        told = await stream.take(250)
        live = await deliver(world, SALES.lower())
        told += await stream.take(1)

    assert [one.body["data"]["message_id"] for one in told] == [*missed, live]
    async with streaming(world, SALES, after=told[0].event_id, last=told[-1].event_id) as stream:
        assert await stream.silent()


async def test_what_was_listed_a_moment_ago_is_not_told_again(world: World) -> None:
    async with streaming(world, SALES) as another:
        for _ in range(3):
            await deliver(world, SALES.lower())  # by another process: nothing rings
            listed = await get(world, SALES, "/v1/events/", types="message.received")
            last = listed["results"][-1]["event_id"]
            async with streaming(world, SALES, last=last) as stream:
                assert await stream.silent()
        assert len(await another.take(3)) == 3


async def test_types_are_chosen_and_those_one_may_not_read_are_left_out(world: World) -> None:
    narrow = await token_with(world, SALES, "task:read")
    async with (
        streaming(world, SALES, types="task.created") as chosen,
        streaming(world, secret=narrow) as allowed,
        streaming(world, secret=narrow, types="message.received") as refused,
        streaming(world, SALES, types="message.lost") as unknown,
    ):
        await deliver(world, SALES.lower())
        await post(world, SALES, "/v1/tasks/", title="Call")
        for stream in (chosen, allowed):
            told = await stream.next()
            assert told is not None
            assert told.type == "task.created"
        assert (refused.status, unknown.status) == (403, 400)
        assert b"missing_scope" in refused.body


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("DELETE", None),
        ("PATCH", {"action": "pause"}),
        ("PATCH", {"action": "rotate"}),
        ("PATCH", {"scopes": ["task:read"]}),
    ],
)
async def test_a_stream_ends_when_its_token_is_changed(
    world: World, method: str, body: dict[str, object] | None
) -> None:
    token = f"/v1/tokens/{world.ids[f'token of {AGENT}']}/"
    async with streaming(world, AGENT) as stream, world.client(TENANT_OWNER) as owner:
        assert (await owner.request(method, token, json=body)).status_code in (200, 204)
        assert await stream.ends()


async def test_a_stream_ends_when_its_token_expires(world: World) -> None:
    token = f"/v1/tokens/{world.ids[f'token of {AGENT}']}/"
    async with streaming(world, AGENT) as stream, world.client(TENANT_OWNER) as owner:
        body = {"expires_at": "2030-01-01T00:00:00Z"}
        assert (await owner.patch(token, json=body)).status_code == 200
        assert await stream.silent()
        world.clock.advance(5 * 365 * DAY)
        assert await stream.ends()


async def test_a_stream_ends_with_its_inbox(world: World) -> None:
    async with streaming(world, AGENT) as stream:
        assert await delete(world, TENANT_OWNER, f"/v1/inboxes/{AGENT}/") == 204
        assert await stream.ends()


async def test_a_stream_ends_with_its_session_and_with_the_right_to_the_inbox(
    world: World,
) -> None:
    async with streaming(world, MEMBER, inbox_id=SUPPORT) as stream:
        async with world.client(TENANT_OWNER) as owner:
            change = {"owner_user_id": world.ids[TENANT_OWNER]}
            answer = await owner.patch(f"/v1/inboxes/{SUPPORT}/", json=change)
            assert answer.status_code == 200
        assert await stream.ends()
    async with streaming(world, MEMBER, inbox_id=SUPPORT) as stream:
        assert stream.status == 404
    async with streaming(world, TENANT_OWNER, inbox_id=SUPPORT) as stream:
        assert (await post(world, TENANT_OWNER, "/auth/logout/")).status_code == 204
        assert await stream.ends()


async def test_a_credential_holds_so_many_streams_and_no_more(world: World) -> None:
    open_ones = [streaming(world, AGENT) for _ in range(20)]
    for one in open_ones:
        assert (await one.__aenter__()).status == 200
    async with streaming(world, AGENT) as refused:
        assert refused.status == 429
        assert "retry-after" in refused.headers
    async with streaming(world, SALES) as another:
        assert another.status == 200
    await open_ones[0].__aexit__(None, None, None)
    async with streaming(world, AGENT) as again:
        assert again.status == 200
    for one in open_ones[1:]:
        await one.__aexit__(None, None, None)


async def test_streams_that_begin_together_are_no_more_than_one_by_one(world: World) -> None:
    """The owner acts for another's inbox: before each begins, the audit log has its entry."""
    together = [streaming(world, TENANT_OWNER, inbox_id=SUPPORT) for _ in range(25)]
    streams = await asyncio.gather(*(one.__aenter__() for one in together))

    assert sorted(stream.status for stream in streams) == [200] * 20 + [429] * 5
    for one in together:
        await one.__aexit__(None, None, None)


class Gone(asyncio.Transport):
    """A connection that its client has cut: uvloop does nothing with one that is closed."""

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        raise RuntimeError("the handler is closed")


async def test_a_client_that_left_before_its_stream_began_is_no_fault(world: World) -> None:
    async with streaming(world, AGENT, connection=Gone()) as stream:
        assert stream.status == 200


async def test_a_stream_that_is_never_sent_holds_no_place(world: World) -> None:
    async with world.client(AGENT) as api:
        for _ in range(25):
            assert (await api.head(STREAM)).status_code == 200
    async with streaming(world, AGENT) as stream:
        assert stream.status == 200


async def test_who_does_not_read_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_PATIENCE", 0.2)
    async with streaming(world, SALES) as stream:
        stream.reads.clear()
        await deliver(world, SALES.lower())
        async with asyncio.timeout(PATIENCE):
            while feed_of(world).streams_open:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)
        stream.reads.set()
        await deliver(world, SALES.lower())
        assert await stream.silent(1)


async def test_who_falls_behind_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.service.feed._MOST_WAITING", 3)
    async with streaming(world, SALES) as stream:
        stream.reads.clear()
        sent = [await deliver(world, SALES.lower()) for _ in range(3)]
        await asyncio.sleep(0.8)
        sent += [await deliver(world, SALES.lower()) for _ in range(30)]
        await asyncio.sleep(0.8)
        stream.reads.set()
        told = await stream.take(33)
        assert [one.body["data"]["message_id"] for one in told] == sent
        assert await stream.silent()


async def test_silence_is_broken_by_a_comment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "BEAT_SECONDS", 0.1)
    async with streaming(world, SALES) as stream:
        frames = [await asyncio.wait_for(stream.frames.get(), 5) for _ in range(3)]
    assert frames[1:] == [b":", b":"]


async def test_a_place_that_is_none_or_too_old_is_refused(world: World) -> None:
    old = to_text("evt", lowest_at(world.clock() - 7 * DAY - SECOND))
    kept = to_text("evt", lowest_at(world.clock() - 7 * DAY + 60 * SECOND))
    for last, status in (("x", 400), (old, 400), (kept, 200), ("", 200)):
        async with streaming(world, SALES, last=last) as stream:
            assert stream.status == status, last
    async with streaming(world, SALES, after=old) as stream:
        assert b"position_expired" in stream.body


async def test_while_the_store_is_away_nothing_is_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(work: Work[object]) -> object:
        raise StoreUnavailable("away")

    async with streaming(world, SALES) as stream:
        await deliver(world, SALES.lower())
        assert await stream.next() is not None
        with monkeypatch.context() as for_now:
            for_now.setattr(world.database, "read", away)
            sent = [await deliver(world, SALES.lower()) for _ in range(3)]
            assert await stream.silent(1)
        told = await stream.take(3)
    assert [one.body["data"]["message_id"] for one in told] == sent


async def test_when_the_reader_fails_streams_end_and_the_next_one_is_served(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(work: Work[object]) -> object:
        raise RuntimeError("a fault of ours")

    async with streaming(world, SALES) as stream:
        with monkeypatch.context() as for_now:
            for_now.setattr(world.database, "read", fail)
            assert await stream.ends()
        assert "feed_failed" in caplog.text
    async with streaming(world, SALES) as stream:
        await deliver(world, SALES.lower())
        assert await stream.next() is not None


async def test_the_head_of_a_stream_is_shown_without_one(world: World) -> None:
    async with world.client(AGENT) as api:
        for _ in range(25):
            answer = await api.head(STREAM)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")


async def test_nothing_is_told_of_another_tenant(world: World) -> None:
    async with streaming(world, FOREIGN_INBOX) as stream:
        await deliver(world, TEAM.lower())
        theirs = await deliver(world, FOREIGN_INBOX, tenant="Other")
        told = await stream.next()
    assert told is not None
    assert told.body["data"]["message_id"] == theirs


async def make_task(tx: Tx, world: World) -> None:
    await create_task(
        tx,
        tenant_id=world.tenant_id,
        inbox_id=world.raw[SALES],
        draft=Draft("manual", "Call"),
        created_by=None,
        now=world.clock(),
    )


@pytest.mark.timeout(100)
async def test_over_any_number_of_reconnects_everything_comes_once_and_in_order(
    world: World, engine: Engine
) -> None:
    """Some write here, some as another process would; the reader hangs up in the middle."""
    other = await engine.open(world.clock)
    chance = random.Random()

    async def newest(tx: Tx) -> bytes:
        return await newest_event_id(tx, tenant_id=world.tenant_id)

    start = to_text("evt", await world.database.read(newest))
    told: list[str] = []

    async def send() -> None:
        for _ in range(60):
            await deliver(world, TEAM.lower())
            await asyncio.sleep(chance.random() / 50)

    async def work() -> None:
        for number in range(60):
            await other.write(lambda tx: make_task(tx, world))
            world.clock.elapsed += 1
            await post(world, SALES, "/v1/tasks/", title=f"{number}")
            await asyncio.sleep(chance.random() / 50)

    writing = asyncio.gather(send(), work(), work())
    last, expected = start, 60 + 2 * 120
    async with asyncio.timeout(60):
        while len(told) < expected:
            async with streaming(world, SALES, last=last) as stream:
                for _ in range(chance.randrange(1, 40)):
                    try:
                        one = await stream.next(1)
                    except TimeoutError:
                        break
                    assert one is not None
                    told.append(one.event_id)
                    last = one.event_id
    await writing
    await other.close()

    listed: list[str] = []
    query = {"after": start, "limit": "200"}
    while True:
        page = await get(world, SALES, "/v1/events/", **query)
        listed += [one["event_id"] for one in page["results"]]
        if page["cursor"] is None:
            break
        query = {"limit": "200", "cursor": page["cursor"]}
    assert told == listed
    assert len(told) == expected
    assert told == sorted(set(told))
