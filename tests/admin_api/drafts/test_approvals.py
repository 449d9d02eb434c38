"""Approvals: a token's letter waits until the inbox's owner or an admin has read it."""

from storage.clock import DAY, HOUR
from storage.ids import from_text, to_text
from tests.admin_api.drafts.letters import held_letter, states, thread_id_of
from tests.builders import (
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
)
from tests.storage.outbound.queued import claimed
from tests.support.cases import cases
from tests.support.retention import forgotten

APPROVALS = "/v1/approvals/"
ACTING = {"inbox_id": SALES}


async def test_the_letter_is_shown_whole_and_only_a_person_who_may_act_resolves_it(
    world: World,
) -> None:
    approval, message = await held_letter(world)
    path = f"{APPROVALS}{approval}/"
    async with world.client(TENANT_OWNER) as owner, world.client(SALES) as token:
        (listed,) = (await owner.get(APPROVALS, params=ACTING)).json()["results"]
        shown = (await owner.get(path)).json()
        assert {**shown, **listed} == shown
        assert (listed["status"], listed["label"]) == ("pending", "tests")
        assert shown["recipients"] == ["grace@sender.test", "boss@example.test"]
        assert shown["message"]["message_id"] == to_text("msg", message)
        assert (await token.get(path)).json() == shown
        (task,) = (await token.get("/v1/agenda/")).json()
        assert (task["type"], task["title"]) == ("approval", "[To approve] Re: Hello")
        for act in ("approve/", "reject/"):
            assert (await token.post(path + act, json={})).status_code == 403
        for who in (MEMBER, STRANGER):
            async with world.client(who) as other:
                for answer in (
                    await other.get(path),
                    await other.post(path + "approve/", json={}),
                    await other.post(path + "reject/", json={"reason": "No."}),
                ):
                    assert answer.status_code == 404
        for address in (SUPPORT, FOREIGN_INBOX):
            async with world.client(address) as other:
                assert (await other.get(path)).status_code == 404
                assert (await other.get(APPROVALS)).json()["results"] == []
        assert await states(world, message) == {"held"}

        assert (await owner.post(path + "approve/", json={})).status_code == 204
        assert await states(world, message) == {"waiting"}
        for act in ("approve/", "reject/"):
            again = await owner.post(path + act, json={})
            assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
        done = (await token.get(path)).json()
        assert (done["status"], done["resolved_by"]) == ("approved", world.ids[TENANT_OWNER])
        assert (await token.get("/v1/agenda/")).json() == []
        events = (await token.get("/v1/events/", params={"types": EVENTS})).json()["results"]
        assert [(one["type"], one["data"]["approval_id"]) for one in events] == [
            ("approval.requested", approval),
            ("approval.resolved", approval),
        ]
        (entry, *_) = (await owner.get("/v1/audit-log/")).json()["results"]
        assert (entry["action"], entry["object"]["id"]) == ("approval.approved", approval)


EVENTS = "approval.requested,approval.resolved"


async def test_a_rejected_letter_is_dropped_and_says_why(world: World) -> None:
    approval, message = await held_letter(world)
    path = f"{APPROVALS}{approval}/"
    async with world.client(TENANT_ADMIN) as admin:
        bad = await admin.post(path + "reject/", json={"reason": " "})
        assert [one["field"] for one in bad.json()["errors"]] == ["reason"]
        assert (await admin.post(path + "reject/", json={"reason": "Too dear."})).is_success
        shown = (await admin.get(path)).json()
        listed = [
            len((await admin.get(APPROVALS, params={**ACTING, "status": one})).json()["results"])
            for one in ("pending", "rejected", "approved", "expired")
        ]
    assert (shown["status"], shown["reason"]) == ("rejected", "Too dear.")
    assert listed == [0, 1, 0, 0]
    assert await states(world, message) == {"dropped"}


