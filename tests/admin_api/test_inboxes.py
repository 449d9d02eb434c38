"""The list of inboxes."""

from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    token_with,
)

SETTINGS = {"default_timezone", "share_relationships", "webhook_url", "webhook_events"}


async def listed(world: World, who: str) -> dict[str, dict[str, object]]:
    async with world.client(who) as api:
        return {inbox["address"]: inbox for inbox in (await api.get("/v1/inboxes/")).json()}


async def test_a_record_has_the_addresses_of_the_lists_among_its_aliases(world: World) -> None:
    found = await listed(world, SALES)
    assert list(found) == [SALES, SUPPORT, AGENT]
    assert found[SALES] == {
        "inbox_id": world.ids[SALES],
        "address": SALES,
        "display_name": "",
        "owner_user_id": world.ids[TENANT_OWNER],
        "aliases": [{"address": TEAM, "list_id": world.ids[TEAM]}],
        "default_timezone": "UTC",
        "share_relationships": True,
        "webhook_url": None,
        "webhook_events": [],
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert found[AGENT]["aliases"] == []


async def test_settings_are_shown_to_the_inbox_its_owner_and_admins(world: World) -> None:
    shown = {
        who: {
            address
            for address, inbox in (await listed(world, who)).items()
            if set(inbox) >= SETTINGS
        }
        for who in (SALES, MEMBER, TENANT_ADMIN, TENANT_OWNER)
    }
    everyone = {SALES, SUPPORT, AGENT}
    assert shown == {
        SALES: {SALES},
        MEMBER: {SUPPORT},
        TENANT_ADMIN: everyone,
        TENANT_OWNER: everyone,
    }
    assert not SETTINGS & set((await listed(world, SALES))[AGENT])


async def test_each_tenant_sees_its_own(world: World) -> None:
    found = await listed(world, FOREIGN_INBOX)
    assert list(found) == [FOREIGN_INBOX]
    assert found[FOREIGN_INBOX]["aliases"] == [
        {"address": FOREIGN_LIST, "list_id": world.ids[FOREIGN_LIST]}
    ]


async def test_any_scope_will_do(world: World) -> None:
    async with world.client(secret=await token_with(world, AGENT, "task:read")) as api:
        assert (await api.get("/v1/inboxes/")).status_code == 200
