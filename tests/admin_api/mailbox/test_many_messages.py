"""One change for many messages over HTTP."""

import httpx2
import pytest

from storage.ids import to_text
from tests.admin_api.teamwork.team import fields, post, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TENANT_OWNER,
    World,
    deliver,
)

MESSAGES = "/v1/messages/"
UNKNOWN = "msg_" + "0" * 26
READ = {"is_read": True}


async def change(
    world: World, who: str, message_ids: object, given: object, **rest: object
) -> httpx2.Response:
    async with world.client(who) as api:
        body = {"message_ids": message_ids, "set": given, **rest}
        return await api.patch(MESSAGES, json=body)


async def state(world: World, who: str) -> dict[str, tuple[object, object, object]]:
    async with world.client(who) as api:
        items = (await api.get(MESSAGES, params={"folder": "all"})).json()["results"]
    return {one["message_id"]: (one["is_read"], one["is_flagged"], one["folder"]) for one in items}


async def newest_thread_message(world: World, who: str) -> str:
    async with world.client(who) as api:
        found: str = (await api.get(MESSAGES)).json()["results"][0]["message_id"]
    return found


async def test_what_is_set_is_set_for_all_of_them_and_told_in_the_order_asked(world: World) -> None:
    first, second, third = [await deliver(world, "team@example.test") for _ in range(3)]
    answer = await change(
        world, SALES, [second, first, second], {"is_read": True, "folder": "archive"}
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["message_id"] for one in results] == [second, first]
    async with world.client(SALES) as api:
        archived = (await api.get(MESSAGES, params={"folder": "archive"})).json()["results"]
    assert results == archived
    assert await state(world, SALES) == {
        first: (True, False, "archive"),
        second: (True, False, "archive"),
        third: (False, False, "inbox"),
    }
    assert {*(await state(world, SUPPORT)).values()} == {(False, False, "inbox")}


async def test_what_is_left_out_stays_as_it_is(world: World) -> None:
    message = await deliver(world, "team@example.test")
    for given in ({"is_flagged": True}, READ, {"folder": "junk"}, {"is_flagged": False}):
        assert (await change(world, SALES, [message], given)).status_code == 200
    assert await state(world, SALES) == {message: (True, False, "junk")}


async def test_who_may_not_know_of_a_message_hears_what_is_said_of_any(world: World) -> None:
    own = await deliver(world, "sales@example.test")
    others = [
        UNKNOWN,
        await deliver(world, "desk@other.test", tenant="Other"),
        await deliver(world, "agent@example.test"),
        world.ids[SALES],
        "nonsense",
        "",
    ]
    answers = [await change(world, SALES, [own, one], READ) for one in others]
    assert {one.content for one in answers} == {answers[0].content}
    assert (answers[0].json()["code"], fields(answers[0])) == ("invalid_fields", ["message_ids[1]"])
    foreign = await change(world, FOREIGN_INBOX, [own], READ)
    assert foreign.content == (await change(world, FOREIGN_INBOX, [UNKNOWN], READ)).content
    assert await state(world, SALES) == {own: (False, False, "inbox")}
    for who, message in ((FOREIGN_INBOX, others[1]), (AGENT, others[2])):
        assert await state(world, who) == {message: (False, False, "inbox")}


async def test_every_fault_is_told_and_nothing_is_changed(world: World) -> None:
    own = await deliver(world, "sales@example.test")
    answer = await change(world, SALES, [UNKNOWN, own, "nonsense", own, UNKNOWN], READ)
    assert fields(answer) == ["message_ids[0]", "message_ids[2]", "message_ids[4]"]
    assert len({fault["message"] for fault in answer.json()["errors"]}) == 1
    assert await state(world, SALES) == {own: (False, False, "inbox")}


