"""What is remembered of where recipients lead, and that it is never out of date."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.smtp import recipients
from gateway.smtp.recipients import Recipients
from storage.database import Database, Lookups, T, Work
from storage.directory.resolve import Resolution, Verdict, resolve
from storage.engines.opening import open_lookups
from storage.engines.route_generation import RouteGeneration
from storage.engines.sqlite import FILE_NAME
from tests.builders import FOREIGN_LIST, SALES, TEAM, World, open_world
from tests.support.engines import Engine
from tests.support.renaming import DONE, number_in


@dataclass(slots=True)
class Hold:
    """A look-up that waits."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Counted:
    """A store that counts how often it is asked."""

    store: Lookups
    remembers: bool = True
    peeks: int = 0
    held: Hold | None = None

    def hold(self) -> Hold:
        """Hold up the next look-up, once it has found what it looks for."""
        self.held = Hold()
        return self.held

    async def read_quick(self, work: Work[T]) -> T:
        self.peeks += 1
        found = await self.store.read_quick(work)
        if held := self.held:
            self.held = None
            held.reached.set()
            await held.go_on.wait()
        return found

    def route_generation(self) -> int | None:
        return self.store.route_generation() if self.remembers else None

    async def close(self) -> None:
        """The test closes it."""


@dataclass(slots=True)
class Desk:
    """Routes over a store, at a time that a test sets."""

    world: World
    store: Counted
    routes: Recipients
    time: float = 0.0

    async def find(self, text: str) -> str | Verdict:
        """The address where mail for `text` goes, or why it goes nowhere."""
        local_part, _, domain = text.rpartition("@")
        return outcome(await self.routes.resolve(local_part, domain))

    async def change(self, sql: str) -> None:
        await self.world.database.write(lambda tx: tx.execute(sql))


def outcome(found: Resolution) -> str | Verdict:
    return found.address if found.verdict is Verdict.ROUTE else found.verdict


@pytest.fixture
async def desk(engine: Engine) -> AsyncIterator[Desk]:
    async with open_world(engine) as world:
        store = Counted(world.database, remembers=engine.name == "sqlite")
        made = Desk(world, store, Recipients(store, "", lambda: made.time))
        yield made


@pytest.fixture
def remembers(engine: Engine) -> bool:
    """Tell whether it may from the beginning: on PostgreSQL it takes a lease, which comes later."""
    return engine.name == "sqlite"


async def test_what_leads_somewhere_is_looked_up_once(desk: Desk, remembers: bool) -> None:
    for _ in range(3):
        assert await desk.find("team@example.test") == TEAM
        assert await desk.find("team+tag@example.test") == TEAM

    assert desk.store.peeks == (2 if remembers else 6)


async def test_what_leads_nowhere_is_looked_up_each_time(desk: Desk) -> None:
    for _ in range(3):
        assert await desk.find("nobody@example.test") is Verdict.UNKNOWN
        assert await desk.find("team@elsewhere.test") is Verdict.NOT_OURS

    assert desk.store.peeks == 6


CHANGES = {
    "members leave": "DELETE FROM list_members",
    "one is back": "INSERT INTO list_members (list_id, inbox_id, member_id, added_at)"
    " SELECT l.list_id, i.inbox_id, i.inbox_id, 1 FROM lists l JOIN inboxes i"
    " ON i.tenant_id = l.tenant_id WHERE i.canonical = 'agent@example.test'"
    " ON CONFLICT DO NOTHING",
    "an inbox goes": "UPDATE inboxes SET deleted_at = 1 WHERE canonical = 'sales@example.test'",
    "it is back": "UPDATE inboxes SET deleted_at = NULL",
    "a domain is revoked": "UPDATE domains SET status = 'revoked' WHERE name = 'example.test'",
    "and verified": "UPDATE domains SET status = 'verified'",
    "an address moves": "UPDATE addresses SET canonical = 'crew@example.test'"
    " WHERE canonical = 'team@example.test'",
    "and back": "UPDATE addresses SET canonical = 'team@example.test'"
    " WHERE canonical = 'crew@example.test'",
    "the owner leaves": "UPDATE users SET role = 'member'",
}
ASKED = ("team", "crew", "sales", "sales+x", "postmaster", "nobody")


@pytest.mark.parametrize("seed", range(5))
async def test_after_every_change_it_is_what_the_store_says(
    desk: Desk, engine: Engine, seed: int
) -> None:
    """Others change the store as well as we do."""
    chance = random.Random(seed)
    other = await engine.open()
    for _ in range(30):
        writer = chance.choice([desk.world.database, other])
        change = chance.choice(list(CHANGES.values()))
        await writer.write(lambda tx, sql=change: tx.execute(sql))  # type: ignore[misc]
        for local_part in chance.choices(ASKED, k=8):
            found = await desk.routes.resolve(local_part, "example.test")
            assert found == await now(desk.world.database, local_part)
    await other.close()


