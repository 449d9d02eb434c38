"""Sharing and handing over contacts over HTTP."""

import asyncio
from typing import Any

import httpx2
import pytest

from gateway.jobs.retention import one_round
from storage.accounts.tenants import set_tenant
from storage.clock import DAY
from storage.directory.inboxes import update_inbox
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    count_all,
    deliver,
    token_with,
)

Record = dict[str, Any]  # one JSON object; the border of the API
CONTACTS, SHARES = "/v1/contacts/", "/v1/contacts/shares/"
GRACE = {
    "full_name": "Grace",
    "emails": [{"label": "", "address": "grace@sender.test"}],
    "notes": "Private.",
    "labels": ["vip"],
}


async def made(api: httpx2.AsyncClient, **card: object) -> str:
    answer = await api.post(CONTACTS, json=GRACE | card)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def offered(
    api: httpx2.AsyncClient, card: str, to: str = SUPPORT, **more: object
) -> httpx2.Response:
    body = {"type": "offer", "to_inbox_id": to, "contact_id": card}
    return await api.post(SHARES, json=body | more)


async def requested(
    api: httpx2.AsyncClient, to: str = SALES, address: str = "Grace@sender.test", **more: object
) -> httpx2.Response:
    body = {"type": "request", "to_inbox_id": to, "contact_address": address}
    return await api.post(SHARES, json=body | more)


async def tasks(api: httpx2.AsyncClient) -> list[tuple[str, str]]:
    agenda = (await api.get("/v1/agenda/")).json()
    return [(task["type"], task["title"]) for task in agenda]


async def events(world: World, kind: str) -> list[bytes]:
    rows = await world.database.read(
        lambda tx: tx.fetch_all(
            "SELECT inbox_id FROM events WHERE type = :kind ORDER BY event_id", {"kind": kind}
        )
    )
    return [bytes(row["inbox_id"]) for row in rows]


async def book(api: httpx2.AsyncClient) -> list[Record]:
    return list((await api.get(CONTACTS)).json()["results"])


async def test_an_accepted_offer_copies_the_card_and_closes_its_task(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = await made(api)
        answer = await offered(api, card)
        share = answer.json()
        assert answer.status_code == 201
        assert share["status"] == "pending"
        assert (share["contact_id"], share["contact_address"]) == (card, "grace@sender.test")
        assert share["parameters"] == {"note": None, "labels": []}
        assert (await other.get(SHARES)).json() == [share]
        assert (await api.get(SHARES)).json() == []
        assert (await api.get(SHARES, params={"direction": "outgoing"})).json() == [share]
        assert await tasks(other) == [("contact_share", "[Contact offered] Grace")]
        assert await events(world, "contact.share_received") == [world.raw[SUPPORT]]

        answer = await other.post(f"{SHARES}{share['share_id']}/accept/")
        assert answer.status_code == 200
        assert answer.json()["status"] == "accepted"
        (copy,) = await book(other)
        assert (copy["full_name"], copy["notes"], copy["read_only"]) == ("Grace", "", False)
        assert copy["source"]["inbox_id"] == world.ids[SALES]
        assert set(copy["source"]["fields"]) == {"full_name", "emails", "labels"}
        assert await tasks(other) == []
        both = {world.raw[SALES], world.raw[SUPPORT]}
        assert set(await events(world, "contact.share_resolved")) == both
        (mine,) = await book(api)
        assert mine["notes"] == "Private."


async def test_notes_come_along_when_the_offer_says_so(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api), include_notes=True)).json()
        await other.post(f"{SHARES}{share['share_id']}/accept/")
        (copy,) = await book(other)
        assert copy["notes"] == "Private."


