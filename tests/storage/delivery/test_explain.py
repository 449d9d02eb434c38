"""What is on record of a delivery, for who asks later why."""

from collections.abc import AsyncIterator

import pytest

from storage.clock import DAY
from storage.delivery.arrivals import Stored
from storage.delivery.explain import Way, explain
from storage.errors import NotFound
from tests.builders import AGENT, TEAM, World, open_world
from tests.storage.delivery.arriving import deliver, mail
from tests.support.engines import Engine


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


async def test_who_had_the_same_from_an_unconfirmed_delivery_is_told_as_repeated(
    world: World,
) -> None:
    await deliver(world, mail(world, "team@example.test"))
    world.clock.advance(DAY)
    (outcome,) = await deliver(world, mail(world, "agent@example.test", "team+x@example.test"))
    assert isinstance(outcome, Stored)
    message_id = outcome.message_id
    found = await world.database.read(
        lambda tx: explain(tx, tenant_id=world.tenant_id, message_id=message_id)
    )
    assert [part.address for part in found.parts] == [AGENT]
    (way,) = found.repeated
    assert way == Way("team+x@example.test", TEAM, world.raw[TEAM], "subaddress")


async def test_another_tenants_message_is_not_found(world: World) -> None:
    (outcome,) = await deliver(world, mail(world, "team@example.test"))
    assert isinstance(outcome, Stored)
    message_id, other = outcome.message_id, world.raw["Other"]
    with pytest.raises(NotFound):
        await world.database.read(lambda tx: explain(tx, tenant_id=other, message_id=message_id))
