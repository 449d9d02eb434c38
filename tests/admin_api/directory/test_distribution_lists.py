"""Distribution lists and their members over HTTP."""

import asyncio

import pytest

from storage.accounts import tenants
from storage.directory.resolve import Verdict, resolve
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
    deliver,
    token_with,
)

LISTS = "/v1/distribution-lists/"


def path(world: World, *rest: str) -> str:
    return "/".join([LISTS + world.ids[TEAM], *rest]) + "/"


async def events(world: World) -> list[tuple[str, bytes]]:
    rows = await world.database.read(
        lambda tx: tx.fetch_all("SELECT type, inbox_id FROM events ORDER BY event_id")
    )
    return [(row["type"], row["inbox_id"]) for row in rows]


async def test_a_list_is_made_read_renamed_and_deleted(world: World) -> None:
    async with world.client(TENANT_ADMIN) as api:
        made = await api.post(LISTS, json={"address": "Help@Example.TEST", "name": "Help"})
        assert made.status_code == 201
        assert made.json() == {
            "list_id": made.json()["list_id"],
            "address": "Help@Example.TEST",
            "name": "Help",
            "created_by": world.ids[TENANT_ADMIN],
            "created_at": "2027-01-15T08:00:00.000Z",
            "member_count": 0,
            "share_read_state": True,
            "reply_as": "list",
            "reply_name": "both",
            "signature": "",
        }
        own = f"{LISTS}{made.json()['list_id']}/"
        assert (await api.get(own)).json() == made.json()
        change = {"name": "Helpers", "reply_as": "either", "signature": "Helpers\n+49 1"}
        renamed = await api.patch(own, json=change)
        assert renamed.json() == made.json() | change
        for bad in ({"reply_as": "me"}, {"reply_name": "x"}, {"signature": "a\x1b"}):
            answer = await api.patch(own, json=bad)
            assert [one["field"] for one in answer.json()["errors"]] == [*bad]
        assert [item["address"] for item in (await api.get(LISTS)).json()] == [
            TEAM,
            "Help@Example.TEST",
        ]
        assert (await api.delete(own)).status_code == 204
        assert (await api.get(own)).status_code == 404


async def test_what_the_command_line_made_was_created_by_nobody(world: World) -> None:
    async with world.client(MEMBER) as api:
        (item,) = (await api.get(LISTS)).json()
    assert (item["created_by"], item["member_count"]) == (None, 2)