async def test_an_accepted_card_goes_onto_the_one_with_its_address(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        there = await made(other, full_name="Hopper", notes="Mine.", labels=["old"])
        share = (await offered(api, await made(api, organization="Navy"))).json()
        await other.post(f"{SHARES}{share['share_id']}/accept/")
        (card,) = await book(other)
        assert (card["id"], card["full_name"]) == (there, "Hopper")
        assert (card["organization"], card["labels"]) == ("Navy", ["old", "vip"])
        assert "Mine." in str(card["notes"]) and "Grace" in str(card["notes"])


async def test_a_request_says_nothing_about_the_holders_book(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        nothing = await requested(other)
        await other.delete(f"{SHARES}{nothing.json()['share_id']}/")
        await made(api)
        something = await requested(other)
        assert nothing.status_code == something.status_code == 201
        differs = ("share_id", "created_at")
        first, second = (
            {key: value for key, value in one.json().items() if key not in differs}
            for one in (nothing, something)
        )
        assert first == second


async def test_a_request_is_seen_with_its_note_and_labels_and_brings_the_card(
    world: World,
) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await requested(other, note="For the audit.", labels=["audit"])).json()
        assert share["parameters"] == {"note": "For the audit.", "labels": ["audit"]}
        assert (await api.get(SHARES)).json() == [share]
        assert await tasks(api) == [("contact_share", "[Contact requested] Grace@sender.test")]
        answer = await api.post(f"{SHARES}{share['share_id']}/accept/")
        assert (answer.status_code, answer.json()["code"]) == (409, "contact_missing")
        await made(api)
        answer = await api.post(f"{SHARES}{share['share_id']}/accept/")
        assert answer.json()["status"] == "accepted"
        (copy,) = await book(other)
        assert (copy["labels"], copy["notes"]) == (["vip", "audit"], "")
        assert answer.json()["contact_id"] == copy["id"]


async def test_a_second_pending_share_is_the_first_one(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = await made(api)
        first, second = await offered(api, card), await offered(api, card)
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        mine, again = await requested(other), await requested(other, address="grace@SENDER.test")
        assert (mine.status_code, again.status_code) == (201, 200)
        assert (await offered(api, card, to=AGENT)).status_code == 201
        await other.post(f"{SHARES}{first.json()['share_id']}/decline/")
        assert (await offered(api, card)).status_code == 201


async def test_only_the_receiver_answers_and_only_the_sender_withdraws(world: World) -> None:
    async with (
        world.client(SALES) as api,
        world.client(SUPPORT) as other,
        world.client(AGENT) as third,
    ):
        share = (await offered(api, await made(api))).json()
        path = f"{SHARES}{share['share_id']}/"
        for client in (api, third):
            for verb in ("accept/", "decline/"):
                assert (await client.post(path + verb)).status_code == 404
        for client in (other, third):
            assert (await client.delete(path)).status_code == 404
        assert (await api.delete(path)).status_code == 204
        assert (await api.delete(path)).status_code == 404
        assert (await other.post(path + "accept/")).status_code == 404
        assert await tasks(other) == []


async def test_what_was_resolved_stays_so(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api))).json()
        path = f"{SHARES}{share['share_id']}/"
        assert (await other.post(path + "decline/")).json()["status"] == "declined"
        for answer in (
            await other.post(path + "accept/"),
            await other.post(path + "decline/"),
            await api.delete(path),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "share_resolved")
        assert await book(other) == []


@pytest.mark.parametrize("others", [("accept/",), ("decline/",), ()])
async def test_of_several_at_once_exactly_one_wins(world: World, others: tuple[str, ...]) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api))).json()
        path = f"{SHARES}{share['share_id']}/"
        calls = [other.post(path + verb) for verb in ("accept/", *others)]
        calls += [] if others else [api.delete(path)]
        statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
        assert sum(status in (200, 204) for status in statuses) == 1, statuses
        assert len(await book(other)) <= 1


async def test_what_a_body_names_is_refused_alike_whosever_it_is(world: World) -> None:
    async with world.client(SALES) as api, world.client(FOREIGN_INBOX) as foreign:
        card = await made(api)
        theirs = await made(foreign)
        unknown = "inb_" + "0" * 26
        inboxes = (world.ids[FOREIGN_INBOX], FOREIGN_INBOX, unknown, "x", SALES, TEAM)
        answers = {(await offered(api, card, to=to)).content for to in inboxes}
        assert len(answers) == 1
        assert b'"field":"to_inbox_id"' in answers.pop()
        answers = {(await offered(api, one)).content for one in (theirs, "ctc_" + "0" * 26, "x")}
        assert len(answers) == 1
        assert b'"field":"contact_id"' in answers.pop()
        both = await offered(api, "x", to="x")
        assert [fault["field"] for fault in both.json()["errors"]] == ["to_inbox_id", "contact_id"]
        mixed = await offered(api, card, contact_address="a@b.test", note="x")
        assert {fault["field"] for fault in mixed.json()["errors"]} == {"contact_address", "note"}