@pytest.mark.parametrize("kind", ["assign/", "notes/"])
async def test_a_message_that_is_only_open_cannot_be_changed_nor_what_is_named_beside_it(
    world: World, kind: str
) -> None:
    thread = await thread_with(world, "sales@example.test")
    opened = await newest_thread_message(world, SALES)
    given = {"to": AGENT} if kind == "assign/" else {"body": "Look.", "mentions": [AGENT]}
    assert (await post(world, SALES, thread + kind, **given)).status_code in (200, 201)
    own = await deliver(world, "agent@example.test")
    answer = await change(world, AGENT, [own, opened], READ)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_copy")
    assert fields(await change(world, AGENT, [opened, UNKNOWN], READ)) == ["message_ids[1]"]
    assert await state(world, AGENT) == {own: (False, False, "inbox")}
    assert await state(world, SALES) == {opened: (False, False, "inbox")}


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, ["message_ids", "set"]),
        ({"message_ids": [], "set": READ}, ["message_ids"]),
        ({"message_ids": "msg_x", "set": READ}, ["message_ids"]),
        ({"message_ids": [UNKNOWN] * 501, "set": READ}, ["message_ids"]),
        (
            {"message_ids": [UNKNOWN, 7, None], "set": READ},
            ["message_ids[1]", "message_ids[2]", "message_ids[0]"],
        ),
        ({"message_ids": [UNKNOWN], "set": {}}, ["set", "message_ids[0]"]),
        ({"message_ids": [UNKNOWN], "set": None}, ["set", "message_ids[0]"]),
        ({"message_ids": [UNKNOWN], "set": {"is_read": None}}, ["set", "message_ids[0]"]),
        ({"message_ids": [UNKNOWN], "set": {"is_read": 1}}, ["set.is_read", "message_ids[0]"]),
        ({"message_ids": [UNKNOWN], "set": {"folder": "sent"}}, ["set.folder", "message_ids[0]"]),
        (
            {"message_ids": [UNKNOWN], "set": READ | {"subject": "x"}},
            ["set.subject", "message_ids[0]"],
        ),
        (
            {"message_ids": [UNKNOWN], "set": READ | {"inbox_id": SALES}},
            ["set.inbox_id", "message_ids[0]"],
        ),
        ({"message_ids": [UNKNOWN], "set": READ, "is_read": True}, ["is_read", "message_ids[0]"]),
    ],
)
async def test_what_makes_no_sense_is_400(
    world: World, body: dict[str, object], faults: list[str]
) -> None:
    async with world.client(SALES) as api:
        assert fields(await api.patch(MESSAGES, json=body)) == faults


async def test_five_hundred_are_changed_at_once_and_as_many_faults_are_cut_short(
    world: World,
) -> None:
    sent = [await deliver(world, "sales@example.test") for _ in range(500)]
    answer = await change(world, SALES, sent, {"is_flagged": True})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["message_id"] for one in results] == sent
    assert {one["is_flagged"] for one in results} == {True}
    unknown = [to_text("msg", bytes(14) + number.to_bytes(2, "big")) for number in range(500)]
    assert len(fields(await change(world, SALES, unknown, READ))) == 100
    assert fields(await change(world, SALES, [*sent, sent[0]], READ)) == ["message_ids"]


async def test_a_session_names_the_inbox_for_which_it_acts(world: World) -> None:
    message = await deliver(world, "team@example.test")
    unnamed = await change(world, TENANT_OWNER, [message], READ)
    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "inbox_required")
    other = await change(world, MEMBER, [message], READ, inbox_id=SALES)
    assert other.status_code == 404
    own = await change(world, MEMBER, [message], READ, inbox_id=SUPPORT)
    assert own.status_code == 200
    async with world.client(TENANT_OWNER) as api:
        body = {"message_ids": [message], "set": {"folder": "trash"}}
        named = await api.patch(MESSAGES, params={"inbox_id": SALES}, json=body)
    assert named.status_code == 200
    assert await state(world, SALES) == {message: (False, False, "trash")}
    assert await state(world, SUPPORT) == {message: (True, False, "inbox")}
