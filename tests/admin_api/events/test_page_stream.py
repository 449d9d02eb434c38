"""The stream of a page: several inboxes in one, ids only, gone with its session."""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, cast

import orjson
import pytest
from starlette.requests import Request

from admin_api.access.credentials import identify
from admin_api.call.call import Call
from admin_api.events.page_stream import SharedFrames, page_stream, pause
from admin_api.service.feed import Feed, Listener
from storage.accounts.credential_marks import CredentialMark, credential_marks
from storage.accounts.sessions import end_other_sessions
from storage.database import Tx
from storage.errors import Invalid
from storage.events.log import Event, NewEvents, new_events
from tests.admin_api.events.streams import PATIENCE, Stream
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
    open_world,
)
from tests.support.engines import Engine

Frame = tuple[str, dict[str, Any]]


def service(world: World) -> Any:  # noqa: ANN401
    return cast(Any, world.app.router.default)._inner._calls._service


@contextlib.asynccontextmanager
async def page(world: World, who: str, *inboxes: str) -> AsyncIterator[Stream]:
    """Open the stream as the page of a user; it is hung up at the end."""
    stream = Stream()
    stream.reads.set()
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    person = await world.database.read(
        lambda tx: identify(tx, secret=world.secrets[who], now=world.clock())
    )
    call = Call(service(world), Request(scope), {}, world.clock(), person, store=world.database)
    response = await page_stream(call, inboxes, SharedFrames())
    running = asyncio.create_task(response(scope, stream.receive, stream.send))
    try:
        async with asyncio.timeout(PATIENCE):
            await stream.started.wait()
        yield stream
    finally:
        stream.gone.set()
        async with asyncio.timeout(PATIENCE):
            await running


async def frame(stream: Stream) -> Frame | None:
    """The next frame that says something; None at the end."""
    async with asyncio.timeout(PATIENCE):
        while (one := await stream.frames.get()) is not None:
            fields = dict(line.split(": ", 1) for line in one.decode().splitlines() if line != ":")
            if "event" in fields:
                return fields["event"], orjson.loads(fields["data"])
    return None


async def change(stream: Stream, kind: str) -> dict[str, Any]:
    """The next change of this kind."""
    while (one := await frame(stream)) is not None:
        if kind in one[1].get("types", ()):
            return one[1]
    raise AssertionError("the stream ended")