async def test_sharing_needs_the_plan(world: World) -> None:
    await world.database.write(
        lambda tx: set_tenant(tx, tenant_id=world.tenant_id, plan="free", governance="full")
    )
    async with world.client(SALES) as api:
        card = await made(api)
        for answer in (
            await offered(api, card),
            await api.get(SHARES),
            await api.post(f"{CONTACTS}{card}/handoff/", json={"to_inbox_id": SUPPORT}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "plan_required")


async def test_a_pending_share_lapses_after_thirty_days_and_is_gone_seven_later(
    world: World,
) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api))).json()
        path = f"{SHARES}{share['share_id']}/"
        world.clock.advance(30 * DAY)
        assert (await other.get(SHARES)).json() == []
        (lapsed,) = (await other.get(SHARES, params={"status": "lapsed"})).json()
        assert lapsed["status"] == "lapsed"
        assert (await other.post(path + "accept/")).status_code == 409
        await one_round(world.database, world.content, now=world.clock())
        assert await tasks(other) == []
        assert (await other.get(SHARES, params={"status": "lapsed"})).json() == [lapsed]
        world.clock.advance(7 * DAY)
        assert (await other.get(SHARES, params={"status": "lapsed"})).json() == []
        assert (await other.post(path + "accept/")).status_code == 404
        await one_round(world.database, world.content, now=world.clock())
        rows = await world.database.read(lambda tx: tx.fetch_all("SELECT 1 FROM shares"))
        assert rows == []


async def test_deleting_the_card_or_the_inbox_ends_its_shares(world: World) -> None:
    async with (
        world.client(SALES) as api,
        world.client(SUPPORT) as other,
        world.client(TENANT_OWNER) as owner,
    ):
        card = await made(api)
        await offered(api, card)
        await api.delete(f"{CONTACTS}{card}/")
        assert (await other.get(SHARES)).json() == []
        assert await tasks(other) == []
        await requested(other)
        await owner.delete(f"/v1/inboxes/{SALES}/")
        query = {"direction": "outgoing", "status": "lapsed"}
        (share,) = (await other.get(SHARES, params=query)).json()
        assert share["type"] == "request"


async def test_a_share_seeds_the_relationship_and_a_silent_giver_does_not(world: World) -> None:
    for _ in range(3):
        await deliver(world, SALES, count=True)
    path = "/v1/relationships/grace@sender.test/"
    async with world.client(SALES) as api, world.client(AGENT) as other:
        theirs = (await api.get(path)).json()
        share = (await offered(api, await made(api), to=AGENT)).json()
        await other.post(f"{SHARES}{share['share_id']}/accept/")
        mine = (await other.get(path)).json()
        for key in ("first_seen", "last_seen", "message_count", "strength"):
            assert mine[key] == theirs[key]
        assert mine["source"]["inbox_id"] == world.ids[SALES]
        assert theirs["source"] is None
        await deliver(world, AGENT, count=True)
        assert (await other.get(path)).json()["message_count"] == 4

        await world.database.write(
            lambda tx: update_inbox(
                tx,
                tenant_id=world.tenant_id,
                inbox_id=world.raw[SALES],
                share_relationships=False,
            )
        )
        card = (await api.get(CONTACTS)).json()["results"][0]["id"]
        share = (await offered(api, card, to=SUPPORT)).json()
        async with world.client(SUPPORT) as third:
            await third.post(f"{SHARES}{share['share_id']}/accept/")
            assert (await third.get(path)).json()["message_count"] == 0


