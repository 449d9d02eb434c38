"""Messages over HTTP, as an inbox has them."""

import os
from pathlib import Path

import pytest

from storage.database import Tx
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    MESSAGE,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
)

MESSAGES = "/v1/messages/"
UNKNOWN = MESSAGES + "msg_" + "0" * 26 + "/"


async def listed(world: World, who: str, **query: object) -> list[str]:
    async with world.client(who) as api:
        answer = await api.get(MESSAGES, params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return [item["message_id"] for item in answer.json()["results"]]


async def test_every_member_lists_its_copy_right_after_the_delivery(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        body = (await api.get(MESSAGES)).json()
    assert body["cursor"] is None
    (item,) = body["results"]
    assert item == {
        "message_id": message_id,
        "thread_id": item["thread_id"],
        "kind": "received",
        "bounce": None,
        "folder": "inbox",
        "from": {"email": "grace@sender.test", "name": "Grace"},
        "to": [{"email": "team@example.test", "name": ""}],
        "cc": [],
        "subject": "Hello",
        "preview": "",
        "received_at": "2027-01-15T08:00:01.000Z",
        "size": len(MESSAGE),
        "is_read": False,
        "is_flagged": False,
        "has_attachments": False,
        "verdict": None,
        "via": [{"address": TEAM, "list_id": world.ids[TEAM]}],
        "seen_by": [],
    }
    assert await listed(world, SUPPORT) == [message_id]
    assert await listed(world, AGENT) == []


async def test_a_message_by_itself_has_headers_and_envelope(world: World) -> None:
    message_id = await deliver(world, "Team+x@example.test")
    async with world.client(SALES) as api:
        answer = await api.get(f"{MESSAGES}{message_id}/")
        (item,) = (await api.get(MESSAGES)).json()["results"]
    message = answer.json()
    assert item.items() <= message.items()
    assert message["headers"][0] == {"name": "From", "value": "Grace <grace@sender.test>"}
    assert len(message["headers"]) == 4
    assert message["envelope"] == {
        "mail_from": "grace@sender.test",
        "rcpt_to": ["Team+x@example.test"],
        "client_ip": "192.0.2.7",
        "helo": "mx.sender.test",
        "tls": None,
    }
    assert (message["parse_status"], message["text_body"], message["attachments"]) == (
        "pending",
        None,
        [],
    )


async def test_raw_is_the_trace_of_this_copy_and_the_bytes_as_they_came(world: World) -> None:
    body = b"Subject: \xff\x00\n.\r\r\n" + os.urandom(5000)
    message_id = await deliver(world, "sales@example.test", "team@example.test", body=body)
    trace = {}
    for who in (SALES, SUPPORT):
        async with world.client(who) as api:
            answer = await api.get(f"{MESSAGES}{message_id}/raw/")
        assert answer.headers["content-type"] == "message/rfc822"
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.content.endswith(body)
        trace[who] = answer.content.removesuffix(body)
    received = b"Received: from mx.sender.test by here; now\r\n"
    assert trace == {
        SALES: b"Return-Path: <grace@sender.test>\r\nDelivered-To: Sales@example.test\r\n"
        b"Delivered-To: Team@example.test\r\n" + received,
        SUPPORT: b"Return-Path: <grace@sender.test>\r\nDelivered-To: Team@example.test\r\n"
        + received,
    }


async def test_a_copy_never_tells_by_what_other_address_the_message_came(world: World) -> None:
    message_id = await deliver(
        world, "agent@example.test", "team@example.test", "team+b@example.test"
    )
    seen = {}
    for who in (SALES, AGENT):
        async with world.client(who) as api:
            message = (await api.get(f"{MESSAGES}{message_id}/")).json()
        seen[who] = (message["envelope"]["rcpt_to"], [via["address"] for via in message["via"]])
    assert seen == {
        SALES: (["team@example.test", "team+b@example.test"], [TEAM]),
        AGENT: (["agent@example.test"], [AGENT]),
    }


async def test_a_large_content_is_streamed_from_its_file(world: World, tmp_path: Path) -> None:
    body = b"Subject: big\r\n\r\n" + os.urandom(700_000)
    (tmp_path / "content" / "big").write_bytes(body)
    message_id = await deliver(world, "team@example.test", body=body, file="big")
    async with world.client(SALES) as api:
        assert (await api.get(f"{MESSAGES}{message_id}/raw/")).content.endswith(b"\r\n" + body)
        message = (await api.get(f"{MESSAGES}{message_id}/")).json()
        assert message["headers"] == [{"name": "Subject", "value": "big"}]
        (tmp_path / "content" / "big").unlink()
        damaged = await api.get(f"{MESSAGES}{message_id}/raw/")
        assert damaged.status_code == 500


async def test_pages_lead_through_everything_once_whatever_comes_meanwhile(world: World) -> None:
    sent = [await deliver(world, "team@example.test") for _ in range(7)]
    seen: list[str] = []
    query = {"limit": "3"}
    async with world.client(SALES) as api:
        while True:
            body = (await api.get(MESSAGES, params=query)).json()
            seen += [item["message_id"] for item in body["results"]]
            if body["cursor"] is None:
                break
            query["cursor"] = body["cursor"]
            await deliver(world, "team@example.test")
    assert seen == sent[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=+5", "limit"),
        ("limit=1_0", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A3", "limit"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("folder=Inbox", "folder"),
        ("folder=outbox", "folder"),
        ("unread=yes", "unread"),
        ("unread=1", "unread"),
        ("surprise=hello", "surprise"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_400(world: World, query: str, field: str) -> None:
    async with world.client(SALES) as api:
        answer = await api.get(f"{MESSAGES}?{query}")
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_read_state_flag_and_folder_are_the_inboxes_own(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        path = f"{MESSAGES}{message_id}/"
        changed = await api.patch(path, json={"is_read": True, "folder": "archive"})
        assert changed.status_code == 200
        assert changed.json() == (await api.get(path)).json()
        assert (changed.json()["is_read"], changed.json()["folder"]) == (True, "archive")
        assert (await api.patch(path, json={"is_flagged": True})).json()["is_read"] is True
        assert (await api.patch(path, json={})).json()["is_flagged"] is True
    assert await listed(world, SALES) == []
    assert await listed(world, SALES, folder="archive") == [message_id]
    assert await listed(world, SUPPORT, unread="true") == [message_id]


async def test_unread_shows_what_is_read_or_what_is_not(world: World) -> None:
    first, second = [await deliver(world, "team@example.test") for _ in range(2)]
    async with world.client(SALES) as api:
        await api.patch(f"{MESSAGES}{first}/", json={"is_read": True})
    assert await listed(world, SALES, unread="true") == [second]
    assert await listed(world, SALES, unread="false") == [first]
    assert await listed(world, SALES) == [second, first]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"is_read": "true"}, "is_read"),
        ({"is_read": 1}, "is_read"),
        ({"folder": "spam"}, "folder"),
        ({"subject": "x"}, "subject"),
        ({"thread_id": "thr_x"}, "thread_id"),
    ],
)
async def test_what_a_copy_cannot_be_is_400(
    world: World, body: dict[str, object], field: str
) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        answer = await api.patch(f"{MESSAGES}{message_id}/", json=body)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_deleting_moves_to_trash_and_from_there_for_good(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    async with world.client(SALES) as api:
        path = f"{MESSAGES}{message_id}/"
        assert (await api.delete(path)).status_code == 204
        assert (await api.get(path)).json()["folder"] == "trash"
        assert (await api.delete(path)).status_code == 204
        assert (await api.delete(path)).status_code == 404
    assert await listed(world, SUPPORT) == [message_id]


async def test_the_content_goes_with_the_last_copy(world: World, tmp_path: Path) -> None:
    file = tmp_path / "content" / "big"
    file.write_bytes(MESSAGE)
    message_id = await deliver(world, "team@example.test", file="big")
    for who, left in ((SALES, True), (SUPPORT, False)):
        async with world.client(who) as api:
            for _ in range(2):
                await api.delete(f"{MESSAGES}{message_id}/")
        assert file.exists() is left
    assert await rows_left(world) == 0


async def rows_left(world: World) -> int:
    async def count(tx: Tx) -> int:
        tables = ("messages", "contents", "routes", "copies", "copy_routes")
        return sum([len(await tx.fetch_all(f"SELECT 1 FROM {table}")) for table in tables])

    return await world.database.read(count)


async def test_a_token_may_name_its_own_inbox_and_no_other(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    own = (world.ids[SALES], SALES, "SALES@EXAMPLE.TEST", '"sales"@example.test')
    other = (world.ids[AGENT], AGENT, FOREIGN_INBOX, "inb_" + "0" * 26, "nonsense", "")
    async with world.client(SALES) as api:
        for name in own:
            assert (await api.get(MESSAGES, params={"inbox_id": name})).status_code == 200
            body = {"inbox_id": name, "is_read": True}
            assert (await api.patch(f"{MESSAGES}{message_id}/", json=body)).status_code == 200
        answers = [await api.get(MESSAGES, params={"inbox_id": name}) for name in other]
        answers += [
            await api.patch(f"{MESSAGES}{message_id}/", json={"inbox_id": name})
            for name in (*other, 7)
        ]
        answers.append(await api.get("/v1/distribution-lists/", params={"inbox_id": AGENT}))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (403, "inbox_mismatch")
    }
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("who", [TENANT_OWNER, TENANT_ADMIN, MEMBER])
async def test_a_session_has_to_name_its_inbox_admins_too(world: World, who: str) -> None:
    async with world.client(who) as api:
        for answer in (await api.get(MESSAGES), await api.get(UNKNOWN)):
            assert (answer.status_code, answer.json()["code"]) == (400, "inbox_required")
            assert [fault["field"] for fault in answer.json()["errors"]] == ["inbox_id"]


async def test_admins_act_for_every_inbox_members_for_those_they_own(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    for who in (TENANT_OWNER, TENANT_ADMIN):
        assert await listed(world, who, inbox_id=SUPPORT) == [message_id]
    assert await listed(world, MEMBER, inbox_id=world.ids[SUPPORT]) == [message_id]
    async with world.client(MEMBER) as api:
        answers = [
            await api.get(MESSAGES, params={"inbox_id": name})
            for name in (SALES, world.ids[AGENT], FOREIGN_INBOX, "inb_" + "0" * 26, "nonsense", "")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        path = f"{MESSAGES}{message_id}/"
        own = {"inbox_id": SUPPORT, "is_read": True}
        assert (await api.patch(path, json=own)).json()["is_read"] is True
        assert (await api.patch(path, json=own | {"inbox_id": SALES})).status_code == 404
        both = await api.patch(path, params={"inbox_id": SALES}, json=own)
        assert (both.status_code, both.json()["errors"][0]["field"]) == (400, "inbox_id")


async def test_a_message_of_which_the_inbox_has_no_copy_is_404(world: World) -> None:
    message_id = await deliver(world, "agent@example.test")
    async with world.client(SALES) as api:
        for path in (f"{MESSAGES}{message_id}/", f"{MESSAGES}{message_id}/raw/"):
            hidden, unknown = await api.get(path), await api.get(UNKNOWN)
            assert (hidden.status_code, hidden.content) == (404, unknown.content)