async def test_a_letter_whose_thread_has_moved_on_goes_only_by_force(world: World) -> None:
    first = await deliver(world, TEAM.lower(), name="<1@sender.test>")
    thread, seen = await thread_id_of(world, first), from_text("msg", first)
    approval, message = await held_letter(world, thread=thread, seen=seen)
    other, later = await held_letter(world, thread=thread, seen=seen)
    path = f"{APPROVALS}{approval}/approve/"
    async with world.client(TENANT_OWNER) as owner:
        # Letters that wait, also one's own, do not count: nobody outside has read them.
        assert (await owner.get(f"{APPROVALS}{approval}/")).json()["last_message_id"] is None
        newer = await deliver(world, TEAM.lower(), references=("<1@sender.test>",))
        assert (await owner.get(f"{APPROVALS}{approval}/")).json()["last_message_id"] == newer
        moved = await owner.post(path, json={})
        assert (moved.status_code, moved.json()["code"]) == (409, "thread_moved")
        assert moved.json()["last_message_id"] == newer
        assert await states(world, message) == {"held"}
        assert (await owner.post(path, json={"force": True})).status_code == 204
        assert await states(world, message) == {"waiting"}
        assert (await owner.post(f"{APPROVALS}{other}/reject/", json={})).status_code == 204
    assert await states(world, later) == {"dropped"}


async def test_a_letter_waits_for_a_day_and_is_dropped(world: World) -> None:
    approval, message = await held_letter(world)
    path = f"{APPROVALS}{approval}/"
    asked = world.clock()
    async with world.client(TENANT_OWNER) as owner:
        for hours in (11, 11, 2):  # a session ends after 12 hours without a call
            world.clock.advance(hours * HOUR)
            assert (await owner.get(path)).status_code == 200
        with cases() as case:
            for act in ("approve/", "reject/"):
                with case(act):
                    late = await owner.post(path + act, json={})
                    assert (late.status_code, late.json()["code"]) == (409, "expired")
        assert (await owner.get(path)).json()["status"] == "expired"
    lapsed = "approvals_lapsed"
    assert await forgotten(world.database, lapsed, now=asked + 24 * HOUR - 1) == 0
    assert await forgotten(world.database, lapsed, now=world.clock()) == 1
    assert await states(world, message) == {"dropped"}
    async with world.client(SALES) as token:
        assert (await token.get(path)).json()["status"] == "expired"
        assert (await token.get("/v1/agenda/")).json() == []
    assert await forgotten(world.database, "approvals", now=world.clock() + 30 * DAY) == 1


async def test_a_token_that_requires_approval_has_its_letter_held_and_sent_as_it_was_read(
    world: World,
) -> None:
    message = await deliver(world, TEAM.lower(), name="<1@sender.test>")
    body = {"reply_to_message_id": message, "text_body": "In March."}
    async with world.client(TENANT_OWNER) as owner, world.client(SALES) as token:
        own = f"/v1/tokens/{world.ids[f'token of {SALES}']}/"
        await owner.patch(own, json={"requires_approval": ["email:send"]})
        queued = await token.post("/v1/messages/", json=body)
        assert (queued.status_code, queued.json()["queued"]) == (202, True)
        letter, path = queued.json(), f"{APPROVALS}{queued.json()['approval_id']}/"
        raw = f"/v1/messages/{letter['message_id']}/raw/"
        message_id = from_text("msg", letter["message_id"]) or b""
        assert await states(world, message_id) == {"held"}
        read = (await owner.get(raw, params=ACTING)).content
        async with world.client(SUPPORT) as member:
            assert (await member.get(raw)).status_code == 404
        assert (await owner.get(path)).json()["recipients"] == ["grace@sender.test"]
        assert (await owner.post(path + "approve/", json={})).status_code == 204
        (claim,) = await claimed(world)
        assert claim.message_id == message_id
        assert (await owner.get(raw, params=ACTING)).content == read
        assert b"Auto-Submitted" not in read  # a person has read it

        # A letter that its author takes back asks nobody any more.
        other = (await token.post("/v1/messages/", json=body)).json()
        taken = await token.post(f"/v1/messages/{other['message_id']}/cancel/")
        assert taken.status_code == 200
        shown = (await owner.get(f"{APPROVALS}{other['approval_id']}/")).json()
        assert shown["status"] == "rejected"
        late = await owner.post(f"{APPROVALS}{other['approval_id']}/approve/", json={})
        assert (late.status_code, late.json()["code"]) == (409, "already_resolved")
