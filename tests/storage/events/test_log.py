"""The event log: for whom an event is, told both ways; and that nobody can miss one."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from storage.clock import DAY, SECOND
from storage.cursors import WHOLE
from storage.database import Database, Tx
from storage.errors import NotFound
from storage.events.catalogue import EVENT_TYPES
from storage.events.log import Event, audience, events_after, new_events, newest_event_id
from storage.events.record import record_event
from storage.ids import lowest_at, to_text
from storage.index.copy_index import index_new_copies
from storage.mailbox.visibility import View
from storage.teamwork.threads import set_status
from tests.builders import AGENT, SALES, TEAM, World, deliver, open_world
from tests.storage.mailbox.test_visibility import INBOXES, Office, Story, play_stories
from tests.support.cost import steps
from tests.support.engines import Engine

Pairs = set[tuple[bytes, str]]
TENANT = b"t" * 16


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


async def every_event(tx: Tx) -> list[Event]:
    return [*(await new_events(tx, after={WHOLE: b""}, limit=100_000)).events]


class Tellers(Office):
    """A tenant in which threads are closed as well, and which events are told of."""

    async def close(self, inbox: str, number: int) -> None:
        if found := self._thread(number):
            view = self.view(inbox)
            try:
                await self.world.database.write(
                    lambda tx: set_status(
                        tx, view=view, thread_id=found[1], status="closed", user_id=None
                    )
                )
            except NotFound:
                assert not self.told.seen(inbox, found[0])

    async def check_events(self) -> None:
        """What each inbox reads is what is pushed to it, and is what the rules say."""
        read = {(event.event_id, inbox) for inbox in INBOXES for event in await self.read_by(inbox)}
        since = lowest_at(self.world.clock() - 7 * DAY)
        ids = {self.view(inbox).inbox_id: inbox for inbox in INBOXES}
        events = [one for one in await self.read(every_event) if one.event_id > since]
        pushed = {
            (event.event_id, ids[inbox_id])
            for event, inbox_id in await self.read(
                lambda tx: audience(tx, events=events, among=ids, now=self.world.clock())
            )
        }
        assert read == pushed
        self.check_rules(
            [one for one in events if one.tenant_id == self.view("ann").tenant_id], read
        )

    async def read_by(self, inbox: str) -> list[Event]:
        """All events of an inbox, three at a time."""
        view, found = self.view(inbox), list[Event]()
        while True:
            after = found[-1].event_id if found else None
            page = await self.read(
                partial(events_after, view=view, after=after, limit=3, types=EVENT_TYPES)
            )
            found += page
            if len(page) < 3:
                return found

    def check_rules(self, events: Sequence[Event], read: Pairs) -> None:
        for place, event in enumerate(events):
            shown = {inbox for inbox in INBOXES if (event.event_id, inbox) in read}
            if event.type == "message.received":
                message = to_text("msg", event.message_id or b"")
                assert shown == {one for one in INBOXES if (one, message) in self.told.copies}
            elif event.type == "thread.note_added":
                note = to_text("note", event.note_id or b"")
                assert shown == {
                    one
                    for one in INBOXES
                    if note in self.told.notes and self.told.sees_note(one, note)
                }
            elif event.type == "thread.reopened" and event.by_inbox_id is None:
                arrived = next(one for one in events[place:] if one.type == "message.received")
                assert shown == self.who_hears(to_text("msg", arrived.message_id or b""))
            elif event.type.startswith("thread.") and event.note_id is None:
                thread = to_text("thr", event.thread_id or b"")
                assert all(self.told.seen(one, thread) for one in shown), event.type

    def who_hears(self, message: str) -> set[str]:
        """Who is told that this message reopened its thread."""
        if message not in self.told.order:
            return set()
        thread = self.told.thread_of[message]
        before = self.told.order[: self.told.order.index(message)]
        return {
            inbox
            for inbox in INBOXES
            if self.told.sees(inbox, message) and self.told.seen(inbox, thread) & {*before}
        }


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("most", "few"), [(25, 6), pytest.param(150, 25, marks=pytest.mark.soak)])
def test_what_an_inbox_reads_is_what_is_pushed_to_it(engine: Engine, most: int, few: int) -> None:
    async def play(world: World, number: int, acts: Story) -> None:
        office = Tellers(world, number)
        await office.open()
        for turn, act in enumerate(acts):
            await office.act(act)
            if turn % 3 == 1:
                await office.close(INBOXES[turn % 4], turn)
        await office.check_events()

    play_stories(engine, play, most=most, few=few)


async def test_who_reads_while_others_write_misses_nothing(engine: Engine) -> None:
    """Two stores on one place stand for two processes; each writes by several tasks."""
    stores = [await engine.open() for _ in range(2)]
    reader = await engine.open()
    start = await reader.read(partial(newest_event_id, tenant_id=TENANT))
    chance = random.Random()

    async def write(database: Database) -> None:
        for _ in range(25):
            many = chance.randrange(1, 4)
            pause = chance.random() / 200

            async def work(tx: Tx, many: int = many) -> None:
                for _ in range(many):
                    await record_event(tx, "task.created", tenant_id=TENANT, now=1)

            await database.write(work)
            await asyncio.sleep(pause)

    writing = [asyncio.create_task(write(stores[n % 2])) for n in range(6)]
    seen: list[bytes] = []
    is_over = False
    while not is_over:
        is_over = all(task.done() for task in writing)
        after = seen[-1] if seen else start
        found = await reader.read(partial(new_events, after={TENANT: after}, limit=7))
        seen += [event.event_id for event in found.events]
        is_over = is_over and not found.events
    await asyncio.gather(*writing)

    kept = await reader.read(partial(new_events, after={TENANT: start}, limit=10_000))
    assert seen == [event.event_id for event in kept.events]
    assert len(seen) >= 150
    for store in (*stores, reader):
        await store.close()


async def test_events_of_messages_stand_in_the_order_of_the_messages(engine: Engine) -> None:
    """By which `events_after` reads an inbox's mail; and an event is younger than its message."""
    async with open_world(engine) as world:
        for _ in range(5):
            await deliver(world, TEAM.lower(), SALES.lower())
        events = [
            event
            for event in await world.database.read(every_event)
            if event.type == "message.received"
        ]

    assert len(events) == 5
    ids = [event.message_id or b"" for event in events]
    assert ids == sorted(ids)
    for event in events:
        assert lowest_at(0) < (event.message_id or b"") < event.event_id


