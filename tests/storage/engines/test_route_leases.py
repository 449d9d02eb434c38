"""Routes that processes remember on PostgreSQL: a change counts for the next RCPT at each."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest

from gateway.smtp.recipients import Recipients
from storage.clock import system_clock
from storage.database import Lookups, Tx
from storage.directory import lists
from storage.directory.resolve import Verdict
from storage.engines.leases import route_leases
from storage.engines.opening import open_lookups
from tests.support.engines import Engine
from tests.support.post_room import ANN, TEAM, Post, open_post

TRIES = 50
MANY_TRIES = 10_000


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    if engine.name != "postgresql":
        pytest.skip("SQLite has its route generation in a file")
    async with open_post(engine) as opened:
        yield opened


@pytest.fixture
async def lookups(engine: Engine, post: Post) -> AsyncIterator[Lookups]:
    opened = await open_lookups(engine.store, engine.data)
    yield opened
    await opened.close()


async def leased(lookups: Lookups) -> int:
    """Wait until the process may remember routes."""
    async with asyncio.timeout(20):
        while (generation := lookups.route_generation()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return generation


async def change_members(tx: Tx, *, post: Post, add: bool) -> None:
    key = {"tenant_id": post.tenant_id, "list_id": post.raw[TEAM]}
    if add:
        await lists.add_member(tx, **key, inbox_id=post.raw[ANN], now=system_clock())
        return
    for member in await lists.list_members(tx, tenant_id=post.tenant_id, list_id=post.raw[TEAM]):
        await lists.remove_member(tx, **key, inbox_id=member.inbox_id, now=system_clock())


async def change_and_ask(post: Post, lookups: Lookups, tries: int) -> None:
    asked = 0

    class Counted:
        """The look-ups, with a count of those that ask the store."""

        route_generation = lookups.route_generation

        async def read_quick(self, work):  # type: ignore[no-untyped-def]
            nonlocal asked
            asked += 1
            return await lookups.read_quick(work)

    recipients = Recipients(Counted(), "", asyncio.get_running_loop().time)  # type: ignore[arg-type]
    local_part, domain = TEAM.split("@")
    remembered = 0
    for turn in range(tries):
        await leased(lookups)
        await recipients.resolve(local_part, domain)
        before = asked
        await recipients.resolve(local_part, domain)
        remembered += asked == before
        await post.database.write(partial(change_members, post=post, add=turn % 2 == 1))
        found = await recipients.resolve(local_part, domain)
        assert found.verdict is (Verdict.ROUTE if turn % 2 else Verdict.EMPTY_LIST), turn
    assert remembered > tries // 4  # an empty list is not remembered


async def test_a_change_counts_for_the_next_rcpt_elsewhere(post: Post, lookups: Lookups) -> None:
    await change_and_ask(post, lookups, TRIES)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_10000_changes_count_for_the_next_rcpt(post: Post, lookups: Lookups) -> None:
    await change_and_ask(post, lookups, MANY_TRIES)


async def test_mail_and_writes_that_change_no_route_leave_what_is_remembered(
    post: Post, lookups: Lookups
) -> None:
    before = await leased(lookups)

    async def give(tx: Tx) -> bytes:
        await tx.fetch_one("SELECT 1 AS one")
        return tx.new_id()

    await post.database.write_in(post.tenant_id, give)
    await post.database.write_across(give)
    for part in (post.tenant_id, None):
        _, durable = await post.database.commit(give, changes_routes=False, part=part)
        await durable
    assert await leased(lookups) == before
    await post.database.write(give)
    assert lookups.route_generation() in {None, before + 1}


async def test_a_holder_that_is_gone_is_waited_for_once(
    post: Post, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_leases, "LEASE", 0.05)

    async def nothing(tx: Tx) -> None:
        pass

    with psycopg.connect(engine.store, autocommit=True) as operator:
        operator.execute("INSERT INTO route_leases (holder, generation) VALUES ('gone', 0)")
        await post.database.write(nothing)
        assert operator.execute("SELECT count(*) FROM route_leases").fetchall() == [(0,)]


async def test_a_process_without_its_connection_remembers_nothing(
    post: Post, lookups: Lookups, engine: Engine
) -> None:
    before = await leased(lookups)
    with psycopg.connect(engine.store, autocommit=True) as operator:
        ended = operator.execute(
            "SELECT count(pg_terminate_backend(l.pid)) FROM pg_stat_activity l"
            " WHERE l.datname = current_database()"
            " AND (l.query LIKE '%route_leases%' OR l.query LIKE '%_routes')"
            " AND l.pid <> pg_backend_pid()"
        ).fetchall()
        assert ended > [(0,)]
        async with asyncio.timeout(20):
            while lookups.route_generation() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert await leased(lookups) == before
