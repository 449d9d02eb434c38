"""The page of a thread without a browser: what it shows, and what its forms do."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import httpx2
import pytest

from admin_api.console import kept_parts
from admin_api.console.thread.time_line import Item
from admin_api.console.thread.undo import COOKIE
from admin_api.console.views import thread_view
from admin_api.console.words import plural
from admin_api.http.records import ReadRecord as Record
from storage.accounts import tenants
from storage.authentication.results import Verdict
from storage.clock import HOUR
from tests.admin_api.console.threads import HTML, Shown, busy_thread, mail, whole_thread
from tests.admin_api.console.visitor import Visitor, signed_in, statements, visitor
from tests.builders import (
    AGENT,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    open_world,
    receive,
)
from tests.support.checks import check
from tests.support.engines import Engine

THREAD = "/v1/messages/threads/{}/"


def field(page: str, act: str, name: str) -> str:
    """A hidden field of the first form of this act."""
    form = page.partition(f'{act}/" ')[2].partition("</form>")[0]
    found = re.search(rf'name="{name}" value="([^"]*)"', form)
    assert found, (act, name)
    return unescape(found[1])


def said(response: httpx2.Response) -> str:
    """What the page tells of the act before."""
    found = re.search(r'id="done"[^>]*>\s*<p>([^<]*)</p>', response.text)
    return unescape(found[1]) if found else ""


async def follow(who: Visitor, response: httpx2.Response) -> httpx2.Response:
    assert response.status_code == 303, response.text[:2000]
    return await who.get(response.headers["location"].partition("#")[0])


async def undo(who: Visitor, shown: Shown, page: httpx2.Response) -> httpx2.Response:
    """Send the form of the toast."""
    toast = page.text.partition('id="done"')[2]
    act = re.search(r'action="[^"]*/(\w+)/"', toast)
    assert act
    form = unescape(toast.partition("</form>")[0])
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    return await follow(who, await who.post(f"{shown.path}{act[1]}/", fields))


async def record(world: World, shown: Shown, who: str = SUPPORT) -> dict[str, object]:
    async with world.client(who) as api:
        found: dict[str, object] = (await api.get(THREAD.format(shown.thread_id))).json()
        return found


async def test_a_thread_shows_its_messages_notes_acts_and_the_sender(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)

    page = await who.get(shown.path)

    assert page.status_code == 200
    ids = re.findall(r'<li id="i-([^"]+)" class="(\w+)', page.text)
    assert [kind for _, kind in ids] == ["message"] * 3 + ["done", "internal"]
    for text in (
        "Does it renew?", "Internal note: never sent", "Sales, please look at this.", "Navy",
        "You assigned this to", "Prefers mornings.", "Call Grace back", "asks for the card of",
        "prices 2027.csv", "6 quoted lines", "You hold 3 of 3 messages.", "via <bdi>Team@",
    ):  # fmt: skip
        assert text in page.text, text
    assert "gone@shop" not in page.text


async def test_a_long_thread_asks_the_store_no_more_often_than_a_short_one(world: World) -> None:
    who, costs = await signed_in(world, MEMBER), list[int]()
    for count in (2, 12):
        first = mail("x", subject=f"{count}", name=f"<{count}@sender.test>")
        others = [mail("y", answers=f"<{count}@sender.test>") for _ in range(count)]
        shown = await whole_thread(world, [first, *others], TEAM)
        async with world.client(SUPPORT) as api:
            named = {"message_ids": shown.message_ids, "set": {"is_read": True}}
            assert (await api.patch("/v1/messages/", json=named)).status_code == 200
        with statements() as cost:
            page = (await who.get(shown.path)).text
        assert page.count('class="message"') == count + 1
        assert page.count("<details open") == 1
        costs.append(cost[0])
    assert costs[0] == costs[1] <= 79


async def test_of_many_recipients_no_number_is_told_that_nobody_knows(world: World) -> None:
    who = await signed_in(world, MEMBER)
    for count, told in ((99, "79 more"), (100, "many more"), (130, "many more")):
        people = [SUPPORT, *(f"p{n}@else.test" for n in range(1, count))]
        body = mail("x", to=", ".join(people), name=f"<{count}@sender.test>", subject=f"{count}")
        page = await who.get((await whole_thread(world, [body], SUPPORT)).path)
        (line,) = re.findall(r'<p class="to">To .*?</p>', page.text)
        assert line.endswith(f" and {told}</p>"), line[-100:]


async def test_an_entry_is_made_once_as_long_as_it_shows_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await busy_thread(world)
    who, made, real = await signed_in(world, MEMBER), list[str](), thread_view._entry

    def rendered(place: Record, item: Item, body: Record | None) -> str:
        made.append(item.kind)
        return real(place, item, body)

    async def looked(visitor: Visitor = who, path: str = shown.path) -> list[str]:
        made.clear()
        page = (await visitor.get(path)).text
        assert page.count('class="message') == len(shown.message_ids)
        return made

    monkeypatch.setattr(thread_view, "_entry", rendered)
    everything = ["message"] * 3 + ["act", "note"]
    assert await looked() == everything
    assert await looked() == []
    # Somebody else's page of it has other paths, and says "You" of others.
    theirs = Shown(SALES, shown.thread_id, shown.message_ids)
    assert await looked(await signed_in(world, TENANT_OWNER), theirs.path) == everything
    async with world.client(SUPPORT) as api:
        read = {"message_ids": shown.message_ids[:1], "set": {"is_read": True}}
        assert (await api.patch("/v1/messages/", json=read)).status_code == 200
    assert await looked() == ["message"]
    await who.post(f"{shown.path}note/", {"body": "Done.", "key": "k1"})
    assert await looked() == ["note"]
    days = list[list[str]]()
    for _ in range(3):  # one midnight: hours become dates
        world.clock.advance(8 * HOUR)
        days.append([*await looked()])
    assert sorted(days) == [[], [], [*everything, "note"]]
    monkeypatch.setattr(kept_parts, "_LONGEST", 0)
    assert await looked(path=f"{shown.path}?view=headers") == ["message"] * 2  # the open ones


async def test_a_quiet_mark_tells_whether_the_sender_is_real_and_why(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    assert "It was not checked yet who sent this." in page and "Sender verified" not in page

    verdicts: tuple[Verdict, ...] = ("verified", "unverified", "failed")
    for message_id, verdict in zip(shown.message_ids, verdicts, strict=True):
        await check(world, message_id, verdict)
    page = (await who.get(shown.path)).text
    for text in ('title="Sender verified"', "not verified</span>", "Not verified: may be forged"):
        assert page.count(text) == 1, text
    whys = [(await who.get(shown.message(at, "body/"))).text for at in range(3)]
    assert "The sender is real: sender.test vouches" in whys[0]
    assert "Nothing proves who sent this" in whys[1]
    assert "sender.test does not vouch for it" in whys[2] and "bank details" in whys[2]
    assert all("Is the sender real?" in one for one in whys)


async def test_looking_changes_nothing(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    before = await record(world, shown)

    for rest in ("body/", "body/?view=headers", "body/?view=raw", "html/", "raw/", "why/"):
        assert (await who.get(shown.message(2, rest))).status_code == 200
    assert (await who.get(shown.path)).status_code == 200

    assert await record(world, shown) == before


async def test_another_inboxs_thread_is_not_there(world: World) -> None:
    shown = await whole_thread(world, [mail("secret words")], SALES, inbox=SALES)
    foreign = Shown(SUPPORT, shown.thread_id, shown.message_ids)
    who = await signed_in(world, MEMBER)

    for one in (shown, foreign):
        assert (await who.get(one.path)).status_code == 404
        for rest in ("body/", "html/", "raw/", "why/", "attachments/att_0123456789/"):
            assert (await who.get(one.message(0, rest))).status_code == 404
        for act in ("note", "assign", "handoff", "status", "marks"):
            fields = {"body": "x", "to": SALES, "status": "closed", "set": "read"}
            answer = await who.post(f"{one.path}{act}/", fields)
            assert answer.status_code == 404, act
            assert "secret words" not in answer.text


async def test_a_note_mentions_and_is_saved_once(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = await who.get(shown.path)
    fields = {
        "body": "Look\r\nhere",
        "mentions": f"{SALES}, {SALES}",
        "key": field(page.text, "note", "key"),
        "seen": "0",
    }

    first, second = [await who.post(f"{shown.path}note/", fields) for _ in range(2)]
    other = await who.post(f"{shown.path}note/", fields | {"body": "Something else"})

    assert first.headers["location"] == second.headers["location"]
    assert said(await follow(who, second)) == "Note saved."
    assert other.status_code == 409
    assert "This form was sent before with another text" in other.text
    assert "Something else" in other.text
    assert field(other.text, "note", "key") != fields["key"]
    async with world.client(SALES) as api:
        (note,) = (await api.get(THREAD.format(shown.thread_id) + "notes/")).json()
    assert (note["body"], note["mentions"]) == ("Look\nhere", [SALES])
    assert f'data-saved="{fields["key"]}"' not in (await who.get(shown.path)).text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"body": " "}, "must not be empty"),
        ({"body": "x" * 10_001}, "10000"),
        ({"body": "kept text", "mentions": "nobody@example.test"}, "is not an inbox"),
    ],
)
async def test_a_note_that_is_refused_keeps_its_text(
    world: World, fields: dict[str, str], told: str
) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)

    page = await who.post(f"{shown.path}note/", fields | {"key": "k1"})

    assert page.status_code == 400
    # All around it is as around any page, and live: it can be asked for again where it belongs.
    assert f'<meta name="place" content="{shown.path}">' in page.text
    assert 'name="live" content="inb_' in page.text and "views-of" in page.text
    assert re.search(r'id="n-inbox"[^>]*>1<', page.text)
    assert told in page.text
    assert fields["body"] in page.text
    assert field(page.text, "note", "key") != "k1"
    assert (await record(world, shown))["note_count"] == 0


async def test_only_an_own_note_can_be_deleted(world: World) -> None:
    shown = await busy_thread(world)
    mine, other = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)
    note_id = re.findall(r'id="i-(note_\w+)"', (await mine.get(shown.path)).text)[0]
    theirs = Shown(SALES, shown.thread_id, shown.message_ids)

    page = await other.get(theirs.path)
    assert "Sales, please look at this." in page.text
    assert "Delete the note" not in page.text
    own = (await mine.get(shown.path)).text
    assert f'<button form="delete-note" name="note_id" value="{note_id}">' in own
    form = own.partition('id="delete-note"')[2].partition("</form>")[0]
    assert 'name="form_token"' in form
    assert (await other.post(f"{theirs.path}delete-note/", {"note_id": note_id})).status_code == 403
    gone = await mine.post(f"{shown.path}delete-note/", {"note_id": note_id})
    assert said(await follow(mine, gone)) == "Note deleted."


async def test_assigning_taking_and_unassigning_can_be_undone(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], TEAM)
    who = await signed_in(world, MEMBER)

    async def assigned() -> object:
        found = (await record(world, shown))["assignee"]
        return found["address"] if isinstance(found, dict) else None

    page = await follow(who, await who.post(f"{shown.path}assign/", {"to": SALES, "was": ""}))
    assert (said(page), await assigned()) == (f"Assigned to {SALES}.", SALES)
    page = await follow(who, await who.post(f"{shown.path}assign/", {"to": SUPPORT, "was": ""}))
    assert said(page) == f"{SALES} had taken it meanwhile. Assigned to {SUPPORT}."
    page = await undo(who, shown, page)
    assert (said(page), await assigned()) == (f"Assigned to {SALES}.", SALES)
    page = await follow(who, await who.post(f"{shown.path}assign/", {"to": "", "was": SALES}))
    assert (said(page), await assigned()) == ("Assigned to nobody.", None)
    assert "Assigned to nobody" in page.text
    wrong = await who.post(f"{shown.path}assign/", {"to": "no@example.test"})
    assert (wrong.status_code, await assigned()) == (400, None)


async def test_handing_off_is_one_act_with_a_note(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    fields = {"to": SALES, "note": "Yours.", "share_contact": "true", "key": "h1", "was": SALES}

    twice = [await who.post(f"{shown.path}handoff/", fields) for _ in range(2)]
    refused = await who.post(f"{shown.path}handoff/", {"to": "x@example.test", "note": "Kept."})

    assert said(await follow(who, twice[1])) == f"Handed off to {SALES}."
    assert (await record(world, shown))["note_count"] == 2
    assert refused.status_code == 400
    assert "Kept.</textarea>" in refused.text
    async with world.client(SALES) as api:
        offers = (await api.get("/v1/contacts/shares/")).json()
    assert [one["type"] for one in offers] == ["offer"]


async def test_a_status_that_is_out_of_date_shows_both_and_changes_nothing(world: World) -> None:
    shown = await whole_thread(world, [mail("x", name="<a@x.test>")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    fields = {name: field(page, "status", name) for name in ("version", "seen", "newest")}
    await receive(world, SUPPORT, body=mail("new", answers="<a@x.test>"))

    stale = await who.post(f"{shown.path}status/", fields | {"status": "closed"})

    assert stale.status_code == 412
    assert "open, assigned to nobody, 1 message, 0 notes" in stale.text
    assert "open, assigned to nobody, 2 messages, 0 notes" in stale.text
    assert (await record(world, shown))["status"] == "open"
    fields = {name: field(stale.text, "status", name) for name in fields}
    page_now = await follow(
        who, await who.post(f"{shown.path}status/", fields | {"status": "closed"})
    )
    assert said(page_now) == "Closed for everybody, archived for you."
    assert (await record(world, shown))["folders"] == ["archive"]
    assert said(await undo(who, shown, page_now)) == "Taken back."
    assert (await record(world, shown))["folders"] == ["inbox"]
    version = field((await who.get(shown.path)).text, "status", "version")
    asked = f"{shown.path}?{urlencode({'follow': version})}"
    assert (await who.get(asked, HX_Request="true")).status_code == 204  # nothing new
    await receive(world, SUPPORT, body=mail("newer", answers="<a@x.test>"))
    assert "You hold 3 of 3 messages" in (await who.get(asked, HX_Request="true")).text


async def test_marks_are_of_what_the_page_showed_and_can_be_undone(world: World) -> None:
    shown = await whole_thread(world, [mail("x", name="<a@x.test>")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    newest = field(page, "marks", "newest")
    later = await receive(world, SUPPORT, body=mail("new", answers="<a@x.test>"))

    async def states() -> list[tuple[object, ...]]:
        async with world.client(SUPPORT) as api:
            found = [
                (await api.get(f"/v1/messages/{one}/")).json()
                for one in (*shown.message_ids, later)
            ]
        return [(one["folder"], one["is_read"], one["is_flagged"]) for one in found]

    untouched = ("inbox", False, False)
    for named, state in {
        "read": ("inbox", True, False),
        "flag": ("inbox", False, True),
        "archive": ("archive", False, False),
        "junk": ("junk", False, False),
        "trash": ("trash", False, False),
    }.items():
        fields = {"set": named, "newest": newest}
        done = await follow(who, await who.post(f"{shown.path}marks/", fields))
        assert await states() == [state, untouched]
        await undo(who, shown, done)
        assert await states() == [untouched, untouched]
    quiet = await who.post(f"{shown.path}marks/", {"set": "read", "quiet": "1", "newest": newest})
    assert (quiet.status_code, await states()) == (204, [("inbox", True, False), untouched])
    fields = {"status": "closed", "version": quiet.headers["etag"], "seen": "x"}
    assert (await who.post(f"{shown.path}status/", fields)).status_code == 303
    assert (await who.post(f"{shown.path}marks/", {"set": "nothing"})).status_code == 400


async def test_marks_that_came_since_are_no_reason_to_refuse_a_status(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    fields = {name: field(page, "status", name) for name in ("version", "seen", "newest")}
    async with world.client(SUPPORT) as api:
        body = {"message_ids": shown.message_ids, "set": {"is_read": True, "is_flagged": True}}
        assert (await api.patch("/v1/messages/", json=body)).status_code == 200

    closed = await who.post(f"{shown.path}status/", fields | {"status": "closed"})

    assert closed.status_code == 303
    assert (await record(world, shown))["status"] == "closed"


async def test_a_page_that_marks_what_it_shows_still_asks_for_what_came_since(world: World) -> None:
    shown = await whole_thread(world, [mail("x", name="<a@x.test>")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    fields = {name: field(page, "status", name) for name in ("version", "seen", "newest")}
    marks = {"set": "read", "quiet": "1", "version": fields["version"]}
    await receive(world, SUPPORT, body=mail("new", answers="<a@x.test>"))

    quiet = await who.post(f"{shown.path}marks/", marks | {"only": shown.message_ids[0]})

    fields["version"] = quiet.headers["etag"]
    asked = f"{shown.path}?{urlencode({'follow': fields['version']})}"
    assert "You hold 2 of 2 messages" in (await who.get(asked, HX_Request="true")).text
    closing = await who.post(f"{shown.path}status/", fields | {"status": "closed"})
    assert (closing.status_code, (await record(world, shown))["status"]) == (412, "open")


async def test_what_stands_in_the_panel_can_be_done_there(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text

    task = {"task_id": field(page, "tasks", "task_id")}
    done = await follow(who, await who.post(f"{shown.path}tasks/", task))
    assert said(done) == "Task completed."
    assert "Call Grace back" not in done.text
    assert "Call Grace back" in (await undo(who, shown, done)).text
    share = {"share_id": field(page, "shares", "share_id"), "answer": "accept"}
    accepted = await follow(who, await who.post(f"{shown.path}shares/", share))
    assert said(accepted) == "Accepted."
    assert (await who.post(f"{shown.path}shares/", share)).status_code == 409
    ask = {"to_inbox_id": world.ids[SALES], "address": "grace@sender.test"}
    asked = await follow(who, await who.post(f"{shown.path}request/", ask))
    assert said(asked).startswith("Asked for the card.")


async def test_a_sender_without_a_card_gets_one(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)
    page = (await who.get(shown.path)).text
    fields = {"address": field(page, "card", "address"), "full_name": "Grace <b>", "key": "c"}

    refused = await who.post(f"{shown.path}card/", fields | {"full_name": "x" * 201, "key": "b"})
    assert refused.status_code == 400
    beside = refused.text.partition(f'value="{"x" * 201}"')[2].partition("</form>")[0]
    assert 'class="fault" role="alert"' in beside
    added = await follow(who, await who.post(f"{shown.path}card/", fields))

    assert said(added) == "Card added."
    assert "Grace &lt;b&gt;" in added.text
    assert (await who.post(f"{shown.path}card/", fields | {"key": "d"})).status_code == 409


async def test_the_free_plan_leaves_notes_out_and_says_so(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    await world.database.write(
        lambda tx: tenants.set_tenant(tx, tenant_id=world.tenant_id, plan="free", governance="full")
    )

    page = await who.get(shown.path)

    assert page.status_code == 200
    assert "need the plan startup" in page.text
    assert "Sales, please look at this." not in page.text
    refused = await who.post(f"{shown.path}note/", {"body": "x"})
    assert (refused.status_code, "plan startup" in refused.text) == (403, True)


async def test_a_template_is_filled_in_for_the_reply(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    body = "Hi & <b>{x}</b>, on {subject}"
    template = {"name": "Follow-up", "subject": "About {topic}", "body": body}
    async with world.client(TENANT_OWNER) as api:
        made = (await api.post("/v1/templates/", json=template)).json()
    who = await signed_in(world, MEMBER)

    chosen = f"{shown.path}?template={made['template_id']}"
    page = await who.get(chosen)

    assert "Hi &amp; &lt;b&gt;<mark>{x}</mark>&lt;/b&gt;, on Renewal" in page.text
    assert "About <mark>{topic}</mark>" in page.text
    assert not re.search(r"<textarea[^>]*>Hi", page.text)  # what is written there stays
    opened = await who.get(f"{chosen}&mail=1")
    assert re.search(r"<textarea[^>]*>Hi &amp; &lt;b&gt;", opened.text)
    for act in (">Open as mail<", ">Insert into the note<", ">Copy<"):
        assert act in page.text, act
    assert "Nothing fills in {topic}, {x}: write it yourself." in page.text
    assert (await who.get(f"{shown.path}?template=tpl_nothing")).status_code == 404


async def test_a_letter_opens_as_text_where_it_has_any_and_else_as_the_page_it_is(
    world: World,
) -> None:
    both = mail("Plain.", name="<one@sender.test>", html=HTML)
    page = b"From: Shop <news@shop.test>\r\nIn-Reply-To: <one@sender.test>\r\n"
    page += b"Content-Type: text/html\r\n\r\n<p>In <b>March</b>.</p>\r\n"
    shown = await whole_thread(world, [both, page], TEAM, SUPPORT)
    who = await signed_in(world, MEMBER)

    def framed(text: str) -> list[str]:
        return re.findall(r'<iframe class="mail" src="([^"]*)"', text)

    assert framed((await who.get(shown.path)).text) == [shown.message(1, "html/")]
    for number, view, frames in ((0, "", 0), (0, "html", 1), (1, "", 1), (1, "text", 0)):
        body = (await who.get(shown.message(number, f"body/?view={view}"), HX_Request="true")).text
        assert len(framed(body)) == frames, (number, view)
    assert "<p>In March.</p>" in body


async def test_the_view_that_is_chosen_is_that_of_a_senders_next_letters(world: World) -> None:
    who, paths = await signed_in(world, MEMBER), list[Shown]()
    for number, sender in enumerate(("ann@x.test", "Ann <ANN@x.test>", "bo@x.test")):
        name, subject = f"<{number}@x.test>", f"Letter {number}"
        body = mail("Plain.", name=name, html=HTML, sender=sender, subject=subject)
        paths.append(await whole_thread(world, [body], TEAM, SUPPORT))

    async def framed() -> list[bool]:
        return ["<iframe" in (await who.get(one.path)).text for one in paths]

    view = paths[0].message(0, "body/?view={}")
    await who.get(view.format("html"))  # a link may lead here from anywhere
    assert await framed() == [False] * 3
    chosen = await who.get(view.format("html"), HX_Request="true")
    assert "HttpOnly" in chosen.headers["set-cookie"] and "ann" not in chosen.headers["set-cookie"]
    assert await framed() == [True, True, False]
    await who.get(view.format("text"), HX_Request="true")
    assert await framed() == [False] * 3


async def test_html_is_served_to_a_frame_only(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)

    framed = await who.get(shown.message(2, "html/"), Sec_Fetch_Dest="iframe")
    alone = await who.get(shown.message(2, "html/"), Sec_Fetch_Dest="document")
    script = await who.get(shown.message(2, "html/"), Sec_Fetch_Dest="script")

    assert framed.headers["content-security-policy"].startswith("sandbox allow-same-origin ")
    assert framed.headers["x-frame-options"] == "SAMEORIGIN"
    assert framed.headers["referrer-policy"] == "no-referrer"
    assert framed.headers["cache-control"] == "no-store"
    assert f'src="{shown.message(2, "attachments/")}att_' in framed.text
    assert "track.example" not in framed.text
    for one in (alone, script):
        assert one.headers["location"] == f"{shown.path}#i-{shown.message_ids[2]}"


async def test_a_refusal_in_a_mails_frame_is_a_sentence_without_a_page(engine: Engine) -> None:
    async with open_world(engine, console_rate_per_minute=50) as world:
        shown = await busy_thread(world)
        who, stranger = await signed_in(world, MEMBER), visitor(world, "nobody")
        path = shown.message(2, "html/")
        there = shown.message_ids[2]
        gone = path.replace(there, there[:-1] + ("1" if there.endswith("0") else "0"))

        async def asked(by: Visitor, path: str) -> httpx2.Response:
            return await by.get(path, Sec_Fetch_Dest="iframe", Sec_Fetch_Site="same-origin")

        there_is_none, signed_out = await asked(who, gone), await asked(stranger, path)
        often = there_is_none
        for _ in range(100):  # slow calls are not too many
            if often.status_code == 404:
                often = await asked(who, gone)

    told = (there_is_none, signed_out, often)
    assert [one.status_code for one in told] == [404, 401, 429]
    for one in told:
        assert one.headers["content-security-policy"].startswith("sandbox allow-same-origin ")
        assert one.headers["cache-control"] == "no-store"
        assert not re.search("<script|<link|<nav|<a ", one.text)
    assert "There is no such message, or it is not for you." in there_is_none.text
    assert "Sign in, and open the message again." in signed_out.text
    seconds = int(often.headers["retry-after"])
    assert f"Open the message again in {plural(seconds, 'second')}." in often.text


async def test_files_are_saved_and_never_shown(world: World) -> None:
    shown = await busy_thread(world)
    who = await signed_in(world, MEMBER)
    body = (await who.get(shown.message(2, "body/"), HX_Request="true")).text
    assert "<html" not in body
    files = re.findall(r'href="([^"]*attachments[^"]*)"', body)

    for path in [*files, shown.message(2, "raw/")]:
        file = await who.get(path)
        assert file.status_code == 200
        assert file.headers["content-disposition"].startswith("attachment")
        assert file.headers["x-content-type-options"] == "nosniff"
    assert len(files) == 2


async def test_raw_shows_the_beginning_of_a_large_message(world: World) -> None:
    large = mail("x" * 70 + "\n").replace(b"xxx\r\n", b"xxx\r\n" * 90_000) + b"the very end"
    shown = await whole_thread(world, [large], SUPPORT)
    who = await signed_in(world, MEMBER)

    page = await who.get(shown.message(0, "body/?view=raw"), HX_Request="true")

    assert "The first 256 KB of" in page.text
    assert "Subject: Renewal" in page.text
    assert "the very end" not in page.text
    assert "\u240d" not in page.text  # a CR is at the end of every line


async def test_why_tells_the_own_way_and_all_of_them_to_admins_on_record(world: World) -> None:
    shown = await busy_thread(world)
    member, owner = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)

    own = (await member.get(shown.message(0, "why/"))).text
    every = await member.get(shown.message(0, "why/?all=1"))
    theirs = Shown(SALES, shown.thread_id, shown.message_ids)
    full = (await owner.get(theirs.message(0, "why/?all=1"))).text

    assert re.search(r"by the list <bdi>Team@[^<]+</bdi>, on it since <time", own)
    assert "and directly" in own and "rule" not in own
    assert SALES not in own
    assert SALES not in every.text
    assert "Sales@example.test" in full
    assert SUPPORT in full


async def test_the_header_can_be_filtered(world: World) -> None:
    shown = await whole_thread(world, [mail("x", name="<a@x.test>")], SUPPORT)
    who = await signed_in(world, MEMBER)

    async def names(field: str) -> list[str]:
        page = (await who.get(shown.message(0, f"body/?view=headers&field={field}"))).text
        assert f'name="field" value="{field}"' in page
        return re.findall(r'<th scope="row">([^<]+)</th>', page)

    assert {"Subject", "From", "Message-ID", "Date"} <= {*await names("")}
    assert await names("message-id") == ["Message-ID"]
    assert "Message-ID" in await names("A@X.TEST")  # in the value, in any case
    assert await names("nothing") == []


async def test_times_and_sizes_tell_the_whole_on_hover(world: World) -> None:
    shown = await busy_thread(world)
    page = (await (await signed_in(world, MEMBER)).get(shown.path)).text

    times = re.findall(r'<time datetime="([^"]+)" title="([^"]+)">', page)
    assert times and all(one == other for one, other in times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one) for one, _ in times)
    assert re.search(r'<span title="8 octets">8 B</span>', page)


async def test_an_admin_sees_who_holds_copies_on_record_and_nobody_else_does(world: World) -> None:
    shown = await busy_thread(world)
    member, owner = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)
    theirs = Shown(SALES, shown.thread_id, shown.message_ids)

    assert "who/" not in (await member.get(shown.path)).text
    refused = await member.get(f"{shown.path}who/")
    link = f'href="{theirs.path}who/" data-dialog'
    assert link in (await owner.get(theirs.path)).text
    page = (await owner.get(f"{theirs.path}who/")).text

    assert (refused.status_code, SALES in refused.text) == (404, False)
    rows = re.findall(r"<li><bdi>([^<]+)</bdi>: (\d+)", page)
    assert ("Sales@example.test", "3") in rows and (SUPPORT, "3") in rows
    assert "directly" in page and "by the list <bdi>Team@" in page
    async with world.client(TENANT_OWNER) as api:
        query = {"action": "message.explained"}
        (*_, last) = (await api.get("/v1/audit-log/", params=query)).json()["results"]
    assert last["object"]["id"] in shown.message_ids


async def test_a_mention_tells_before_what_it_opens(world: World) -> None:
    shown = await busy_thread(world)
    page = (await (await signed_in(world, MEMBER)).get(shown.path)).text

    told = dict(re.findall(r'<option value="([^"]+)" label="[^"]*" data-gets="([^"]+)"', page))
    assert told[AGENT] == "will be given these 3 messages"
    assert told["Sales@example.test"] == "has a copy"
    assert SUPPORT not in told  # nobody mentions oneself
    assert "Sales got copies by Team@" in page or "Sales@example.test got copies by Team@" in page


async def test_acting_for_another_says_so_and_marks_nothing_by_itself(world: World) -> None:
    shown = await busy_thread(world)
    owner = await signed_in(world, TENANT_OWNER)

    page = (await owner.get(shown.path)).text

    assert "Everything you open is on record." in page
    assert 'id="seen"' not in page
    assert '<meta name="live"' not in page


async def test_the_toast_is_told_once(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)

    first = await follow(who, await who.post(f"{shown.path}marks/", {"set": "flag"}))
    second = await who.get(shown.path)

    assert (said(first), said(second)) == ("Flagged.", "")
    assert COOKIE not in who.http.cookies