@pytest.mark.parametrize(
    "address", [SALES, "sales@EXAMPLE.test", '"team"@example.test', TEAM, "team@example.test."]
)
async def test_an_address_that_is_taken_is_409_in_any_spelling(world: World, address: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(LISTS, json={"address": address, "name": "x"})
        assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
        assert len((await api.get(LISTS)).json()) == 1


@pytest.mark.parametrize("domain", ["other.test", "unknown.test", "sub.example.test"])
async def test_a_domain_that_is_not_verified_for_the_tenant_is_400(
    world: World, domain: str
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(LISTS, json={"address": f"all@{domain}", "name": "x"})
        assert (answer.status_code, answer.json()["code"]) == (400, "domain_not_verified")
        assert [fault["field"] for fault in answer.json()["errors"]] == ["address"]
        assert len((await api.get(LISTS)).json()) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["address", "name"]),
        ({"address": "a+b@example.test", "name": "x"}, ["address"]),
        ({"address": "jürgen@example.test", "name": "x"}, ["address"]),
        ({"address": "nonsense", "name": ""}, ["address", "name"]),
        ({"address": None, "name": ["x"]}, ["address", "name"]),
        ({"address": "new@example.test", "name": "x", "tenant_id": "tnt_x"}, ["tenant_id"]),
        ({"address": "new@example.test", "name": "x", "created_by": "u"}, ["created_by"]),
    ],
)
async def test_what_a_list_cannot_be_is_400(
    world: World, body: dict[str, object], fields: list[str]
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(LISTS, json=body)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == fields


async def test_the_address_of_a_list_never_changes(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.patch(path(world), json={"name": "x", "address": "a@example.test"})
        assert [fault["field"] for fault in answer.json()["errors"]] == ["address"]
        assert (await api.get(path(world))).json()["name"] == "Everybody"


async def test_adding_a_member_twice_gives_the_first_membership_again(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        first = await api.post(path(world, "members"), json={"inbox_id": world.ids[AGENT]})
        again = await api.post(path(world, "members"), json={"inbox_id": AGENT.upper()})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert first.json()["inbox_id"] == world.ids[AGENT]
        assert first.json()["inbox_address"] == AGENT
        members = (await api.get(path(world, "members"))).json()
        assert [member["inbox_address"] for member in members] == [SALES, SUPPORT, AGENT]
        assert (await api.get(path(world))).json()["member_count"] == 3
    assert (await events(world)).count(("list.member_added", world.raw[AGENT])) == 1


async def test_fifty_parallel_adds_make_one_membership(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answers = await asyncio.gather(
            *(api.post(path(world, "members"), json={"inbox_id": AGENT}) for _ in range(50))
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
        assert len({answer.content for answer in answers}) == 1
        assert len((await api.get(path(world, "members"))).json()) == 3


@pytest.mark.parametrize(
    "name", [FOREIGN_INBOX, TEAM, "inb_" + "0" * 26, "", "x" * 400, TENANT_OWNER]
)
async def test_a_member_that_is_no_inbox_of_the_tenant_is_400(world: World, name: str) -> None:
    names = [name, world.ids[FOREIGN_INBOX]]
    async with world.client(TENANT_OWNER) as api:
        for one in names:
            answer = await api.post(path(world, "members"), json={"inbox_id": one})
            assert answer.status_code == 400
            assert [fault["field"] for fault in answer.json()["errors"]] == ["inbox_id"]
        assert len((await api.get(path(world, "members"))).json()) == 2
    assert ("list.member_added", world.raw[FOREIGN_INBOX]) in await events(world)  # on its own list


async def test_a_member_is_removed_by_id_or_by_address(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for name in (world.ids[SALES], "SUPPORT%40example.test"):
            assert (await api.delete(path(world, "members", name))).status_code == 204
            assert (await api.delete(path(world, "members", name))).status_code == 404
        assert (await api.get(path(world, "members"))).json() == []
        for name in (AGENT, FOREIGN_INBOX, "nonsense"):
            assert (await api.delete(path(world, "members", name))).status_code == 404
    assert (await events(world)).count(("list.member_removed", world.raw[SALES])) == 1


async def test_an_address_with_a_slash_is_one_segment_of_a_path(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        made = await api.post(LISTS, json={"address": "a/b@example.test", "name": "x"})
        assert made.status_code == 201
        gone = await api.delete(path(world, "members", "a%2Fb@example.test"))
        assert gone.status_code == 404


async def test_a_deleted_list_is_refused_at_once_and_its_copies_stay(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(TENANT_OWNER) as api:
        assert (await api.delete(path(world))).status_code == 204
    found = await world.database.read(
        lambda tx: resolve(tx, local_part="team", domain="example.test")
    )
    assert found.verdict is Verdict.UNKNOWN
    async with world.client(SALES) as api:
        message = (await api.get(f"/v1/messages/{message_id}/")).json()
        assert message["via"] == [{"address": TEAM, "list_id": world.ids[TEAM]}]
        (own,) = [one for one in (await api.get("/v1/inboxes/")).json() if one["address"] == SALES]
        assert own["aliases"] == []


async def test_agents_read_lists_with_email_read_and_change_nothing(world: World) -> None:
    async with world.client(secret=await token_with(world, AGENT, "email:read")) as api:
        assert (await api.get(LISTS)).status_code == 200
        assert (await api.get(path(world, "members"))).status_code == 200
        answer = await api.post(path(world, "members"), json={"inbox_id": AGENT})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")


@pytest.mark.parametrize("who", [SALES, TENANT_OWNER])
async def test_without_governance_reads_too_are_refused_and_mail_flows(
    world: World, who: str
) -> None:
    await world.database.write(
        lambda tx: tenants.set_tenant(
            tx, tenant_id=world.tenant_id, plan="enterprise", governance="none"
        )
    )
    async with world.client(who) as api:
        for answer in (await api.get(LISTS), await api.get(path(world, "members"))):
            assert (answer.status_code, answer.json()["code"]) == (403, "governance_required")
    await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        assert len((await api.get("/v1/messages/")).json()["results"]) == 1


async def test_lists_of_another_tenant_are_not_there(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        seen = {item["list_id"] for item in (await api.get(LISTS)).json()}
    assert world.ids[FOREIGN_LIST] not in seen
