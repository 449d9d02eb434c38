"""Quotas: who is over takes no mail, who is near gets a task, deleted mail counts off."""

import os
from collections.abc import AsyncIterator

import pytest

from gateway.jobs.quotas import Quotas
from gateway.reservations import FullBoxes
from tests.builders import AGENT, SALES, SUPPORT, TEAM, World, deliver, open_world
from tests.support.engines import Engine

KIB = b"x" * 1024


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


def quotas_of(world: World, full: FullBoxes, *, inbox: int = 0, tenant: int = 0) -> Quotas:
    return Quotas(world.database, world.clock, full.publish, inbox_quota=inbox, tenant_quota=tenant)


async def agendas(world: World) -> list[str]:
    rows = await world.database.read(
        lambda tx: tx.fetch_all("SELECT title FROM tasks WHERE type = 'quota' ORDER BY title")
    )
    return [row["title"] for row in rows]


async def test_an_inbox_over_its_quota_is_full_and_so_are_its_lists(world: World) -> None:
    full = FullBoxes()
    quotas = quotas_of(world, full, inbox=3000)
    for _ in range(2):
        await deliver(world, SALES, body=KIB)
    await quotas.one_round(0)
    assert not full.holds(world.raw[SALES])

    await deliver(world, SALES, AGENT, body=KIB)
    await quotas.one_round(5)

    assert full.holds(world.raw[SALES])
    assert full.holds(None, world.raw[TEAM])
    assert not full.holds(world.raw[AGENT], world.raw[SUPPORT], world.tenant_id)
    assert quotas.full["inbox"] == {world.raw[SALES]}


async def test_a_copy_counts_for_each_inbox_and_once_for_the_tenant(world: World) -> None:
    full = FullBoxes()
    quotas = quotas_of(world, full, tenant=2048)
    await deliver(world, TEAM, AGENT, body=KIB)
    await quotas.one_round(0)
    assert not full.holds(world.tenant_id)

    await deliver(world, TEAM, body=KIB)
    await quotas.one_round(5)

    assert full.holds(world.tenant_id)
    assert not full.holds(world.raw["Other"])


async def test_who_has_deleted_enough_takes_mail_again(world: World) -> None:
    full = FullBoxes()
    quotas = quotas_of(world, full, inbox=1024)
    await deliver(world, SALES, body=KIB)
    await quotas.one_round(0)
    assert full.holds(world.raw[SALES])
    await world.database.write(lambda tx: tx.execute("DELETE FROM copies"))

    await quotas.one_round(5)
    assert full.holds(world.raw[SALES])
    await quotas.one_round(31)
    assert not full.holds(world.raw[SALES])


async def test_admins_are_warned_once_at_nine_tenths(world: World) -> None:
    full = FullBoxes()
    quotas = quotas_of(world, full, inbox=10 * 1024, tenant=100 * 1024)
    for _ in range(8):
        await deliver(world, SALES, body=KIB)
    await quotas.one_round(0)
    assert await agendas(world) == []

    await deliver(world, SALES, body=KIB)
    for now in (5, 10):
        await quotas.one_round(now)

    titles = await agendas(world)
    assert set(titles) == {f"[Quota] {SALES}"}
    assert quotas.count_near("inbox") == 1 and quotas.count_near("tenant") == 0
    again = quotas_of(world, full, inbox=10 * 1024)  # a start does not repeat an open task
    await again.one_round(0)
    assert await agendas(world) == titles


async def test_without_a_quota_nothing_is_full(world: World) -> None:
    full = FullBoxes()
    quotas = quotas_of(world, full)
    await deliver(world, SALES, body=KIB)

    assert not quotas.is_on
    await quotas.one_round(0)
    assert not full.holds(world.raw[SALES], world.tenant_id)


def test_all_processes_see_who_is_full() -> None:
    full = FullBoxes()
    one, other = os.urandom(16), os.urandom(16)
    full.publish({one})
    child = os.fork()
    if child == 0:
        full.publish({other})
        os._exit(0)
    os.waitpid(child, 0)

    assert full.holds(other) and not full.holds(one)
    full.publish({other})
    full.publish(set())
    assert not full.holds(other)


def test_more_than_there_is_room_for_are_cut() -> None:
    full = FullBoxes()
    ids = [number.to_bytes(16, "big") for number in range(16_385)]
    full.publish(ids)
    assert full.holds(ids[16_383]) and not full.holds(ids[16_384])