async def test_a_handoff_moves_the_card_at_once_and_leaves_a_copy_to_read(world: World) -> None:
    await deliver(world, SALES, count=True)
    async with world.client(SALES) as api, world.client(AGENT) as other:
        card = await made(api)
        path = f"{CONTACTS}{card}/"
        body = {"to_inbox_id": AGENT, "note": "She is yours."}
        answer = await api.post(path + "handoff/", json=body)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["id"], answer.json()["read_only"]) == (card, True)
        (theirs,) = await book(other)
        assert (theirs["notes"], theirs["labels"]) == ("Private.", ["vip"])
        assert theirs["read_only"] is False
        assert await tasks(other) == [("contact_handoff", "[Contact handed over] Grace")]
        (task,) = (await other.get("/v1/agenda/")).json()
        assert (task["contact_id"], task["description"]) == (theirs["id"], "She is yours.")
        assert await events(world, "contact.handoff_received") == [world.raw[AGENT]]
        known = (await other.get("/v1/relationships/grace@sender.test/")).json()
        assert known["message_count"] == 1
        for answer in (
            await api.post(path + "handoff/", json=body),
            await api.patch(path, json={"notes": "x"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "read_only")
        assert (await api.get(path)).json()["read_only"] is True


async def test_a_card_that_comes_back_can_be_changed_again(world: World) -> None:
    async with world.client(SALES) as api, world.client(AGENT) as other:
        card = await made(api)
        await api.post(f"{CONTACTS}{card}/handoff/", json={"to_inbox_id": AGENT})
        (theirs,) = await book(other)
        path = f"{CONTACTS}{theirs['id']}/handoff/"
        assert (await other.post(path, json={"to_inbox_id": SALES})).status_code == 200
        (mine,) = await book(api)
        assert (mine["id"], mine["read_only"]) == (card, False)


async def test_a_thread_is_handed_over_with_the_senders_card(world: World) -> None:
    message = await deliver(world, SALES)
    async with world.client(SALES) as api, world.client(AGENT) as other:
        thread = (await api.get(f"/v1/messages/{message}/")).json()["thread_id"]
        path = f"/v1/messages/threads/{thread}/handoff/"
        body = {"to": AGENT, "note": "Yours.", "share_contact": True}
        answer = await api.post(path, json=body)
        assert [fault["field"] for fault in answer.json()["errors"]] == ["share_contact"]
        assert await tasks(other) == []

        card = await made(api)
        assert (await api.post(path, json=body | {"to": SALES})).status_code == 400
        narrow = await token_with(world, SALES, "email:read", "email:write")
        async with world.client(secret=narrow) as token:
            answer = await token.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        answer = await api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        share = answer.json()["share"]
        assert (share["contact_id"], share["status"]) == (card, "pending")
        assert (await other.get(SHARES)).json() == [share]
        assert "share" not in (await api.post(path, json={"to": AGENT})).json()


async def test_an_accepted_share_names_the_card_of_its_taker(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api))).json()
        accepted = (await other.post(f"{SHARES}{share['share_id']}/accept/")).json()
        (copy,) = await book(other)
        assert accepted["contact_id"] == copy["id"]
        seen = (await other.get(SHARES, params={"status": "accepted"})).json()
        assert [one["contact_id"] for one in seen] == [copy["id"]]


async def test_an_acceptance_right_after_the_mail_seeds_what_nobody_has_counted(
    world: World,
) -> None:
    path = "/v1/relationships/grace@sender.test/"
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        share = (await offered(api, await made(api))).json()
        await deliver(world, SALES)
        await other.post(f"{SHARES}{share['share_id']}/accept/")
        seeded = (await other.get(path)).json()
        assert (seeded["message_count"], seeded["source"]["inbox_id"]) == (1, world.ids[SALES])
        await count_all(world)
        assert (await other.get(path)).json() == seeded
        assert (await api.get(path)).json()["message_count"] == 1


async def test_a_handoff_resolves_the_pending_offer_of_the_card(world: World) -> None:
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = await made(api)
        share = (await offered(api, card)).json()
        elsewhere = (await offered(api, card, to=AGENT)).json()
        answer = await api.post(f"{CONTACTS}{card}/handoff/", json={"to_inbox_id": SUPPORT})
        assert answer.status_code == 200, answer.text
        assert (await other.get(SHARES)).json() == []
        (theirs,) = await book(other)
        (resolved,) = (await other.get(SHARES, params={"status": "accepted"})).json()
        assert (resolved["share_id"], resolved["contact_id"]) == (share["share_id"], theirs["id"])
        assert await tasks(other) == [("contact_handoff", "[Contact handed over] Grace")]
        answer = await other.post(f"{SHARES}{share['share_id']}/accept/")
        assert (answer.status_code, answer.json()["code"]) == (409, "share_resolved")
        async with world.client(AGENT) as third:
            assert [one["share_id"] for one in (await third.get(SHARES)).json()] == [
                elsewhere["share_id"]
            ]


async def test_a_relationship_and_a_node_have_the_name_of_the_card(world: World) -> None:
    await deliver(world, SALES, count=True)
    async with world.client(SALES) as api:
        await made(api, full_name="Admiral Hopper")
        known = (await api.get("/v1/relationships/grace@sender.test/")).json()
        assert known["name"] == "Admiral Hopper"
        (listed,) = (await api.get("/v1/relationships/")).json()["results"]
        assert listed["name"] == "Admiral Hopper"
        nodes = (await api.get("/v1/relationships/graph/")).json()["nodes"]
        assert {node["name"] for node in nodes if node["type"] == "address"} == {"Admiral Hopper"}
        assert all(node["name"] for node in nodes)
