"""Writers of several tenants at a time: nothing is skipped or told twice, all is in order."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import psycopg
import pytest

from admin_api.service.feed import Feed, Listener
from gateway.jobs.relationships import count_batch
from storage.accounts.credential_marks import credential_marks
from storage.alerts.alerts import Draft, create_alert
from storage.authentication import check_queue
from storage.clock import MINUTE, system_clock
from storage.database import Row, Store, Tx
from storage.directory import domains
from storage.errors import StoreUnavailable
from storage.events.log import RECEIVED
from storage.mailbox import parse_queue
from storage.mailbox.parse_queue import Wanted
from storage.notifications.fan_out import find_owed, record_owed
from storage.wakeup import WakeUp
from tests.support.engines import Engine
from tests.support.homes import Home, deliver_to, store_letters, to_home, two_gateways

TURNS = 10
MANY_TURNS = 200


@pytest.fixture
def shared(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A store whose tenants have writers of their own; nobody finishes a check that was claimed."""
    if engine.name != "postgresql":
        pytest.skip("SQLite has one writer")
    monkeypatch.setattr(check_queue, "HELD", 60 * MINUTE)
    return engine


@dataclass(slots=True)
class Seen:
    """What the readers of both gateways found, in their order."""

    claimed: list[list[bytes]] = field(default_factory=lambda: [[], []])
    told: list[bytes] = field(default_factory=list)


async def write(stores: Sequence[Store], home: Home, turns: int, commits: WakeUp) -> list[bytes]:
    """Deliver from either gateway, with a pause between the ids of a message and its COMMIT."""
    chance, ids = random.Random(), list[bytes]()

    async def work(tx: Tx, texts: Sequence[str]) -> list[bytes]:
        made = await store_letters(tx, arrivals=[to_home(home, text) for text in texts])
        await tx.fetch_one(f"SELECT pg_sleep({chance.random() * 0.02})")
        return made

    for turn in range(turns):
        texts = [f"{turn}.{number}" for number in range(chance.randrange(1, 4))]
        made, durable = await chance.choice(stores).commit(
            partial(work, texts=texts), changes_routes=False, part=home.tenant_id
        )
        await durable
        commits.set()
        ids += made
        await asyncio.sleep(chance.random() * 0.01)
    return ids


async def claim_checks(store: Store, claimed: list[bytes]) -> bool:
    now = system_clock()
    waiting = await store.read(partial(check_queue.find_waiting, now=now, limit=16))
    for part in waiting.due:
        claim = partial(check_queue.claim, part=part, limit=3, now=now)
        claimed += sorted(await store.write_in(part, claim))
    return bool(waiting.due)


async def fan_out(store: Store) -> bool:
    now = system_clock()
    batches = await store.read(partial(find_owed, seen={}, now=now))
    for batch in batches:
        await store.write_in(batch.part, partial(record_owed, batch=batch, now=now))
    return bool(batches)


async def until_over(look: Callable[[], Awaitable[bool]], over: asyncio.Event) -> None:
    """Look again and again, and once more when all was written, until nothing is left.

    A store that is busy for too long is asked again, as a job does.
    """
    while True:
        was_over, found = over.is_set(), True
        with contextlib.suppress(StoreUnavailable):
            found = await look()
        if not found and was_over:
            return
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def listening(
    store: Store, homes: Sequence[Home], commits: WakeUp, seen: Seen
) -> AsyncIterator[None]:
    """Hear of the events of all homes from one feed."""
    feed = Feed(store, system_clock, commits)
    with contextlib.ExitStack() as held:
        tasks = []
        for home in homes:
            marked = partial(credential_marks, ids={home.inbox_id}, now=system_clock())
            mark = (await store.read(marked))[home.inbox_id]
            listener = Listener(
                tenant_id=home.tenant_id,
                inbox_id=home.inbox_id,
                credential_id=home.inbox_id,
                types=frozenset({RECEIVED}),
                standing=(mark, mark),
            )
            held.enter_context(feed.listening(listener))
            await feed.join(listener)
            tasks.append(asyncio.create_task(hear(listener, seen)))
        yield
        feed.close()
        await asyncio.gather(*tasks)


async def hear(listener: Listener, seen: Seen) -> None:
    while not listener.has_ended:
        seen.told += [event.message_id or b"" for event in await listener.take(5)]


async def interleave(engine: Engine, turns: int) -> None:
    seen, commits, over = Seen(), WakeUp(), asyncio.Event()
    async with two_gateways(engine, 4) as (stores, homes):
        for home in homes:
            await stores[0].write(partial(alert_of, home=home))
        async with listening(stores[0], homes, commits, seen):
            readers = [
                asyncio.create_task(until_over(look, over))
                for store, claimed in zip(stores, seen.claimed, strict=True)
                for look in (
                    partial(claim_checks, store, claimed),
                    partial(fan_out, store),
                    partial(count_batch, store),
                )
            ]
            writers = [asyncio.create_task(write(stores, home, turns, commits)) for home in homes]
            written = await asyncio.gather(*writers)
            over.set()
            await asyncio.gather(*readers)
            async with asyncio.timeout(30):
                while len(seen.told) < sum(map(len, written)):
                    commits.set()
                    await asyncio.sleep(0.01)
        await check(stores[0], homes, written, seen)


