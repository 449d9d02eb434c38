"""Messages over HTTP: what the filters of a listing find, and what a parsed message shows."""

import pytest

from storage.clock import DAY
from storage.mailbox import search
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MESSAGE,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
)
from tests.support.post_room import parse_waiting

MESSAGES = "/v1/messages/"
LETTER = (
    b"From: Grace <grace@sender.test>\r\nTo: team@example.test\r\nReply-To: desk@sender.test\r\n"
    b"Subject: Renewal\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    b"--c\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nOur contract ends\xe2\x80\xa6\r\n"
    b"--c\r\nContent-Type: text/html\r\n\r\n<p>Our <b>contract</b><script>x()</script>\r\n--c--\r\n"
    b"--b\r\nContent-Type: text/html; name=page.html\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--b--\r\n"
)


async def parse(world: World) -> None:
    await parse_waiting(world.database, world.clock())


async def test_text_that_was_made_from_html_says_so(world: World) -> None:
    """Also in a store of an earlier release, which kept no other text."""
    page = b"From: g@sender.test\r\nContent-Type: text/html\r\n\r\n<p>In <b>March</b>.</p>\r\n"
    ids = [await deliver(world, "team@example.test", body=body) for body in (page, LETTER)]
    await parse(world)

    async def told() -> list[tuple[str, bool]]:
        async with world.client(SALES) as api:
            found = [(await api.get(f"{MESSAGES}{one}/")).json() for one in ids]
        return [(one["text_body"], one["text_from_html"]) for one in found]

    expected = [("In March.", True), ("Our contract ends…", False)]
    assert await told() == expected
    await world.database.write(lambda tx: tx.execute("UPDATE bodies SET text_from_html = 1"))
    assert await told() == expected


async def listed(world: World, who: str = SALES, **query: object) -> list[str]:
    params = {name.rstrip("_"): str(value) for name, value in query.items()}
    async with world.client(who) as api:
        answer = await api.get(MESSAGES, params=params)
    assert answer.status_code == 200, answer.text
    return [item["message_id"] for item in answer.json()["results"]]


async def test_a_parsed_message_shows_what_it_says(world: World) -> None:
    message_id = await deliver(world, "team@example.test", body=LETTER)
    async with world.client(SALES) as api:
        before = await api.get(f"{MESSAGES}{message_id}/")
        await parse(world)
        after = await api.get(f"{MESSAGES}{message_id}/")
        item = (await api.get(MESSAGES)).json()["results"][0]

    waiting, shown = before.json(), after.json()
    assert (waiting["parse_status"], waiting["text_body"]) == ("pending", None)
    assert (waiting["html_body"], waiting["attachments"]) == (None, [])
    assert before.headers["etag"] != after.headers["etag"]
    assert shown["parse_status"] == "parsed"
    assert shown["text_body"] == "Our contract ends…"
    assert shown["html_body"] == "<p>Our <b>contract</b></p>"
    assert (waiting["text_from_html"], shown["text_from_html"]) == (False, False)
    assert shown["reply_to"] == [{"email": "desk@sender.test", "name": ""}]
    (file,) = shown["attachments"]
    assert file.pop("attachment_id").startswith("att_")
    assert file == {
        "filename": "page.html",
        "content_type": "text/html",
        "size": 9,
        "inline": False,
        "content_id": None,
    }
    assert (item["preview"], item["has_attachments"]) == ("Our contract ends…", True)


async def test_every_filter_of_a_listing_filters(world: World) -> None:
    letter = await deliver(world, "team@example.test", body=LETTER)
    plain = await deliver(world, "sales@example.test")
    world.clock.advance(5 * DAY)
    body = MESSAGE.replace(b"Grace <grace@sender.test>", b"Ann <ann@else.test>")
    late = await deliver(world, "sales@example.test", sender="ann@else.test", body=body)
    await parse(world)
    async with world.client(SALES) as api:
        found = (await api.get(f"{MESSAGES}{letter}/")).json()
        await api.patch(f"{MESSAGES}{plain}/", json={"folder": "archive", "is_read": True})
    day = "2027-01-17"

    assert await listed(world, q="contract") == [letter]
    assert await listed(world, q='"contract ends" subject:renewal') == [letter]
    assert await listed(world, q="morning") == [late]
    assert await listed(world, q="morning", folder="all") == [late, plain]
    assert await listed(world, q="morning", folder="archive") == [plain]
    assert await listed(world, from_="ann@else.test") == [late]
    assert await listed(world, from_="ANN@else.test", q="morning") == [late]
    assert await listed(world, from_="grace", folder="all") == [plain, letter]
    assert await listed(world, list_id=found["via"][0]["list_id"]) == [letter]
    assert await listed(world, list_id=TEAM) == [letter]
    assert await listed(world, thread_id=found["thread_id"]) == [letter]
    assert await listed(world, has_attachment="true") == [letter]
    assert await listed(world, has_attachment="false") == [late]
    assert await listed(world, after=day) == [late]
    assert await listed(world, before=day, folder="all") == [plain, letter]
    assert await listed(world, before=found["received_at"]) == []
    assert await listed(world, unread="false", folder="all") == [plain]
    assert await listed(world, q=" ", folder="all") == [late, plain, letter]
    assert await listed(world, SUPPORT, q="morning") == []
    assert await listed(world, AGENT, q="contract") == []


