"""Who sees what, against a second telling of the rules."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.accounts.tenants import create_tenant
from storage.address import parse_address
from storage.clock import DAY
from storage.database import Tx
from storage.directory import inboxes
from storage.directory.domains import trust_domain
from storage.directory.lists import add_member, create_list
from storage.errors import NotFound
from storage.ids import from_text, to_text
from storage.index.query import FOLDERS
from storage.mailbox import copies, deletion, visibility
from storage.mailbox.visibility import View
from storage.teamwork import assignment, notes, threads
from storage.teamwork.thread_list import Filter, list_threads
from tests.builders import World, deliver, open_world
from tests.storage.seen import Team
from tests.support.engines import Engine

T = TypeVar("T")
INBOXES = ("ann", "ben", "cem", "dea")
LIST = ("ann", "ben")
FORGED = ("<never-seen@x.test>",)

inbox_names = st.sampled_from(INBOXES)
numbers = st.integers(0, 7)
deliveries = st.tuples(
    st.just("deliver"),
    st.lists(st.sampled_from((*INBOXES, "team")), min_size=1, max_size=2, unique=True),
    st.one_of(st.none(), st.just("forged"), numbers, numbers, numbers),
)
assignments = st.tuples(st.just("assign"), inbox_names, inbox_names, numbers)
mentions = st.tuples(st.just("note"), inbox_names, st.sets(inbox_names, max_size=2), numbers)
ages = st.tuples(st.just("days"), st.sampled_from((40, 100)), st.booleans())
others = st.one_of(
    st.tuples(st.just("unassign"), inbox_names, numbers),
    st.tuples(st.just("delete note"), numbers),
    st.tuples(st.just("discard"), inbox_names, numbers),
    st.tuples(st.just("move"), inbox_names, numbers),
)
steps = st.one_of(deliveries, assignments, mentions, mentions, others, ages)
stories = st.tuples(
    st.lists(deliveries, min_size=1, max_size=4), st.lists(steps, min_size=8, max_size=30)
).map(lambda parts: [*parts[0], *parts[1]])


class Office:
    """A tenant of its own in the store, and what is told of it beside the store."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.domain = f"t{number}.test"
        self.name = f"Tenant {number}"
        self.told = Team()
        self.sent = 0

    async def open(self) -> None:
        await self.world.database.write(self._open)

    async def _open(self, tx: Tx) -> None:
        world, now = self.world, self.world.clock()
        tenant = await create_tenant(tx, name=self.name, now=now)
        world.remember(self.name, "tnt", tenant.tenant_id)
        await trust_domain(tx, tenant_id=tenant.tenant_id, name=self.domain, now=now)
        team = await create_list(
            tx,
            tenant_id=tenant.tenant_id,
            address=parse_address(f"team@{self.domain}"),
            name="Team",
            created_by=None,
            now=now,
        )
        for name in INBOXES:
            made = await inboxes.create_inbox(
                tx,
                tenant_id=tenant.tenant_id,
                address=parse_address(f"{name}@{self.domain}"),
                display_name="",
                owner_user_id=None,
                now=now,
            )
            world.remember(f"{name}@{self.domain}", "inb", made.inbox_id)
            if name in LIST:
                await add_member(
                    tx,
                    tenant_id=tenant.tenant_id,
                    list_id=team.list_id,
                    inbox_id=made.inbox_id,
                    now=now,
                )

    def view(self, inbox: str) -> View:
        world = self.world
        return View(world.raw[self.name], world.raw[f"{inbox}@{self.domain}"], world.clock())

    async def read(self, work: Callable[[Tx], Coroutine[Any, Any, T]]) -> T:
        return await self.world.database.read(work)

    async def act(self, step: tuple[Any, ...]) -> None:
        kind, *rest = step
        await getattr(self, f"_{kind.replace(' ', '_')}")(*rest)

    async def _deliver(self, to: list[str], refers_to: int | str | None) -> None:
        name, self.sent = f"<{self.sent}@sender.test>", self.sent + 1
        references = FORGED if refers_to == "forged" else ()
        if isinstance(refers_to, int):
            references = (f"<{refers_to % self.sent}@sender.test>",)
        message = await deliver(
            self.world,
            *(f"{one}@{self.domain}" for one in to),
            body=name.encode(),
            tenant=self.name,
            subject=name,
            name=name,
            references=references,
        )
        got = {one for one in to if one != "team"} | ({*LIST} if "team" in to else set())
        raw, view = from_text("msg", message), self.view(min(got))
        assert raw is not None
        found = await self.read(lambda tx: visibility.find_message(tx, view=view, message_id=raw))
        self.told.deliver(message, to_text("thr", found.thread_id), got)

    def _thread(self, number: int) -> tuple[str, bytes] | None:
        known = sorted({self.told.thread_of[one] for one in self.told.order})
        if not known:
            return None
        thread = known[number % len(known)]
        raw = from_text("thr", thread)
        assert raw is not None
        return thread, raw

    async def _assign(self, by: str, to: str, number: int) -> None:
        if not (found := self._thread(number)):
            return
        thread, raw = found
        view, receiver = self.view(by), self.view(to).inbox_id

        async def work(tx: Tx) -> None:
            await assignment.assign_thread(
                tx, view=view, thread_id=raw, to_inbox_id=receiver, text=None, user_id=None
            )

        if await self._succeeds(work, bool(self.told.seen(by, thread))):
            self.told.assign(by, to, thread)

    async def _unassign(self, by: str, number: int) -> None:
        if not (found := self._thread(number)):
            return
        thread, raw = found
        view = self.view(by)
        known = self.told.known_assignee(by, thread)

        async def work(tx: Tx) -> None:
            await assignment.unassign_thread(tx, view=view, thread_id=raw, user_id=None)

        if await self._succeeds(work, bool(self.told.seen(by, thread))) and known:
            self.told.unassign(thread)

    async def _succeeds(self, work: Callable[[Tx], Coroutine[Any, Any, T]], may: bool) -> bool:
        if may:
            await self.world.database.write(work)
            return True
        with pytest.raises(NotFound):
            await self.world.database.write(work)
        return False

    async def _note(self, by: str, mentions: set[str], number: int) -> None:
        if not (found := self._thread(number)) or not self.told.seen(by, found[0]):
            return
        thread, raw = found
        view = self.view(by)
        key = {"tenant_id": view.tenant_id}

        async def work(tx: Tx) -> bytes:
            named = [
                await inboxes.find_inbox(tx, inbox_id=self.view(one).inbox_id, **key)
                for one in sorted(mentions)
            ]
            note = await notes.add_note(
                tx, view=view, thread_id=raw, body="x", mentions=named, user_id=None
            )
            return note.note_id

        note_id = await self.world.database.write(work)
        self.told.annotate(to_text("note", note_id), by, thread, mentions)

    async def _delete_note(self, number: int) -> None:
        alive = [
            one for one in self.told.notes if any(self.told.sees_note(i, one) for i in INBOXES)
        ]
        if not alive:
            return
        name = alive[number % len(alive)]
        raw, tenant_id = from_text("note", name), self.view("ann").tenant_id
        assert raw is not None
        await self.world.database.write(
            lambda tx: notes.delete_note(tx, tenant_id=tenant_id, note_id=raw)
        )
        del self.told.notes[name]

    def _held(self, inbox: str, number: int) -> tuple[str, dict[str, bytes]] | None:
        held = [one for one in self.told.order if (inbox, one) in self.told.copies]
        if not held:
            return None
        message, view = held[number % len(held)], self.view(inbox)
        raw = from_text("msg", message)
        assert raw is not None
        key = {"tenant_id": view.tenant_id, "inbox_id": view.inbox_id, "message_id": raw}
        return message, key

    async def _discard(self, inbox: str, number: int) -> None:
        if found := self._held(inbox, number):
            message, key = found
            await self.world.database.write(lambda tx: deletion.delete_copy(tx, **key))
            self.told.discard(inbox, message)

    async def _move(self, inbox: str, number: int) -> None:
        if found := self._held(inbox, number):
            _, key = found
            change: dict[str, Any] = {**key, "now": self.world.clock()}
            folder = FOLDERS[number % 4]
            await self.world.database.write(
                lambda tx: copies.update_copy(tx, **change, folder=folder)
            )

    async def _days(self, days: int, remove: bool) -> None:
        self.world.clock.advance(days * DAY)
        self.told.day += days
        if remove:
            now = self.world.clock()
            await self.world.database.write(lambda tx: notes.remove_expired_notes(tx, now=now))

    async def check(self) -> None:
        for inbox in INBOXES:
            await self.read(partial(self._check_inbox, inbox, self.view(inbox)))

    async def _check_inbox(self, inbox: str, view: View, tx: Tx) -> None:
        told = self.told
        for message, thread in told.thread_of.items():
            raw = from_text("msg", message)
            assert raw is not None
            try:
                found = await visibility.find_message(tx, view=view, message_id=raw)
            except NotFound:
                assert not told.sees(inbox, message), (inbox, message, "is not shown")
                continue
            assert told.sees(inbox, message), (inbox, message, "is shown")
            assert to_text("thr", found.thread_id) == thread
            assert found.is_held == ((inbox, message) in told.copies)
        for thread in {*told.thread_of.values()}:
            await self._check_thread(tx, inbox, view, thread)
        listed = await self._pages(tx, view)
        assert listed == told.threads(inbox)

    async def _pages(self, tx: Tx, view: View) -> list[str]:
        """All threads, listed two at a time."""
        found: list[str] = []
        before = None
        while True:
            page = await list_threads(tx, view=view, wanted=Filter(), before=before, limit=2)
            found += [to_text("thr", one.thread_id) for one in page.threads]
            if page.before is None:
                return found
            before = page.before

    async def _check_thread(self, tx: Tx, inbox: str, view: View, thread: str) -> None:
        told, raw = self.told, from_text("thr", thread)
        assert raw is not None
        seen = [one for one in told.order if one in told.seen(inbox, thread)]
        expected = {
            name
            for name, note in told.notes.items()
            if note.thread == thread and told.sees_note(inbox, name)
        }
        found = await notes.list_notes(tx, view=view, thread_id=raw, after=None, limit=100)
        assert {to_text("note", one.note_id) for one in found} == expected
        described = await threads.describe_threads(tx, view=view, thread_ids=[raw])
        if not seen:
            assert described == []
            return
        (one,) = described
        shown = await visibility.thread_messages(tx, view=view, thread_id=raw, limit=100)
        assert [to_text("msg", copy.message_id) for copy in shown] == seen
        assert one.message_count == len(seen)
        assert one.note_count == len(expected)
        assert one.subject == shown[0].subject
        assert one.last_message_at == shown[-1].received_at
        assignee = told.known_assignee(inbox, thread)
        address = assignee and f"{assignee}@{self.domain}"
        assert (one.assignee and one.assignee.address) == address


Story = list[tuple[Any, ...]]


def play_stories(
    engine: Engine,
    play: Callable[[World, int, Story], Coroutine[Any, Any, None]],
    *,
    most: int,
    few: int,
) -> None:
    """Play `most` stories, or `few` on a slower engine, in one world; each has its number."""
    with asyncio.Runner() as runner:
        opened = open_world(engine)
        world = runner.run(opened.__aenter__())
        number = count(1)

        @settings(
            max_examples=most if engine.name == "sqlite" else few,
            suppress_health_check=[HealthCheck.too_slow],
            deadline=None,
        )
        @given(stories)
        def examples(acts: Story) -> None:
            runner.run(play(world, next(number), acts))

        try:
            examples()
        finally:
            runner.run(opened.__aexit__(None, None, None))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("most", "few"), [(50, 8), pytest.param(300, 40, marks=pytest.mark.soak)])
def test_an_inbox_sees_what_the_rules_say_and_nothing_else(
    engine: Engine, most: int, few: int
) -> None:
    async def play(world: World, number: int, acts: Story) -> None:
        office = Office(world, number)
        await office.open()
        for act in acts:
            await office.act(act)
        await office.check()

    play_stories(engine, play, most=most, few=few)
