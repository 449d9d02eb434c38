"""Turns at the store: who goes next, whatever others ask for; on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from storage.database import Share, Store, Tx
from storage.engines import postgres, sqlite
from storage.engines.fair_turns import HOUSE, FairTurns
from storage.errors import StoreUnavailable
from tests.support.python_calls import PythonCalls

HEAVY: Share = (b"heavy", b"one")
COLLEAGUE: Share = (b"heavy", b"two")
OTHER: Share = (b"other", b"one")


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def order_of(turns: FairTurns, ticks: Ticks, asked: Sequence[tuple[Share, float]]) -> str:
    """The parties in the order in which they had their turn; each works for some seconds."""
    served: list[str] = []

    async def work(share: Share, seconds: float) -> None:
        async with turns.turn(share):
            served.append(f"{share[0].decode()}.{share[1].decode()}")
            ticks.now += seconds
            await asyncio.sleep(0)

    await asyncio.gather(*(work(*one) for one in asked))
    return " ".join(served)


async def test_another_tenant_comes_behind_the_work_under_way_not_behind_the_queue() -> None:
    ticks = Ticks()
    turns = FairTurns(1, ticks=ticks)
    served = await order_of(turns, ticks, [*[(HEAVY, 0.3)] * 12, (OTHER, 0.01)])
    assert served.split().index("other.one") == 1


async def test_a_turn_that_nobody_else_waits_for_is_a_few_calls() -> None:
    turns = FairTurns(1)
    with PythonCalls() as calls:
        for _ in range(100):
            async with turns.turn(OTHER, patience=1.0):
                pass
    assert calls.count <= 100 * 14


async def test_another_credential_of_the_tenant_does_so_too() -> None:
    ticks = Ticks()
    turns = FairTurns(1, ticks=ticks)
    served = await order_of(turns, ticks, [*[(HEAVY, 0.3)] * 12, (COLLEAGUE, 0.01)])
    assert served.split().index("heavy.two") == 1


async def test_twelve_credentials_of_one_tenant_count_as_that_tenant() -> None:
    ticks = Ticks()
    turns = FairTurns(1, ticks=ticks)
    many: list[tuple[Share, float]] = [((b"heavy", bytes([97 + n])), 0.3) for n in range(12)]
    served = await order_of(turns, ticks, [*many, *[(OTHER, 0.1)] * 3])
    places = [place for place, one in enumerate(served.split()) if one == "other.one"]
    assert places == [1, 2, 3]


async def test_used_time_is_forgotten_after_a_while() -> None:
    ticks = Ticks()
    turns = FairTurns(1, ticks=ticks)
    await order_of(turns, ticks, [(HEAVY, 10.0)])
    ticks.now += 60.0
    await order_of(turns, ticks, [(OTHER, 0.1)])
    served = await order_of(turns, ticks, [(HOUSE, 0.0), (OTHER, 0.1), (HEAVY, 0.1)])
    assert served == ". heavy.one other.one"


async def test_one_tenant_never_holds_the_last_place() -> None:
    turns = FairTurns(3, most_of_one=2)
    held = [turns.turn(HEAVY) for _ in range(2)]
    for one in held:
        await one.__aenter__()
    waiting = asyncio.create_task(turns.turn(HEAVY).__aenter__())
    await asyncio.sleep(0)
    assert not waiting.done()
    async with turns.turn(OTHER):
        pass
    for one in held:
        await one.__aexit__(None, None, None)
    await waiting


async def test_whoever_gives_up_leaves_no_trace() -> None:
    turns = FairTurns(1)
    async with turns.turn(HEAVY):
        with pytest.raises(StoreUnavailable, match="turn"):
            async with turns.turn(OTHER, patience=0.01):
                pass
        gone = asyncio.create_task(turns.turn(OTHER).__aenter__())
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    async with turns.turn(COLLEAGUE, patience=0.01):
        pass
    await turns.settle()


async def test_what_is_known_of_parties_is_bounded() -> None:
    turns = FairTurns(1)
    for number in range(3_000):
        async with turns.turn((b"tenant", number.to_bytes(4, "big"))):
            pass
    assert len(turns._used) <= 1_000


async def test_a_write_that_waits_too_long_for_its_turn_is_unavailable(
    database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        for engine in (sqlite, postgres):
            impatient.setattr(engine, "WRITE_WAIT", 0.2)
        async with database._writes.turn(HEAVY):  # type: ignore[attr-defined]  # of both engines
            with pytest.raises(StoreUnavailable):
                await database.for_caller(OTHER).write(_nothing)
            with pytest.raises(StoreUnavailable):
                await database.commit(_nothing)
    await database.for_caller(OTHER).write(_nothing)


async def test_mail_goes_before_the_next_of_many_writes(database: Store) -> None:
    done: list[str] = []

    async def write(number: int) -> None:
        await database.for_caller(HEAVY).write(_nothing)
        done.append(f"write {number}")

    async def commit() -> None:
        _, durable = await database.commit(_nothing)
        done.append("mail")
        await durable

    await asyncio.gather(*(write(number) for number in range(20)), commit())
    assert done.index("mail") <= 2


async def _nothing(tx: Tx) -> None:
    tx.new_id()