async def now(database: Database, local_part: str) -> Resolution:
    return await database.read(
        lambda tx: resolve(tx, local_part=local_part, domain="example.test", postmaster="")
    )


async def test_a_change_by_another_process_counts_at_once(desk: Desk, engine: Engine) -> None:
    assert await desk.find("sales@example.test") == SALES
    other = await engine.open()
    await other.write(lambda tx: tx.execute(CHANGES["an inbox goes"]))
    assert await desk.find("sales@example.test") is Verdict.UNKNOWN
    await other.write(lambda tx: tx.execute(CHANGES["it is back"]))
    assert await desk.find("sales@example.test") == SALES
    await other.close()


async def test_a_process_that_only_looks_up_learns_of_changes(engine: Engine) -> None:
    async with open_world(engine) as world:
        lookups = await open_lookups(engine.store, engine.data)
        found = Recipients(lookups, "", lambda: 0.0)
        assert outcome(await found.resolve("team", "example.test")) == TEAM
        await world.database.write(lambda tx: tx.execute(CHANGES["members leave"]))
        assert outcome(await found.resolve("team", "example.test")) is Verdict.EMPTY_LIST
        await lookups.close()


async def test_a_change_behind_a_look_up_is_not_missed(desk: Desk) -> None:
    """Whether or not somebody else has asked in between."""
    for between in ((), ("sales@example.test",)):
        await desk.change(CHANGES["one is back"])
        slow = desk.store.hold()
        asking = asyncio.create_task(desk.find("team@example.test"))
        await slow.reached.wait()
        await desk.change(CHANGES["members leave"])
        for text in between:
            assert await desk.find(text) == SALES
        slow.go_on.set()
        assert await asking == TEAM
        assert await desk.find("team@example.test") is Verdict.EMPTY_LIST


async def test_nothing_is_remembered_while_somebody_writes(desk: Desk, engine: Engine) -> None:
    store = engine.data / FILE_NAME
    store.touch()  # on PostgreSQL it is not there, and nobody asks
    writer = RouteGeneration(store, writes=True)
    number = writer.begin()
    for _ in range(2):
        assert await desk.find("team@example.test") == TEAM
    assert desk.store.peeks == 2
    writer.end(number)
    writer.close()


async def test_after_a_second_the_store_is_asked_again(desk: Desk, remembers: bool) -> None:
    for moment in (0.0, 0.9, 1.1, 1.2):
        desk.time = moment
        await desk.find("team@example.test")

    assert desk.store.peeks == (2 if remembers else 4)


async def test_whoever_makes_up_addresses_fills_no_memory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "_MOST", 10)
    for number in range(100):
        assert await desk.find(f"team+{number}@example.test") == TEAM
        assert len(desk.routes._known) <= 10


async def test_what_another_process_has_done_counts_though_it_is_killed(tmp_path: Path) -> None:
    """Two processes rename two lists and are killed at any moment; nothing known is out of date."""
    engine = Engine("sqlite", "sqlite", tmp_path / "store")
    names = (TEAM.lower(), FOREIGN_LIST)
    chance = random.Random(7)
    asked = remembered = kills = 0
    async with open_world(engine):
        lookups = Counted(await open_lookups(engine.store, engine.data))
        found = Recipients(lookups, "", time.monotonic)
        with ExitStack() as cleaning:
            renamers = [cleaning.enter_context(Renamer(engine.data, name)) for name in names]
            until = time.monotonic() + 60.0
            while kills < 10:
                assert time.monotonic() < until, f"only {kills} were killed in a minute"
                for renamer in renamers:
                    if renamer.done() > renamer.enough:
                        renamer.start_anew(chance.randint(1, 60))
                        kills += 1
                for renamer in renamers:
                    done, before = renamer.done(), lookups.peeks
                    route = await found.resolve(*renamer.name.split("@"))
                    assert number_in(route.address) >= done
                    asked += 1
                    remembered += lookups.peeks == before
                await asyncio.sleep(0.0002)
        await lookups.store.close()
    assert asked > remembered > 0


class Renamer:
    """A process that renames a list."""

    def __init__(self, data: Path, name: str) -> None:
        self.name = name
        self._done = data.with_name(f"{name}.done")
        module = "tests.support.renaming"
        self.enough = 10
        self._command = [sys.executable, "-m", module, str(data), name, str(self._done)]

    def __enter__(self) -> Renamer:
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def start_anew(self, count: int) -> None:
        """Kill it, wherever it is, and start another one that is to rename so often."""
        self.__exit__()
        self.enough = self.done() + count
        self.__enter__()

    def done(self) -> int:
        """How often it has said that it was done."""
        octets = self._done.read_bytes() if self._done.exists() else b""
        return int(DONE.unpack(octets or bytes(DONE.size))[0])