async def test_an_inbox_does_not_pay_for_the_mail_of_others(world: World) -> None:
    """20,000 messages of a week beside it, and reading its own is a fraction of reading all."""
    now, base = world.clock(), world.clock() - DAY
    rows = [
        {
            "event_id": (base + 2 * n + 1).to_bytes(8, "big") + bytes(8),
            "message_id": (base + 2 * n).to_bytes(8, "big") + bytes(8),
            "tenant_id": world.tenant_id,
            "now": now,
            "inbox_id": world.raw[SALES],
        }
        for n in range(20_000)
    ]

    async def fill(tx: Tx) -> None:
        await tx.execute_many(
            """
            INSERT INTO events (event_id, tenant_id, type, message_id, created_at)
            VALUES (:event_id, :tenant_id, 'message.received', :message_id, :now)
            """,
            rows,
        )
        await tx.execute_many(
            """
            INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
            VALUES (:inbox_id, :message_id, 0, 0, 0, 0)
            """,
            rows,
        )
        await index_new_copies(tx, len(rows))

    await world.database.write(fill)
    mine = await deliver(world, AGENT.lower())
    view = View(world.tenant_id, world.raw[AGENT], world.clock())

    async def take(limit: int) -> tuple[list[Event], int]:
        return await steps(
            world.database,
            lambda tx: events_after(tx, view=view, after=None, limit=limit, types=EVENT_TYPES),
        )

    _, all_of_them = await steps(
        world.database,
        lambda tx: tx.fetch_all("SELECT type FROM events WHERE created_at = 0"),
    )
    found, own = await take(50)
    assert [to_text("msg", one.message_id or b"") for one in found] == [mine]
    view = View(world.tenant_id, world.raw[SALES], world.clock() + SECOND)
    found, page = await take(50)
    assert len(found) == 50
    assert 20 * own < all_of_them
    assert 5 * page < all_of_them
