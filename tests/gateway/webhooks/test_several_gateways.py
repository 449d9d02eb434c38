"""Several gateways tell of one store's events: each event once to each endpoint, in order.

And one that is killed between the record of an attempt and its outcome: the other one calls again.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.alerts.alerts import Alert
from storage.clock import MINUTE, SECOND, system_clock
from storage.database import Tx
from storage.notifications.webhook_queue import LEASE, Room, claim
from storage.wakeup import WakeUp
from tests.builders import SALES, SUPPORT, TEAM, World, deliver, open_world
from tests.gateway.webhooks.telling import deliveries, settled, telling, webhook
from tests.support.engines import Engine
from tests.support.receiver import Receiver, answer, receiving


@contextlib.asynccontextmanager
async def two_gateways(engine: Engine) -> AsyncIterator[World]:
    """A world with two gateways, each with a connection to the store of its own."""
    async with open_world(engine) as world:
        world.clock.now = system_clock()
        other = await engine.open(world.clock)
        commits = WakeUp()
        try:
            async with (
                telling(world.database, world.clock, world.commits),
                telling(other, world.clock, commits),
            ):
                yield world
        finally:
            await other.close()


async def test_two_gateways_tell_each_event_once_and_in_order(engine: Engine) -> None:
    async with two_gateways(engine) as world, receiving(lambda heard: "wait 0.01") as receiver:
        first, _ = await webhook(world, receiver.url("/sales"), inbox=SALES)
        second, _ = await webhook(world, receiver.url("/support"), inbox=SUPPORT)
        ids = []
        for number in range(20):
            ids.append(await deliver(world, TEAM, subject=str(number)))
            world.commits.set()
            await asyncio.sleep(0.02)
        for alert in (first, second):
            await settled(world, alert, *["delivered"] * 20)

    for path in ("/sales", "/support"):
        told = [each.body["data"]["message_id"] for each in receiver.calls if each.path == path]  # type: ignore[index]
        assert told == ids
    assert receiver.most_at_once == 1


async def test_who_has_an_alert_in_hand_has_it_alone_until_the_lease_ends(engine: Engine) -> None:
    async with open_world(engine) as world, receiving() as receiver:
        world.clock.now = system_clock()
        alert, _ = await webhook(world, receiver.url())
        async with telling(world.database, world.clock, world.commits):
            await deliver(world, SALES)
            world.commits.set()
            await settled(world, alert, "delivered")
        await owed_again(world, alert)

        mine, theirs = await claimed(world, b"a" * 16), await claimed(world, b"b" * 16)
        world.clock.advance(LEASE + SECOND)
        taken_over = await claimed(world, b"b" * 16)

    assert (mine, theirs, taken_over) == (1, 0, 1)


async def owed_again(world: World, alert: Alert) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute("UPDATE deliveries SET status = 'pending', finished_at = NULL")
        await tx.execute("UPDATE alerts SET due_at = 0")

    await world.database.write(work)


async def claimed(world: World, owner: bytes) -> int:
    part = world.database.partition_of(world.tenant_id)
    room = Room(part, 0, 10, (), ())
    found = await world.database.write(
        lambda tx: claim(tx, owner=owner, room=room, now=world.clock())
    )
    return len(found)


async def test_a_clock_that_is_put_back_keeps_nothing_waiting_for_long(engine: Engine) -> None:
    async with open_world(engine) as world, receiving() as receiver:
        world.clock.now = system_clock()
        alert, _ = await webhook(world, receiver.url())
        async with telling(world.database, world.clock, world.commits):
            await deliver(world, SALES)
            world.clock.now -= 60 * MINUTE
            world.commits.set()
            await settled(world, alert, "delivered")
            await deliver(world, SALES)
            world.commits.set()
            await settled(world, alert, "delivered", "delivered")

    assert len(receiver.calls) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
async def test_a_gateway_killed_in_a_call_leaves_it_to_the_next(
    engine: Engine, tmp_path: Path
) -> None:
    answers: Iterator[bytes | str] = iter(["hang", answer(204)])
    async with open_world(engine) as world, receiving(lambda heard: next(answers)) as receiver:
        world.clock.now = system_clock()
        alert, secret = await webhook(world, receiver.url())
        await deliver(world, SALES)
        await kill_in_a_call(engine, receiver)

        (owed,) = await deliveries(world, alert)
        assert (owed.status, owed.attempts) == ("pending", 1), "on record before it was made"
        async with telling(world.database, world.clock, world.commits):
            await asyncio.sleep(0.2)
            assert len(receiver.calls) == 1, "the lease still holds"
            world.clock.now = system_clock() + LEASE + SECOND
            (told,) = await settled(world, alert, "delivered")

    assert told.attempts == 2
    assert len({each.name for each in receiver.calls}) == 1
    receiver.calls[0].verify(secret)


async def kill_in_a_call(engine: Engine, receiver: Receiver) -> None:
    """Let a process of its own make a call, and kill it before the answer."""
    program = f"""
import asyncio
from pathlib import Path
from admin_api.dns.cache import dns_cache
from gateway.jobs.alert_fan_out import Alerting
from gateway.webhooks.caller import Caller
from gateway.webhooks.resolver import Names
from gateway.webhooks.calls import WebhookCalls
from ipaddress import ip_network
from storage.clock import system_clock
from storage.engines.opening import open_database
from storage.wakeup import WakeUp

async def main():
    database = await open_database({engine.store!r}, Path({str(engine.data)!r}), system_clock)
    caller = Caller(Names(dns_cache(None)), (ip_network("127.0.0.0/8"),))
    calls = WebhookCalls(database, system_clock, caller)
    alerting = Alerting(database, WakeUp(), system_clock, calls.wake.set)
    await asyncio.gather(alerting.run(), calls.run())

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        await receiver.hear(1)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
