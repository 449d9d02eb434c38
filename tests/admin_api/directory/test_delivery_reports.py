"""Explaining: by which address, list and rule each inbox got its copy; where mail would go now."""

from typing import Any

import httpx2
import pytest

from storage.database import Tx
from storage.directory.domains import add_domain
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
)


async def told(api: httpx2.AsyncClient, message: str, **query: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/messages/{message}/deliveries/", params=query)
    assert answer.status_code == 200
    return dict(answer.json())


def way(world: World, recipient: str, address: str, rule: str = "address") -> dict[str, object]:
    list_id = world.ids[address] if address == TEAM else None
    return {"recipient": recipient, "address": address, "list_id": list_id, "rule": rule}


async def test_an_admin_is_told_of_every_copy_and_the_ways_it_came(world: World) -> None:
    message = await deliver(
        world, "team+x@example.test", "sales@example.test", "agent@example.test"
    )
    async with world.client(TENANT_ADMIN) as api:
        found = await told(api, message)
    by_list = way(world, "team+x@example.test", TEAM, "subaddress")
    assert found["message_id"] == message
    assert found["not_delivered"] == []
    assert {part["address"]: part["via"] for part in found["deliveries"]} == {
        SALES: [by_list, way(world, "sales@example.test", SALES)],
        SUPPORT: [by_list],
        AGENT: [way(world, "agent@example.test", AGENT)],
    }
    assert {part["status"] for part in found["deliveries"]} == {"delivered"}


async def test_a_holder_is_told_of_its_own_part_only(world: World) -> None:
    message = await deliver(world, "team@example.test", "support@example.test")
    own = [way(world, "team@example.test", TEAM), way(world, "support@example.test", SUPPORT)]
    async with world.client(SUPPORT) as api, world.client(MEMBER) as member:
        for found in (await told(api, message), await told(member, message, inbox_id=SUPPORT)):
            (part,) = found["deliveries"]
            assert (part["inbox_id"], part["via"]) == (world.ids[SUPPORT], own)
        answer = await member.get(f"/v1/messages/{message}/deliveries/")
        assert (answer.status_code, answer.json()["code"]) == (400, "inbox_required")
    async with world.client(TENANT_OWNER) as admin:
        (part,) = (await told(admin, message, inbox_id=SALES))["deliveries"]
        assert part["address"] == SALES


@pytest.mark.parametrize("who", [AGENT, FOREIGN_INBOX])
async def test_who_holds_no_copy_hears_that_there_is_nothing(world: World, who: str) -> None:
    message = await deliver(world, "team@example.test")
    async with world.client(who) as api:
        answer = await api.get(f"/v1/messages/{message}/deliveries/")
        unknown = await api.get(f"/v1/messages/msg_{'0' * 26}/deliveries/")
    assert answer.status_code == 404
    assert answer.content == unknown.content


async def test_what_the_list_was_then_counts_not_what_it_is(world: World) -> None:
    message = await deliver(world, "team@example.test")
    async with world.client(TENANT_OWNER) as api:
        await api.delete(f"/v1/distribution-lists/{world.ids[TEAM]}/members/{world.ids[SALES]}/")
        await api.post(
            f"/v1/distribution-lists/{world.ids[TEAM]}/members/", json={"inbox_id": AGENT}
        )
        found = await told(api, message)
        await api.delete(f"/v1/distribution-lists/{world.ids[TEAM]}/")
        assert await told(api, message) == found
    assert [part["address"] for part in found["deliveries"]] == [SALES, SUPPORT]


async def test_a_deleted_copy_stays_on_record_while_another_is_there(world: World) -> None:
    message = await deliver(world, "team@example.test", "sales@example.test")
    async with world.client(SALES) as sales, world.client(TENANT_OWNER) as api:
        before = await told(api, message)
        for _ in range(2):
            await sales.delete(f"/v1/messages/{message}/")
        after = await told(api, message)
        statuses = [part["status"] for part in after["deliveries"]]
        assert statuses == ["deleted", "delivered"]
        assert [part["via"] for part in after["deliveries"]] == [
            part["via"] for part in before["deliveries"]
        ]
        assert (await sales.get(f"/v1/messages/{message}/deliveries/")).status_code == 404
        for _ in range(2):
            await api.delete(f"/v1/messages/{message}/", params={"inbox_id": SUPPORT})
        assert (await api.get(f"/v1/messages/{message}/deliveries/")).status_code == 404

    async def left(tx: Tx) -> int:
        rows = await tx.fetch_all("SELECT message_id FROM deleted_copies")
        return len(rows)

    assert await world.database.read(left) == 0


async def resolved(world: World, address: str) -> httpx2.Response:
    async with world.client(TENANT_ADMIN) as api:
        return await api.get("/v1/resolve/", params={"address": address})


@pytest.mark.parametrize(
    ("address", "verdict", "rule", "copies"),
    [
        ("TEAM+x@example.test", "route", "subaddress", [SALES, SUPPORT]),
        ("sales@Example.Test", "route", "address", [SALES]),
        ("abuse@example.test", "route", "postmaster", [SALES]),
        ("nobody@example.test", "unknown", None, []),
    ],
)
async def test_an_admin_asks_where_mail_goes_now(
    world: World, address: str, verdict: str, rule: str | None, copies: list[str]
) -> None:
    found = (await resolved(world, address)).json()
    assert (found["verdict"], found["rule"]) == (verdict, rule)
    assert [copy["address"] for copy in found["copies"]] == copies


async def test_an_empty_list_is_told_as_such(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for inbox in (SALES, SUPPORT):
            path = f"/v1/distribution-lists/{world.ids[TEAM]}/members/{world.ids[inbox]}/"
            await api.delete(path)
    found = (await resolved(world, TEAM)).json()
    assert (found["verdict"], found["address"], found["copies"]) == ("empty_list", TEAM, [])


async def test_a_domain_that_is_not_the_tenants_own_and_verified_is_404(world: World) -> None:
    async def pending(tx: Tx) -> None:
        await add_domain(tx, tenant_id=world.tenant_id, name="pending.test", now=1)

    await world.database.write(pending)
    answers = [
        await resolved(world, address)
        for address in (FOREIGN_INBOX, "x@unknown.test", "x@pending.test", "x@sub.example.test")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("address", ["", "x", "@example.test", "a b@example.test"])
async def test_what_is_no_address_is_400(world: World, address: str) -> None:
    answer = await resolved(world, address)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "address"