def thread_id(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


async def test_a_page_hears_of_mail_marks_notes_and_assignments_by_ids_alone(world: World) -> None:
    async with page(world, TENANT_OWNER, SALES) as stream:
        assert await frame(stream) == ("hello", {"inboxes": [world.ids[SALES]]})
        thread = await thread_with(world, TEAM.lower(), subject="Secret")
        told = await change(stream, "message.received")
        assert told.pop("at").startswith("evt_")
        assert told == {
            "inbox": world.ids[SALES],
            "threads": [thread_id(thread)],
            "types": ["message.received"],
        }
        (item,) = (await get(world, SALES, thread))["messages"]
        async with world.client(SALES) as api:
            await api.patch(f"/v1/messages/{item['message_id']}/", json={"is_read": True})
        assert (await change(stream, "message.changed"))["threads"] == [thread_id(thread)]
        await post(world, SUPPORT, thread + "notes/", body="Secret")
        assert (await change(stream, "thread.note_added"))["threads"] == [thread_id(thread)]
        await post(world, SUPPORT, thread + "assign/", to=SUPPORT)
        assert (await change(stream, "thread.watched"))["threads"] == [thread_id(thread)]
        await delete(world, SUPPORT, thread + "assign/")
        assert (await change(stream, "thread.watched"))["threads"] == [thread_id(thread)]
    assert b"Secret" not in stream.body


async def test_an_assignment_is_seen_by_nobody_who_does_not_see_the_thread(world: World) -> None:
    async with page(world, MEMBER, SUPPORT) as stream:
        assert await frame(stream)
        hidden = await thread_with(world, SALES.lower())
        await post(world, SALES, hidden + "assign/", to=AGENT)
        shown = await thread_with(world, TEAM.lower())
        assert (await change(stream, "message.received"))["threads"] == [thread_id(shown)]
    assert thread_id(hidden).encode() not in stream.body


async def test_only_ones_own_inboxes_are_in_it(world: World) -> None:
    async with page(world, TENANT_OWNER, SALES, SUPPORT, FOREIGN_INBOX, SALES) as stream:
        assert await frame(stream) == ("hello", {"inboxes": [world.ids[SALES]]})
    async with page(world, TENANT_OWNER, SUPPORT) as none:
        assert none.status == 204
    with pytest.raises(Invalid):
        async with page(world, TENANT_OWNER, *[SALES] * 21):
            pass


async def test_it_counts_as_one_stream_and_ends_with_its_session(world: World) -> None:
    feed: Feed = service(world).feed
    user_id = world.raw[TENANT_OWNER]
    async with page(world, TENANT_OWNER, SALES) as stream:
        assert await frame(stream)
        assert feed.streams_open == 1
        await world.database.write(
            lambda tx: end_other_sessions(tx, tenant_id=world.tenant_id, user_id=user_id, keep=b"")
        )
        assert await stream.ends()
    assert stream.body.endswith(b"event: bye\ndata: {}\n\n")
    assert feed.streams_open == 0


async def test_a_tab_that_closes_between_two_frames_gives_its_stream_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed: Feed = service(world).feed
    pausing, over = asyncio.Event(), asyncio.Event()

    async def wait(_: object) -> None:
        pausing.set()
        await over.wait()

    monkeypatch.setattr("admin_api.events.page_stream.pause", wait)
    async with page(world, TENANT_OWNER, SALES) as stream, asyncio.timeout(PATIENCE):
        assert await frame(stream)
        await deliver(world, SALES.lower())
        await pausing.wait()
        assert feed.streams_open == 1
        stream.gone.set()
        while feed.streams_open:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
        over.set()


async def test_too_much_at_once_is_told_as_such(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.service.feed._MOST_WAITING", 1)
    async with page(world, TENANT_OWNER, SALES) as stream:
        assert await frame(stream)

        async def many() -> None:
            for _ in range(3):
                await deliver(world, SALES.lower())

        await many()
        while (one := await frame(stream)) and one[0] != "stale":
            await deliver(world, SALES.lower())
            await deliver(world, SALES.lower())
        assert one == ("stale", {"inbox": world.ids[SALES]})
        await deliver(world, SALES.lower())
        assert (await change(stream, "message.received"))["threads"]


async def test_of_a_flood_that_nobody_follows_nothing_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the page asks again its stream needs no event; its credential is checked all along."""
    read, checked = [], asyncio.Semaphore(0)

    async def reads(tx: Tx, *, after: Mapping[bytes, bytes], limit: int) -> NewEvents:
        read.append(after)
        return await new_events(tx, after=after, limit=limit)

    async def checks(tx: Tx, *, ids: Collection[bytes], now: int) -> Mapping[bytes, CredentialMark]:
        checked.release()
        return await credential_marks(tx, ids=ids, now=now)

    waiting: list[Listener] = []
    over = asyncio.Event()

    async def wait(listeners: Sequence[Listener]) -> None:
        waiting.extend(listeners)
        await over.wait()

    monkeypatch.setattr("admin_api.service.feed._MOST_WAITING", 1)
    monkeypatch.setattr("admin_api.service.feed.new_events", reads)
    monkeypatch.setattr("admin_api.service.feed.credential_marks", checks)
    monkeypatch.setattr("admin_api.events.page_stream.pause", wait)
    async with page(world, TENANT_OWNER, SALES) as stream, asyncio.timeout(PATIENCE):
        assert await frame(stream)
        while not (waiting and waiting[0].is_behind):
            await deliver(world, SALES.lower())
        while not checked.locked():
            await checked.acquire()
        read.clear()
        for _ in range(3):
            await deliver(world, SALES.lower())
            await checked.acquire()
        assert not any(read)
        over.set()
        assert await frame(stream) == ("stale", {"inbox": world.ids[SALES]})


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_five_hundred_open_pages_take_little_and_all_hear(engine: Engine) -> None:
    async with (
        open_world(engine, api_streams=500) as world,
        contextlib.AsyncExitStack() as open_pages,
    ):
        async with page(world, TENANT_OWNER, SALES) as first:
            assert await frame(first)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            streams = [
                await open_pages.enter_async_context(page(world, TENANT_OWNER, SALES))
                for _ in range(500)
            ]
            for stream in streams:
                assert await frame(stream)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert service(world).feed.streams_open == 500
        await deliver(world, SALES.lower())
        for stream in streams:
            assert await change(stream, "message.received")
        assert after - before < 25 << 20


@pytest.mark.parametrize(
    ("events", "slept"),
    [
        ([0], 0.3),
        ([20], 0.3),
        ([21, 17], 0.55),  # the flood was over before the next look
        ([21, 18, 18, 0], 1.05),
        ([2000], 5.05),  # more than is kept, so that nobody knows how it goes on
    ],
)
async def test_while_events_flood_in_frames_are_far_apart(events: list[int], slept: float) -> None:
    listener = Listener(
        tenant_id=b"",
        inbox_id=b"",
        credential_id=b"",
        types=frozenset({"message.received"}),
        standing=((), ()),
    )
    received = Event(b"", b"", "message.received", *(None,) * 9, created_at=0)
    coming, pauses = iter(events), list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        for _ in range(next(coming, 0)):
            listener.offer([received])

    await pause([listener], sleep)
    assert sum(pauses) == pytest.approx(slept)
