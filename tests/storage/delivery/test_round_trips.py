"""How often mail and its jobs ask PostgreSQL: in another rack each time is a round trip.

While a tenant's writer asks, the tenant's other writers wait. So it is a small number, and the same
for one message as for twenty.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from storage.authentication import check_queue, results
from storage.authentication.check_queue import CheckClaim
from storage.authentication.results import CheckResult
from storage.contacts import relationships
from storage.database import Tx
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import Arrival, Outcome, Stored
from storage.directory.resolve import Resolution
from storage.index.words import document, pack
from storage.mailbox import parse_queue, parsed
from storage.mailbox.parse_queue import ParseClaim, Wanted
from storage.message_format.mime_parts import Parsed, Part
from tests.builders import SALES, TEAM, World, open_world
from tests.storage.delivery.arriving import US, count, mail, rows
from tests.support.cases import cases
from tests.support.engines import Databases, Engine

PARSED = Parsed(
    status="parsed",
    preview="Hello",
    words=pack(document(sender="grace", recipient="team", subject="hello", body=("hello",))),
    text=zlib.compress(b"Hello"),
    html=None,
    text_parts=(),
    reply_to=(),
    attachments=tuple(
        Part(
            filename="a.txt",
            content_type="text/plain",
            size=1,
            is_inline=False,
            content_id=None,
            start=place,
            end=place + 1,
            encoding="identity",
        )
        for place in range(3)
    ),
    has_files=True,
)


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of times that any connection waited for the server."""
    told = [0]
    execute, leave = psycopg.AsyncCursor.execute, psycopg.AsyncPipeline.__aexit__

    async def alone(cursor: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        told[0] += not cursor.connection.pgconn.pipeline_status
        return await execute(cursor, *given, **named)

    async def together(pipeline: Any, *given: Any) -> None:  # noqa: ANN401
        told[0] += 1
        await leave(pipeline, *given)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", alone)
    monkeypatch.setattr(psycopg.AsyncPipeline, "__aexit__", together)
    return told


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    made = databases.make()
    yield made
    databases.give_back(made)


class Mail:
    """Mail for one tenant, and the jobs behind it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.part = world.raw["Example"]
        self.guesses: dict[tuple[str, str], Resolution] = {}
        self.confirmed: tuple[bytes, ...] = ()

    async def deliver(self, messages: int, *recipients: str) -> None:
        """One batch of one thread, and the confirmations of the one before."""
        arrivals: list[Arrival] = [
            mail(self.world, *recipients, body=b"%d %d" % (number, self.world.clock()))._replace(
                header_message_id=f"<{number}.{self.world.clock()}@sender.test>",
                references=("<root@sender.test>",),
            )
            for number in range(messages)
        ]

        async def work(tx: Tx) -> list[Outcome]:
            return await delivery.deliver(
                tx,
                arrivals,
                confirmed=self.confirmed,
                owner=US,
                is_open=lambda _: False,
                postmaster="",
                guesses=self.guesses,
            )

        outcomes, durable = await self.world.database.commit(
            work, changes_routes=False, part=self.part
        )
        await durable
        stored = [one for one in outcomes if isinstance(one, Stored)]
        assert len(stored) == messages
        self.confirmed = tuple(digest for one in stored for digest in one.digests)

    async def parse(self) -> None:
        """Store results of what is claimed, and claim the next."""
        now = self.world.clock()

        async def claim(tx: Tx) -> dict[bytes, int]:
            return await parse_queue.claim(tx, Wanted(), part=self.part, limit=25, hold=1, now=now)

        claimed = await self.world.database.write_in(self.part, claim)
        claims: list[ParseClaim] = await self.world.database.read(
            partial(parse_queue.load, claimed=claimed)
        )
        assert claims

        async def work(tx: Tx) -> None:
            await parsed.record(tx, [(one, PARSED) for one in claims])
            await claim(tx)

        self.begin()
        await self.world.database.write_in(self.part, work)

    async def check(self) -> None:
        """Store the results of checks, and claim the next."""
        now = self.world.clock()
        claim = partial(check_queue.claim, part=self.part, limit=16, now=now)
        claimed = await self.world.database.write_in(self.part, claim)
        claims: list[CheckClaim] = await self.world.database.read(
            partial(check_queue.load, claimed=claimed)
        )
        assert claims

        async def work(tx: Tx) -> None:
            done = [CheckResult(one, "verified", b"{}", temporary=False) for one in claims]
            await results.keep(tx, done, now=now)
            await claim(tx)

        self.begin()
        await self.world.database.write_in(self.part, work)

    async def acquaint(self) -> None:
        """Count who wrote."""
        found = await self.world.database.read(relationships.uncounted)
        assert found
        self.begin()
        for some in found:
            count_some = partial(relationships.count_some, some=some)
            assert await self.world.database.write_in(some.part, count_some)

    begin: Callable[[], None]


async def test_a_batch_and_each_job_behind_it_take_few_round_trips_however_long_they_are(
    url: str, round_trips: list[int], tmp_path: Path
) -> None:
    async with open_world(Engine("postgresql", url, tmp_path)) as world:
        some = Mail(world)

        def begin() -> None:
            round_trips[0] = 0

        some.begin = begin
        for who in (TEAM, SALES):  # from here on their routes can be guessed
            await some.deliver(1, who)
        await some.deliver(1, TEAM, SALES)

        async def taken(work: Awaitable[None]) -> int:
            begin()
            await work
            return round_trips[0]

        with cases() as case:
            for messages in (1, 2, 20):
                with case(f"{messages} messages to one route"):
                    assert await taken(some.deliver(messages, TEAM)) == 2
                    assert await taken(some.deliver(messages, SALES)) == 2
                with case(f"{messages} messages to two routes"):
                    assert await taken(some.deliver(messages, TEAM, SALES)) == 3
                with case(f"what follows {messages} messages"):
                    # Begun and asked; stored and claimed; committed.
                    assert await taken(some.parse()) == 3
                    assert await taken(some.acquaint()) == 3
                    # Verdicts, the position to which was counted, holders, two to claim, COMMIT.
                    assert await taken(some.check()) == 6
        sent = 3 + 4 * 23 - 23
        assert await count(world, "messages") == sent
        owed = await rows(
            world,
            """
            SELECT m.message_id FROM messages m WHERE m.copies_owed <> (
                SELECT COUNT(*) FROM copies c WHERE c.message_id = m.message_id)
            """,
        )
        assert not owed
        confirmed = [row["digest"] for row in await rows(world, "SELECT digest FROM receipts")]
        assert sorted(map(bytes, confirmed)) == sorted(set(some.confirmed))
        threads = "SELECT COUNT(DISTINCT thread_id) AS threads FROM messages"
        assert [row["threads"] for row in await rows(world, threads)] == [1]
