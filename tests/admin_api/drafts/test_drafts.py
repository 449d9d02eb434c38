"""Drafts: seen by those who see the message they answer, changed by those who have read them."""

import pytest

from storage.drafts import drafts
from tests.admin_api.drafts.test_uploads import upload
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    World,
    deliver,
    token_with,
)
from tests.support.cases import cases
from tests.support.retention import forgotten


async def thread_of(world: World, who: str = SALES) -> str:
    async with world.client(who) as api:
        (thread, *_) = (await api.get("/v1/messages/threads/")).json()["results"]
    return f"/v1/messages/threads/{thread['thread_id']}/drafts/"


async def test_a_draft_is_shared_by_those_who_see_the_message_it_answers(world: World) -> None:
    message = await deliver(world, TEAM.lower())
    path = await thread_of(world)
    body = {
        "to": [{"email": "grace@sender.test"}],
        "bcc": [{"email": "boss@example.test", "name": "Boss"}],
        "subject": "Re: Hello",
        "text_body": "Dear Grace,\n",
        "from": "list",
        "quote": "last",
        "attachments": [{"upload_id": await upload(world)}],
    }
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        made = await api.post(path, json=body)
        assert made.status_code == 201
        draft = made.json()
        assert draft["author"]["token_id"] == world.ids[f"token of {SALES}"]
        assert draft["changed_by"] == draft["author"]
        assert (draft["superseded"], draft["last_message_id"]) == (False, message)
        assert [one["filename"] for one in draft["attachments"]] == ["offer.pdf"]
        assert draft["to"] == [{"email": "grace@sender.test", "name": ""}]
        (seen,) = (await other.get(path)).json()
        assert seen == {**draft, "bcc": None}
        one = f"/v1/drafts/{draft['draft_id']}/"
        shown = await api.get(one)
        assert (shown.json(), shown.headers["etag"]) == (draft, made.headers["etag"])
        assert (await other.get(one)).headers["etag"] == shown.headers["etag"]
    for who in (AGENT, FOREIGN_INBOX):
        async with world.client(who) as stranger:
            for answer in (
                await stranger.get(path),
                await stranger.post(path, json=body),
                await stranger.get(one),
                await stranger.patch(one, json={"subject": "x"}, headers={"If-Match": "*"}),
                await stranger.delete(one),
            ):
                assert answer.status_code == 404


async def test_a_draft_about_what_a_teammate_does_not_see_stays_unseen(world: World) -> None:
    first = await deliver(world, TEAM.lower(), name="<1@sender.test>")
    own = await deliver(world, SALES.lower(), references=("<1@sender.test>",))
    path = await thread_of(world)
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        await api.post(path, json={"text_body": "Between us"})
        assert (await other.get(path)).json() == []
        await api.post(path, json={"reply_to_message_id": first})
        (seen,) = (await other.get(path)).json()
        assert seen["last_message_id"] == first
        answer = await other.post(path, json={"reply_to_message_id": own})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "reply_to_message_id"
        elsewhere = await deliver(world, SALES.lower(), subject="Other")
        answer = await api.post(path, json={"reply_to_message_id": elsewhere})
        assert answer.json()["errors"] == [
            {"field": "reply_to_message_id", "message": "is not a message of this thread"}
        ]


async def test_a_change_needs_the_latest_tag_and_a_refusal_says_who_was_first(
    world: World,
) -> None:
    await deliver(world, TEAM.lower())
    path = await thread_of(world)
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        made = await api.post(path, json={"text_body": "One", "subject": "Re"})
        one, first = f"/v1/drafts/{made.json()['draft_id']}/", made.headers["etag"]
        bare = await api.patch(one, json={"text_body": "Two"})
        assert (bare.status_code, bare.json()["code"]) == (428, "precondition_required")
        # What the call says is judged behind that.
        worse = await api.patch(one, json={"surprise": 1})
        assert worse.status_code == 428

        changed = await other.patch(one, json={"text_body": "Two"}, headers={"If-Match": first})
        assert changed.status_code == 200
        assert changed.json()["subject"] == "Re"
        assert changed.json()["changed_by"]["address"] == SUPPORT
        late = await api.patch(one, json={"text_body": "Three"}, headers={"If-Match": first})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
        assert late.json()["changed_by"] == changed.json()["changed_by"]
        assert late.json()["changed_at"] == changed.json()["updated_at"]
        assert (await api.get(one)).json()["text_body"] == "Two"
        latest = {"If-Match": changed.headers["etag"]}
        assert (await api.patch(one, json={"text_body": "Three"}, headers=latest)).is_success

        hidden = await other.patch(one, json={"bcc": []}, headers={"If-Match": "*"})
        refused = await other.delete(one)
        assert [hidden.status_code, refused.status_code] == [403, 403]
        assert (await api.delete(one, headers={"If-Match": first})).status_code == 412
        assert (await api.delete(one)).status_code == 204
        assert (await api.get(one)).status_code == 404


