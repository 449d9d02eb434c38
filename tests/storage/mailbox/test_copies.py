"""Copies of one inbox in the store."""

from typing import NamedTuple

import pytest

from storage.errors import NotFound
from storage.ids import from_text
from storage.mailbox import copies, deletion
from storage.mailbox.copies import Copy, Route, distinct_addresses, trace_fields
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    SALES,
    SUPPORT,
    TEAM,
    World,
    copies_in,
    deliver,
    open_world,
)
from tests.support.engines import Engine


class Key(NamedTuple):
    tenant_id: bytes
    inbox_id: bytes
    message_id: bytes


def raw(message_id: str) -> bytes:
    found = from_text("msg", message_id)
    assert found is not None
    return found


async def find(world: World, address: str, message_id: str, tenant: str = "Example") -> Copy:
    return await world.database.read(
        lambda tx: copies.find_copy(
            tx,
            tenant_id=world.raw[tenant],
            inbox_id=world.raw[address],
            message_id=raw(message_id),
        )
    )


async def test_a_copy_names_every_route_by_which_this_inbox_was_reached(engine: Engine) -> None:
    async with open_world(engine) as world:
        await deliver(
            world,
            "agent@example.test",
            "team+1@example.test",
            "sales@example.test",
            "TEAM@example.test",
        )
        (sales,), (support,), (agent,) = [
            await copies_in(world, address) for address in (SALES, SUPPORT, AGENT)
        ]
    by_list = [
        Route("team+1@example.test", TEAM, world.raw[TEAM]),
        Route("TEAM@example.test", TEAM, world.raw[TEAM]),
    ]
    assert sales.routes == (by_list[0], Route("sales@example.test", SALES, None), by_list[1])
    assert support.routes == tuple(by_list)
    assert agent.routes == (Route("agent@example.test", AGENT, None),)
    assert [route.address for route in distinct_addresses(sales.routes)] == [TEAM, SALES]
    assert trace_fields(support).count(b"Delivered-To:") == 1


async def test_a_page_has_the_routes_of_its_own_messages_only(engine: Engine) -> None:
    async with open_world(engine) as world:
        sent = [
            await deliver(world, *recipients)
            for recipients in (
                ["sales@example.test"],
                ["team@example.test", "sales@example.test"],
                ["team@example.test"],
            )
        ]
        page = await copies_in(world, SALES)
        assert [copy.message_id for copy in page] == [raw(one) for one in reversed(sent)]
        assert [len(copy.routes) for copy in page] == [1, 2, 1]
        assert await copies_in(world, SALES, limit=2) == page[:2]
        assert [await find(world, SALES, one) for one in reversed(sent)] == page


async def test_another_tenant_or_inbox_finds_no_copy(engine: Engine) -> None:
    async with open_world(engine) as world:
        message_id = await deliver(world, "team@example.test")
        for address, tenant in ((AGENT, "Example"), (SALES, "Other"), (FOREIGN_INBOX, "Other")):
            with pytest.raises(NotFound):
                await find(world, address, message_id, tenant)
        key = Key(world.raw["Other"], world.raw[SALES], raw(message_id))
        with pytest.raises(NotFound):
            await world.database.write(lambda tx: copies.update_copy(tx, **key._asdict(), now=1))
        with pytest.raises(NotFound):
            await world.database.write(lambda tx: deletion.discard_copy(tx, **key._asdict(), now=1))
        assert (await find(world, SALES, message_id)).folder == "inbox"


async def test_a_null_reverse_path_is_written_as_such(engine: Engine) -> None:
    async with open_world(engine) as world:
        message_id = await deliver(world, "sales@example.test")
        await world.database.write(lambda tx: tx.execute("UPDATE messages SET reverse_path = ''"))
        copy = await find(world, SALES, message_id)
    assert trace_fields(copy).startswith(b"Return-Path: <>\r\nDelivered-To: Sales@example.test\r\n")
