"""The queue of checks: every message once, after every fault, by one of several."""

import json
from collections.abc import AsyncIterator
from functools import partial

import pytest

from storage.authentication import check_queue, results
from storage.authentication.check_queue import CHECKED_WITHIN, HELD, RETRIES, CheckClaim
from storage.authentication.results import CheckResult, Verdict
from storage.clock import DAY, HOUR, SECOND
from storage.cursors import partition_of
from storage.database import Tx
from storage.ids import from_text
from storage.mailbox.deletion import delete_copy
from tests.builders import SALES, SUPPORT, TEAM, World, deliver, open_world
from tests.support.checks import check, record_of
from tests.support.engines import Engine


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as opened:
        yield opened


async def claimed(world: World, limit: int = 100) -> list[CheckClaim]:
    now = world.clock()

    async def work(tx: Tx) -> list[CheckClaim]:
        part = partition_of(tx, world.tenant_id)
        found = await check_queue.claim(tx, part=part, limit=limit, now=now)
        return await check_queue.load(tx, found)

    return await world.database.write(work)


async def keep(world: World, claim: CheckClaim, verdict: Verdict, *, temporary: bool) -> None:
    record = json.dumps(record_of(verdict)).encode()
    result = CheckResult(claim, verdict, record, temporary)
    await world.database.write(lambda tx: results.keep(tx, [result], now=world.clock()))


async def found(world: World, message_id: str) -> tuple[object, int] | None:
    raw = from_text("msg", message_id) or b""
    stored = await world.database.read(
        lambda tx: results.find_check(tx, tenant_id=world.tenant_id, message_id=raw)
    )
    return None if stored is None else (stored.record["verdict"], stored.checked_at)


async def is_due(world: World) -> bool:
    return bool((await waiting(world)).due)


async def waiting(world: World) -> check_queue.Waiting:
    now = world.clock()
    return await world.database.read(lambda tx: check_queue.find_waiting(tx, now=now, limit=16))


async def checked_events(world: World) -> list[bytes]:
    rows = await world.database.read(
        lambda tx: tx.fetch_all(
            "SELECT inbox_id FROM events WHERE type = 'message.checked' ORDER BY event_id"
        )
    )
    return [bytes(row["inbox_id"]) for row in rows]


async def test_messages_are_claimed_once_in_the_order_of_arrival(world: World) -> None:
    sent = [from_text("msg", await deliver(world, TEAM.lower())) for _ in range(10)]

    first, second, third = [await claimed(world, 4) for _ in range(3)]
    assert [one.message_id for one in (*first, *second, *third)] == sent[:9]
    assert [one.message_id for one in await claimed(world)] == sent[9:]
    assert await claimed(world) == []
    claim = first[0]
    assert (claim.client_ip, claim.helo) == ("192.0.2.7", "mx.sender.test")
    assert (claim.behind_relay, claim.override, claim.tries) == (False, None, 1)


async def test_a_claim_whose_holder_is_gone_is_claimed_again(world: World) -> None:
    await deliver(world, TEAM.lower())
    (lost,) = await claimed(world)
    world.clock.advance(HELD - 1)
    assert await claimed(world) == [] and not await is_due(world)
    world.clock.advance(1)
    assert await is_due(world)
    (again,) = await claimed(world)
    assert (again.message_id, again.tries) == (lost.message_id, 2)

    await keep(world, lost, "failed", temporary=False)  # it comes too late
    row = await world.database.read(lambda tx: tx.fetch_one("SELECT verdict FROM message_checks"))
    assert row is not None and row["verdict"] is None
    await keep(world, again, "verified", temporary=False)
    world.clock.advance(DAY)
    assert await claimed(world) == []


async def test_a_clock_that_was_set_back_holds_nothing_up(world: World) -> None:
    await deliver(world, TEAM.lower())
    world.clock.advance(3 * HOUR)
    await claimed(world)
    world.clock.advance(-3 * HOUR)
    assert len(await claimed(world)) == 1