@pytest.mark.parametrize("text", ["One", "x" * 20_000])  # the long one is kept as its id
async def test_a_draft_that_is_made_again_by_its_key_has_its_tag(world: World, text: str) -> None:
    await deliver(world, TEAM.lower())
    path = await thread_of(world)
    async with world.client(SALES) as api:
        key = {"Idempotency-Key": "draft"}
        made = await api.post(path, json={"text_body": text}, headers=key)
        one, first = f"/v1/drafts/{made.json()['draft_id']}/", made.headers["ETag"]
        assert (await api.get(one)).headers["ETag"] == first

        again = await api.post(path, json={"text_body": text}, headers=key)

        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert (again.headers["ETag"], again.json()["text_body"]) == (first, text)
        await api.patch(one, json={"text_body": "Two"}, headers={"If-Match": first})
        later = await api.post(path, json={"text_body": text}, headers=key)
        # The tag is that of the text beside it: with it nobody overwrites what he has not seen.
        shown = (later.json()["text_body"], later.headers["ETag"])
        now = await api.get(one)
        assert shown in {(text, first), (now.json()["text_body"], now.headers["ETag"])}
        assert (shown == (text, first)) == (len(text) < 100)


async def test_a_newer_message_supersedes_a_draft_until_its_author_has_read_it(
    world: World,
) -> None:
    await deliver(world, TEAM.lower(), name="<1@sender.test>")
    path = await thread_of(world)
    async with world.client(SALES) as api:
        made = await api.post(path, json={"text_body": "One"})
        one = f"/v1/drafts/{made.json()['draft_id']}/"
        newer = await deliver(world, TEAM.lower(), references=("<1@sender.test>",))
        shown = await api.get(one)
        assert shown.json()["superseded"]
        assert shown.json()["last_message_id"] == newer
        # The tag is that of the text: who writes on is not stopped by what comes in.
        assert shown.headers["etag"] == made.headers["etag"]
        kept = await api.patch(
            one, json={"text_body": "Two"}, headers={"If-Match": made.headers["etag"]}
        )
        assert kept.json()["superseded"]
        read = await api.patch(
            one, json={"superseded": False}, headers={"If-Match": kept.headers["etag"]}
        )
        assert not read.json()["superseded"]
        assert read.json()["text_body"] == "Two"


async def test_bad_input_of_a_draft_names_the_field_and_changes_nothing(world: World) -> None:
    await deliver(world, TEAM.lower())
    path = await thread_of(world)
    one = {"email": "a@b.test"}
    bad: dict[str, tuple[dict[str, object], str]] = {
        "a line end in the subject": ({"subject": "x\r\nBcc: a@b.test"}, "subject"),
        "in a name": ({"to": [{**one, "name": "x\ny"}]}, "to[0].name"),
        "in an address": ({"cc": [{"email": "a@b.test\r\nX: y"}]}, "cc[0].email"),
        "in From": ({"from": "list\n"}, "from"),
        "ten thousand recipients": ({"to": [one] * 10_000}, "to"),
        "another kind of quote": ({"quote": "all"}, "quote"),
        "a file that is not there": (
            {"attachments": [{"upload_id": "upl_" + "0" * 26}]},
            "attachments[0].upload_id",
        ),
        "a teammate's file": (
            {"attachments": [{"upload_id": await upload(world, SUPPORT)}]},
            "attachments[0].upload_id",
        ),
        "a field that is the server's": ({"author": {}}, "author"),
    }
    async with world.client(SALES) as api:
        made = (await api.post(path, json={"text_body": "One"})).json()
        change = f"/v1/drafts/{made['draft_id']}/"
        with cases() as case:
            for name, (body, field) in bad.items():
                for method, where in (("POST", path), ("PATCH", change)):
                    with case(f"{method} with {name}"):
                        answer = await api.request(
                            method, where, json=body, headers={"If-Match": "*"}
                        )
                        assert answer.status_code == 400
                        assert [each["field"] for each in answer.json()["errors"]] == [field]
        assert (await api.get(path)).json() == [made]


async def test_a_person_writes_for_the_inbox_it_acts_for_and_reading_mail_is_not_enough(
    world: World,
) -> None:
    await deliver(world, TEAM.lower())
    path, query = await thread_of(world), {"inbox_id": SUPPORT}
    async with world.client(MEMBER) as person:
        made = (await person.post(path, params=query, json={"text_body": "Mine"})).json()
    assert made["author"] == {
        "inbox_id": world.ids[SUPPORT],
        "address": SUPPORT,
        "user_id": world.ids[MEMBER],
        "token_id": None,
    }
    async with world.client(secret=await token_with(world, SUPPORT, "email:read")) as reader:
        assert (await reader.get(path)).status_code == 403


async def test_an_inbox_has_a_thousand_drafts_and_those_of_ninety_days_ago_go(
    world: World,
) -> None:
    await deliver(world, TEAM.lower())
    path, old = await thread_of(world), world.clock() - drafts.KEPT
    rows = [
        {
            "id": number.to_bytes(16, "big"),
            "tenant": world.tenant_id,
            "inbox": world.raw[SALES],
            "now": old + number % 2,
        }
        for number in range(drafts.MOST_OF_INBOX)
    ]
    await world.database.write(lambda tx: tx.execute_many(OTHERS, rows))
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        answer = await api.post(path, json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "draft_limit")
        assert (await other.post(path, json={})).status_code == 201
        assert await forgotten(world.database, "drafts", now=world.clock()) == 250
        assert (await api.post(path, json={})).status_code == 201


OTHERS = """
    INSERT INTO drafts
        (draft_id, tenant_id, thread_id, inbox_id, about_message_id, seen_message_id, letter,
         version, changed_by_inbox_id, created_at, updated_at)
    VALUES (:id, :tenant, :id, :inbox, :id, :id, '{}', 1, :inbox, :now, :now)
"""