async def alert_of(tx: Tx, *, home: Home) -> None:
    await create_alert(
        tx,
        tenant_id=home.tenant_id,
        inbox_id=home.inbox_id,
        draft=Draft((RECEIVED,), "webhook", "https://hooks.example.test/", {}),
        created_by=None,
        now=system_clock(),
    )


async def check(
    store: Store, homes: Sequence[Home], written: Sequence[list[bytes]], seen: Seen
) -> None:
    everything = sorted(one for ids in written for one in ids)
    assert Counter(seen.told) == Counter(everything)
    assert sorted(seen.claimed[0] + seen.claimed[1]) == everything
    for home, ids in zip(homes, written, strict=True):
        mine = set(ids)
        assert ids == sorted(ids)
        assert [one for one in seen.told if one in mine] == ids
        for claimed in seen.claimed:
            some = [one for one in claimed if one in mine]
            assert some == sorted(some)
        queued = await store.read(partial(rows_of, statement=_QUEUED, tenant_id=home.tenant_id))
        assert [row["message_id"] for row in queued] == ids
        counted = await store.read(partial(rows_of, statement=_COUNTED, tenant_id=home.tenant_id))
        assert [row["message_count"] for row in counted] == [len(ids)]


async def rows_of(tx: Tx, *, statement: str, tenant_id: bytes) -> list[Row]:
    return await tx.fetch_all(statement, {"tenant_id": tenant_id})


_QUEUED = """
    SELECT e.message_id FROM deliveries d JOIN events e ON e.event_id = d.event_id
    WHERE d.tenant_id = :tenant_id ORDER BY d.queued
"""
_COUNTED = "SELECT message_count FROM relationships WHERE tenant_id = :tenant_id"


async def test_readers_miss_nothing_while_four_tenants_are_written(shared: Engine) -> None:
    await interleave(shared, TURNS)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_readers_miss_nothing_in_200_turns(shared: Engine) -> None:
    await interleave(shared, MANY_TURNS)


@contextlib.contextmanager
def locks(url: str) -> Iterator[Callable[[], list[tuple[bool, str]]]]:
    """The advisory locks that are waited for, and their modes."""
    with psycopg.connect(url, autocommit=True) as operator:

        def waited() -> list[tuple[bool, str]]:
            return operator.execute(_WAITED).fetchall()

        yield waited


_WAITED = """
    SELECT l.granted, l.mode FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND d.datname = current_database() AND NOT l.granted
"""


async def test_a_writer_that_hangs_in_a_tenant_delays_no_mail_of_another(shared: Engine) -> None:
    async with two_gateways(shared, 2) as (stores, (mine, theirs)):
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def hang(tx: Tx) -> bytes:
            await tx.fetch_one("SELECT 1 AS one")  # with it goes the begin
            begun.set()
            await goes_on.wait()
            return tx.new_id()

        async def add_domain(tx: Tx) -> None:
            await domains.add_domain(
                tx, tenant_id=theirs.tenant_id, name="more.test", now=system_clock()
            )

        hanging = asyncio.create_task(stores[0].write_in(mine.tenant_id, hang))
        await begun.wait()
        with locks(shared.store) as waited:
            for store in stores:  # of the same gateway, and of another
                await deliver_to(store, theirs, str(store))
            late = asyncio.create_task(deliver_to(stores[1], mine, "late"))
            async with asyncio.timeout(20):
                while not waited():  # noqa: ASYNC110  # it is the server that is looked at
                    await asyncio.sleep(0.005)
            assert waited() == [(False, "ExclusiveLock")]
            alone = asyncio.create_task(stores[1].write(add_domain))
            async with asyncio.timeout(20):
                while len(waited()) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            # It asks for the whole store, and lets others go while it waits.
            await deliver_to(stores[0], theirs, "beside both")
            assert not late.done() and not alone.done()
        goes_on.set()
        first = await hanging
        assert await late > first
        await alone


async def test_ids_of_a_tenant_rise_whichever_gateway_gives_them(engine: Engine) -> None:
    async with two_gateways(engine, 2) as (stores, (home, other)):
        ids: list[bytes] = []

        async def give(tx: Tx) -> bytes:
            await tx.fetch_one("SELECT 1 AS one")
            return tx.new_id()

        for turn in range(6):  # the clock of every second one is an hour late
            store = stores[turn % 2]
            ids.append(await store.write_in(store.partition_of(home.tenant_id), give))
            ids.append(await deliver_to(store, home, str(turn)))
            if turn % 3 == 1:  # alone in the store: above all that any tenant has
                await store.write_in(store.partition_of(other.tenant_id), give)
                ids.append(await store.write(give))
        assert ids == sorted(ids)
        assert len(ids) == len(set(ids))


async def test_two_gateways_claim_every_message_once(shared: Engine) -> None:
    async with two_gateways(shared, 2) as (stores, homes):
        ids = [await deliver_to(stores[0], home, str(n)) for n in range(4) for home in homes]

        async def claim(store: Store) -> list[bytes]:
            claimed = list[bytes]()
            look = partial(parse_queue.first_waiting, wanted=[Wanted()])
            while found := await store.read(partial(look, now=system_clock())):
                take = partial(
                    parse_queue.claim,
                    wanted=found[0],
                    part=found[1],
                    limit=1,
                    hold=60_000_000,
                    now=system_clock(),
                )
                claimed += await store.write_in(found[1], take)
            return claimed

        found = await asyncio.gather(*(claim(store) for store in stores for _ in range(2)))
        assert sorted(one for some in found for one in some) == sorted(ids)
