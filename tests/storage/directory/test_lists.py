"""Distribution lists in the store."""

import pytest

from storage.address import parse_address
from storage.database import Tx
from storage.directory import inboxes, lists
from storage.directory.lists import DistributionList
from storage.errors import Conflict, Invalid, NotFound
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, TEAM, World, open_world
from tests.support.engines import Engine


async def members(world: World) -> list[str]:
    found = await world.database.read(
        lambda tx: lists.list_members(tx, tenant_id=world.tenant_id, list_id=world.raw[TEAM])
    )
    return [member.inbox_address for member in found]


async def test_membership_is_what_puts_the_address_among_the_aliases(engine: Engine) -> None:
    async with open_world(engine) as world:
        before = await world.database.read(
            lambda tx: inboxes.aliases(tx, tenant_id=world.tenant_id)
        )
        await world.database.write(
            lambda tx: lists.remove_member(
                tx,
                tenant_id=world.tenant_id,
                list_id=world.raw[TEAM],
                inbox_id=world.raw[SALES],
                now=world.clock(),
            )
        )
        after = await world.database.read(lambda tx: inboxes.aliases(tx, tenant_id=world.tenant_id))
        assert set(before) == {world.raw[SALES], world.raw[SUPPORT]}
        assert set(after) == {world.raw[SUPPORT]}
        assert await members(world) == [SUPPORT]


async def test_nothing_of_another_tenant_joins_or_changes_a_list(engine: Engine) -> None:
    async with open_world(engine) as world:
        team, own, strange = world.raw[TEAM], world.raw[AGENT], world.raw[FOREIGN_INBOX]
        us, they, now = world.tenant_id, world.raw["Other"], world.clock()
        with pytest.raises(Invalid):
            await world.database.write(
                lambda tx: lists.add_member(
                    tx, tenant_id=us, list_id=team, inbox_id=strange, now=now
                )
            )
        with pytest.raises(NotFound):
            await world.database.write(
                lambda tx: lists.add_member(tx, tenant_id=they, list_id=team, inbox_id=own, now=now)
            )
        with pytest.raises(NotFound):
            await world.database.write(
                lambda tx: lists.remove_member(
                    tx, tenant_id=they, list_id=team, inbox_id=world.raw[SALES], now=now
                )
            )
        with pytest.raises(NotFound):
            await world.database.write(
                lambda tx: lists.delete_list(tx, tenant_id=they, list_id=team, now=now)
            )
        assert await members(world) == [SALES, SUPPORT]


async def make(world: World, address: str) -> DistributionList:
    return await world.database.write(
        lambda tx: lists.create_list(
            tx,
            tenant_id=world.tenant_id,
            address=parse_address(address),
            name="x",
            created_by=None,
            now=world.clock(),
        )
    )


async def test_a_refused_list_leaves_nothing_behind(engine: Engine) -> None:
    async with open_world(engine) as world:
        for address, error in ((SALES, Conflict), ("x@other.test", Invalid), (TEAM, Conflict)):
            with pytest.raises(error):
                await make(world, address)
        found = await world.database.read(lambda tx: lists.all_lists(tx, tenant_id=world.tenant_id))
        assert [item.address for item in found] == [TEAM]


async def test_a_deleted_lists_address_can_be_used_again(engine: Engine) -> None:
    async with open_world(engine) as world:

        async def swap(tx: Tx) -> object:
            await lists.delete_list(
                tx, tenant_id=world.tenant_id, list_id=world.raw[TEAM], now=world.clock()
            )
            return await inboxes.create_inbox(
                tx,
                tenant_id=world.tenant_id,
                address=parse_address(TEAM),
                display_name="",
                owner_user_id=None,
                now=world.clock(),
            )

        await world.database.write(swap)
        rows = await world.database.read(
            lambda tx: tx.fetch_all("SELECT type FROM events WHERE type = 'list.member_removed'")
        )
        assert len(rows) == 2