async def test_what_is_given_back_was_no_try(world: World) -> None:
    await deliver(world, TEAM.lower())
    claims = await claimed(world)
    await world.database.write(lambda tx: check_queue.release(tx, claims, now=world.clock()))
    (again,) = await claimed(world)
    assert again.tries == 1


async def test_a_temporary_error_is_tried_again_after_1_10_and_60_minutes(world: World) -> None:
    message_id = await deliver(world, TEAM.lower())
    (claim,) = await claimed(world)
    for wait in RETRIES:
        await keep(world, claim, "unknown", temporary=True)
        assert await found(world, message_id) == ("unknown", world.clock())
        world.clock.advance(wait - 1)
        assert await claimed(world) == []
        world.clock.advance(1)
        (claim,) = await claimed(world)
    await keep(world, claim, "unknown", temporary=True)
    world.clock.advance(DAY)
    assert await claimed(world) == []
    # One event for the first verdict; it has not changed since.
    assert await checked_events(world) == sorted([world.raw[SALES], world.raw[SUPPORT]])


async def test_each_inbox_with_a_copy_is_told_of_each_new_verdict(world: World) -> None:
    message_id = await deliver(world, TEAM.lower())
    await check(world, message_id, "unknown", temporary=True)
    world.clock.advance(RETRIES[0])
    await check(world, message_id, "verified")
    both = sorted([world.raw[SALES], world.raw[SUPPORT]])
    assert await checked_events(world) == both * 2


async def test_new_mail_is_not_held_up_by_what_is_tried_again(world: World) -> None:
    for _ in range(8):
        await deliver(world, TEAM.lower())
    for claim in await claimed(world, 20):
        await keep(world, claim, "unknown", temporary=True)
    world.clock.advance(RETRIES[0])
    new = [from_text("msg", await deliver(world, TEAM.lower())) for _ in range(6)]
    taken = [one.message_id for one in await claimed(world, 8)]
    assert len(taken) == 8 and {*new} <= {*taken}


async def test_messages_of_more_than_seven_days_are_too_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_queue, "TOO_OLD_BATCH", 2)
    old = [await deliver(world, TEAM.lower()) for _ in range(5)]
    world.clock.advance(CHECKED_WITHIN)
    new = await deliver(world, TEAM.lower())

    assert [one.message_id for one in await claimed(world)] == [from_text("msg", new)]
    rounds = 0
    while (part := (await waiting(world)).behind) is not None:
        rounds += 1
        pass_over = partial(check_queue.pass_over_old, part=part, now=world.clock())
        await world.database.write(pass_over)
    assert rounds == 3
    assert [await found(world, one) for one in old] == [("unknown", world.clock())] * 5
    assert await found(world, new) is None
    raw = from_text("msg", old[0]) or b""
    stored = await world.database.read(
        lambda tx: results.find_check(tx, tenant_id=world.tenant_id, message_id=raw)
    )
    assert stored is not None
    assert json.loads(json.dumps(stored.record))["spf"]["reason"] == "too_old"
    assert stored.record.keys() == record_of("unknown").keys()


async def test_a_message_that_is_deleted_meanwhile_leaves_nothing(world: World) -> None:
    await deliver(world, SALES.lower())
    (claim,) = await claimed(world)
    await world.database.write(
        lambda tx: delete_copy(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            message_id=claim.message_id,
        )
    )
    await keep(world, claim, "verified", temporary=False)
    world.clock.advance(SECOND)
    rows = await world.database.read(lambda tx: tx.fetch_all("SELECT * FROM message_checks"))
    assert rows == []
    assert await checked_events(world) == []


async def test_another_tenant_does_not_find_the_result(world: World) -> None:
    message_id = await deliver(world, TEAM.lower())
    await check(world, message_id, "verified")
    raw = from_text("msg", message_id) or b""
    assert (
        await world.database.read(
            lambda tx: results.find_check(tx, tenant_id=world.raw["Other"], message_id=raw)
        )
        is None
    )
