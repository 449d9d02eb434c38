"""Whose messages are parsed next: a tenant whose messages fail delays no other's."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from gateway.jobs import parsing as workers
from gateway.jobs.parse_turns import LATE_SECONDS, TROUBLE_SECONDS, ParseTurns
from gateway.jobs.parsing import Parsing
from gateway.parser.ipc import Request
from gateway.parser.message import parse
from gateway.parser.process import ParserProcess
from storage.clock import system_clock
from storage.content.places import open_contents
from storage.database import Store, Tx
from storage.mailbox import parse_queue
from storage.mailbox.parse_queue import ParseClaim
from storage.message_format.mime_parts import Parsed
from storage.wakeup import WakeUp
from tests.support.engines import Engine
from tests.support.homes import Home, deliver_to, two_gateways


class Ticks:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def taken(store: Store, turns: ParseTurns) -> ParseClaim | None:
    """Claim one message, as the job does."""
    now = system_clock()
    turn = await store.read(lambda tx: turns.next(tx, now=now))
    if turn is None:
        return None
    part, wanted = store.partition_of(turn.tenant_id), turns.took(turn).wanted
    claim = partial(parse_queue.claim, wanted=wanted, part=part, limit=1, hold=9**9, now=now)
    claimed = await store.write_in(part, claim)
    (loaded,) = await store.read(lambda tx: parse_queue.load(tx, claimed))
    return loaded


async def failed(store: Store, turns: ParseTurns, claimed: ParseClaim) -> None:
    turns.failed(claimed.tenant_id)
    retry_at = system_clock() - 1
    fail = partial(parse_queue.fail, claimed=claimed, reason="broken", retry_at=retry_at)
    await store.write_in(store.partition_of(claimed.tenant_id), fail)


async def fill(store: Store, home: Home, *texts: str) -> list[bytes]:
    return [await deliver_to(store, home, text) for text in texts]


async def test_a_tenant_in_trouble_comes_behind_the_new_messages_of_others(engine: Engine) -> None:
    turns = ParseTurns(Ticks())
    async with two_gateways(engine, 2) as ((store, _), (mine, theirs)):
        broken = await fill(store, mine, "a", "b", "c")
        good = await fill(store, theirs, "d", "e")
        order: list[bytes] = []
        while (one := await taken(store, turns)) is not None and len(order) < 8:
            order.append(one.message_id)
            if one.message_id in broken:
                await failed(store, turns, one)
    assert order[:3] == [broken[0], *good]
    # Of the one in trouble what is new comes, and then what has failed.
    assert order[3:5] == broken[1:]
    assert set(order[5:]) <= set(broken)


async def test_what_has_failed_has_a_turn_while_new_messages_stream_in(engine: Engine) -> None:
    ticks = Ticks()
    turns = ParseTurns(ticks)
    async with two_gateways(engine, 2) as ((store, _), (mine, theirs)):
        (broken,) = await fill(store, mine, "broken")
        one = await taken(store, turns)
        assert one is not None and one.message_id == broken
        await failed(store, turns, one)
        order = []
        for number in range(6):
            ticks.now += LATE_SECONDS / 2.5
            await fill(store, theirs, str(number))
            one = await taken(store, turns)
            assert one is not None
            order.append(one.message_id == broken)
    assert order == [False, False, True, False, False, False]


async def test_of_two_tenants_in_trouble_each_has_its_turn(engine: Engine) -> None:
    turns = ParseTurns(Ticks())
    async with two_gateways(engine, 2) as ((store, _), (mine, theirs)):
        await fill(store, mine, *map(str, range(6)))
        await fill(store, theirs, "one")
        order = []
        for _ in range(8):
            one = await taken(store, turns)
            assert one is not None
            order.append(one.tenant_id == theirs.tenant_id)
            await failed(store, turns, one)
    assert order[:2] == [False, True]
    assert order.count(True) in (3, 4, 5)


async def test_a_tenant_is_in_trouble_for_a_minute(engine: Engine) -> None:
    ticks = Ticks()
    turns = ParseTurns(ticks)
    async with two_gateways(engine, 2) as ((store, _), (mine, theirs)):
        turns.failed(mine.tenant_id)
        older, younger = await fill(store, mine, "a", "b")
        await fill(store, theirs, "c")
        one = await taken(store, turns)
        assert one is not None and one.tenant_id == theirs.tenant_id
        ticks.now += TROUBLE_SECONDS
        one = await taken(store, turns)
        assert one is not None and one.message_id == older
        assert turns.first() is not None
        one = await taken(store, turns)
        assert one is not None and one.message_id == younger
        assert await taken(store, turns) is None


@contextlib.asynccontextmanager
async def running(job: Parsing):  # type: ignore[no-untyped-def]
    task = asyncio.create_task(job.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def pending(tx: Tx) -> int:
    rows = await tx.fetch_all("SELECT 1 FROM messages WHERE parse_status = 'pending'")
    return len(rows)


async def test_broken_messages_of_a_tenant_delay_no_message_of_another(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RETRY_AFTER", 0)
    monkeypatch.setattr(workers, "_SOON_SECONDS", 0.01)
    tried: list[str] = []

    async def answers(process: ParserProcess, requests: Sequence[Request]) -> list[Parsed | str]:
        """Die of each broken message, as a parser's process does."""
        found: list[Parsed | str] = []
        for request in requests:
            tried.append(request.octets.rpartition(b"\r\n")[2].decode())
            if "broken" in tried[-1]:
                return [*found, "broken"]
            found.append(parse(request.octets, lambda: True))
        return found

    monkeypatch.setattr(ParserProcess, "parse", answers)
    async with two_gateways(engine, 2) as ((store, _), (mine, theirs)):
        await fill(store, mine, "broken 0", "broken 1", "broken 2")
        await fill(store, theirs, "theirs 0", "theirs 1")
        await fill(store, mine, "mine")
        contents = open_contents(tmp_path, keep_in="database", reader=store, store=store)
        job = Parsing(store, contents, WakeUp(), system_clock, size_limit=9**9, under_way=lambda: 0)
        async with running(job), asyncio.timeout(60):
            while await store.read(pending):  # noqa: ASYNC110  # it is the store that is looked at
                await asyncio.sleep(0.02)
    assert tried[:3] == ["broken 0", "theirs 0", "theirs 1"]
    assert tried.index("mine") < len(tried) / 2
    assert sorted(tried) == sorted(
        [*(f"broken {n}" for n in range(3) for _ in range(5)), "theirs 0", "theirs 1", "mine"]
    )