@pytest.mark.parametrize("who", [SALES, TENANT_OWNER])
async def test_a_list_and_a_thread_that_are_none_are_one_answer(world: World, who: str) -> None:
    unseen = await deliver(world, "agent@example.test")
    async with world.client(AGENT) as api:
        hidden = (await api.get(f"{MESSAGES}{unseen}/")).json()["thread_id"]
    lists = ("lst_" + "0" * 26, world.ids[FOREIGN_LIST], FOREIGN_LIST, SALES, "x")
    threads = ("thr_" + "0" * 26, hidden, "garbage")
    async with world.client(who) as api:
        own = {} if who == SALES else {"inbox_id": SALES}
        answers = [
            await api.get(path, params={"list_id": name, **own})
            for name in lists
            for path in (MESSAGES, f"{MESSAGES}threads/")
        ]
        assert {answer.status_code for answer in answers} == {400}
        assert len({answer.content for answer in answers}) == 1
        answers = [await api.get(MESSAGES, params={"thread_id": name, **own}) for name in threads]
        assert {answer.status_code for answer in answers} == {400}
        assert len({answer.content for answer in answers}) == 1


async def test_a_list_that_is_gone_is_known_to_who_has_mail_by_it(world: World) -> None:
    message_id = await deliver(world, "team@example.test")
    await parse(world)
    async with world.client(TENANT_OWNER) as admin:
        await admin.delete(f"/v1/distribution-lists/{world.ids[TEAM]}/")

    assert await listed(world, list_id=world.ids[TEAM]) == [message_id]
    async with world.client(SALES) as api, world.client(AGENT) as other:
        threads = await api.get(f"{MESSAGES}threads/", params={"list_id": world.ids[TEAM]})
        assert len(threads.json()["results"]) == 1
        for answer in (
            await api.get(MESSAGES, params={"list_id": TEAM}),
            await other.get(MESSAGES, params={"list_id": world.ids[TEAM]}),
        ):
            assert answer.status_code == 400


async def test_a_sender_is_found_before_the_parser_comes(world: World) -> None:
    message_id = await deliver(world, "team@example.test")

    assert await listed(world, from_="grace@sender.test") == [message_id]
    assert await listed(world, q="subject:hello") == [message_id]
    assert await listed(world, list_id=world.ids[TEAM]) == [message_id]


async def test_a_flood_of_unparsed_mail_of_one_tenant_hides_nothing_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_PENDING_LOOKED_AT", 3)
    message_id = await deliver(world, "sales@example.test")
    for _ in range(5):
        await deliver(world, "desk@other.test", tenant="Other")

    assert await listed(world, q="subject:hello") == [message_id]
    assert len(await listed(world, FOREIGN_INBOX, q="subject:hello")) == 3


async def test_pages_of_a_search_follow_each_other(world: World) -> None:
    sent = [await deliver(world, "team@example.test") for _ in range(5)]
    await parse(world)
    shown: list[str] = []
    cursor: str | None = None
    async with world.client(SALES) as api:
        for _ in range(3):
            query = {"q": "morning", "limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await api.get(MESSAGES, params=query)).json()
            shown += [item["message_id"] for item in page["results"]]
            cursor = page["cursor"]

    assert (shown, cursor) == (sent[::-1], None)


async def test_faults_of_a_search_are_told_at_once(world: World) -> None:
    async with world.client(SALES) as api:
        answer = await api.get(
            MESSAGES,
            params={
                "q": "after:soon",
                "before": "2026-02-30",
                "folder": "x",
                "has_attachment": "2",
            },
        )
        odd = await api.get(MESSAGES, params={"q": "\"' AND -*:^(", "from": '"'})
        long = await api.get(MESSAGES, params={"q": "x" * 1_001})

    assert answer.status_code == 400
    faults = {fault["field"] for fault in answer.json()["errors"]}
    assert faults == {"q", "before", "folder", "has_attachment"}
    assert odd.status_code == 200
    assert long.status_code == 400


async def test_a_search_is_of_one_inbox_and_one_tenant(world: World) -> None:
    await deliver(world, "desk@other.test", tenant="Other")
    await parse(world)
    assert len(await listed(world, FOREIGN_INBOX, q="morning")) == 1
    assert await listed(world, SALES, q="morning") == []
    assert await listed(world, TENANT_OWNER, q="morning", inbox_id=SALES) == []


async def test_what_is_deleted_for_good_is_found_no_more(world: World) -> None:
    message_id = await deliver(world, "sales@example.test", body=LETTER)
    await parse(world)
    async with world.client(SALES) as api:
        for _ in range(2):
            assert (await api.delete(f"{MESSAGES}{message_id}/")).status_code == 204

    assert await listed(world, q="contract", folder="all") == []
    left = await world.database.read(
        lambda tx: tx.fetch_all(
            "SELECT message_id FROM attachments UNION SELECT message_id FROM bodies"
        )
    )
    assert left == []


@pytest.mark.parametrize("body", [MESSAGE, LETTER])
async def test_a_text_is_read_from_the_bytes_as_they_came(world: World, body: bytes) -> None:
    message_id = await deliver(world, "sales@example.test", body=body)
    await parse(world)
    async with world.client(SALES) as api:
        shown = (await api.get(f"{MESSAGES}{message_id}/")).json()
        raw = (await api.get(f"{MESSAGES}{message_id}/raw/")).content
    assert raw.endswith(body)
    assert shown["text_body"].encode().strip() in body
