"""The list of threads, without scripts: views, search, pages, acts on many and what undoes them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from admin_api.call.call import Call
from admin_api.console import inside, kept_parts, rendering
from admin_api.console.thread import acts
from admin_api.console.thread import undo as undo_cookie
from admin_api.console.views import list_view
from storage.clock import HOUR
from storage.database import Tx
from storage.engines.opening import EMBEDDED
from storage.errors import StoreUnavailable
from tests.admin_api.console.threads import mail, parsed
from tests.admin_api.console.visitor import Visitor, signed_in, statements
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    open_world,
    receive,
    receive_all,
)
from tests.support.engines import Engine

PATH = f"/console/{SUPPORT}/"
OWNED = {(MEMBER, SUPPORT), (TENANT_OWNER, SALES), (STRANGER, FOREIGN_INBOX)}


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[World]:
    """A world on one engine: whatever only the page does is the same on both."""
    async with open_world(Engine("sqlite", EMBEDDED, tmp_path)) as made:
        yield made


async def three_threads(world: World) -> list[str]:
    """Three letters, oldest first, of which one came by the list; the ids of their threads."""
    letters = [
        mail("One.", subject="Apples", to=SUPPORT, sender="Ann <ann@a.test>"),
        mail("Two.", subject="Bread", to=TEAM, sender="Bea <bea@b.test>", file="list.csv"),
        mail("Three.", subject="Cheese", to=SUPPORT, sender="Cy <cy@c.test>"),
    ]
    ids = [
        await receive(world, to, body=body)
        for to, body in zip((SUPPORT, TEAM, SUPPORT), letters, strict=True)
    ]
    await parsed(world)
    async with world.client(SUPPORT) as api:
        return [(await api.get(f"/v1/messages/{one}/")).json()["thread_id"] for one in ids]


def rows(page: httpx2.Response) -> list[str]:
    """The subjects of the rows, as shown."""
    return [unescape(one) for one in re.findall(r'class="subject">([^<]*)<', page.text)]


def chosen_of(page: httpx2.Response, threads: Iterable[str]) -> list[tuple[str, str]]:
    """The boxes of these threads, ticked."""
    found = dict(re.findall(r'name="thread" value="(thr_\w+)(~[^"]+)"', page.text))
    return [("thread", one + found[one]) for one in threads]


async def act(who: Visitor, name: str, threads: Iterable[str], at: str = PATH, **more: str) -> str:
    """Choose threads in the list and press a button; what the next page says."""
    page = await who.get(at)
    fields = [*chosen_of(page, threads), ("act", name), *more.items()]
    answer = await who.post(PATH + "acts/", fields)
    assert answer.status_code == 303, answer.text
    return said(await who.get(answer.headers["location"]))


async def undo(who: Visitor, page: httpx2.Response) -> str:
    toast = page.text.partition('id="done"')[2]
    fields = {n: unescape(v) for n, v in re.findall(r'name="(\w+)" value="([^"]*)"', toast)}
    answer = await who.post(PATH + "acts/", fields | {"act": "back"})
    assert answer.status_code == 303
    return said(await who.get(answer.headers["location"]))


def said(page: httpx2.Response) -> str:
    return unescape(page.text.partition('id="done"')[2].partition("<p>")[2].partition("</p>")[0])


async def test_a_row_shows_sender_subject_preview_list_and_file(world: World) -> None:
    threads = await three_threads(world)
    who = await signed_in(world, MEMBER)

    page = await who.get(PATH)

    assert page.status_code == 200
    assert rows(page) == ["Cheese", "Bread", "Apples"]
    assert f"<title>(3) Inbox · {SUPPORT}</title>" in page.text
    (row,) = re.findall(rf'<li id="t-{threads[1]}".*?</li>', page.text, re.DOTALL)
    for part in ("Bea", "Bread", "Two.", "Team", "Has files", "Unread", f"threads/{threads[1]}/"):
        assert part in row, part
    assert rows(await who.get(PATH + f"?view={world.ids[TEAM]}")) == ["Bread"]
    assert (await who.get(PATH + "?view=nonsense")).status_code == 404
    nowhere = await who.get("/console/nobody@example.test/")
    # The path of a page that is not there names no inbox.
    assert nowhere.status_code == 404 and "nobody@example.test" not in nowhere.text


async def test_each_act_moves_threads_between_views_and_is_taken_back(world: World) -> None:
    threads = await three_threads(world)
    who = await signed_in(world, MEMBER)
    for name, view, word in (
        ("read", "", "marked as read"),
        ("archive", "archive", "archived"),
        ("junk", "junk", "junk"),
        ("trash", "trash", "trash"),
        ("flag", "flagged", "flagged"),
        ("close", "closed", "closed"),
        ("take", "mine", "taken"),
    ):
        fields = chosen_of(await who.get(PATH), threads[:2])
        answer = await who.post(PATH + "acts/", [*fields, ("act", name)])
        page = await who.get(answer.headers["location"])
        assert said(page).startswith("2 threads ") and word in said(page), name
        if view:
            assert sorted(rows(await who.get(PATH + f"?view={view}"))) == ["Apples", "Bread"], name
        else:
            assert rows(await who.get(PATH + "?view=unread")) == ["Cheese"]
        assert await undo(who, page) == "Taken back."
        assert rows(await who.get(PATH)) == ["Cheese", "Bread", "Apples"], name
        if view:
            assert rows(await who.get(PATH + f"?view={view}")) == [], name
    assert rows(await who.get(PATH + "?view=unread")) == ["Cheese", "Bread", "Apples"]


async def test_an_act_refused_in_the_middle_tells_why_and_undoes_what_was_done(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = await three_threads(embedded)
    who = await signed_in(embedded, MEMBER)
    real, allowed = inside.ask, [1]

    async def ask(call: Call, method: str, path: str, **asked: Any) -> Any:  # noqa: ANN401
        if method == "PATCH" and "/threads/" in path:
            if not allowed:
                raise StoreUnavailable("busy")
            allowed.pop()
        return await real(call, method, path, **asked)

    fields = [*chosen_of(await who.get(PATH), threads), ("act", "close")]
    with monkeypatch.context() as patch:
        patch.setattr(acts, "ask", ask)
        answer = await who.post(PATH + "acts/", fields)
        refused = await who.post(PATH + "acts/", fields)
    page = await who.get(answer.headers["location"])
    assert said(page) == (
        "1 thread closed for everybody, archived for you."
        " Then it ended: The store is out of reach; nothing was half done."
    )
    assert refused.status_code == 503
    closed = rows(await who.get(PATH + "?view=closed"))
    assert closed == rows(await who.get(PATH + "?view=archive")) and len(closed) == 1
    assert await undo(who, page) == "Taken back."
    assert rows(await who.get(PATH)) == ["Cheese", "Bread", "Apples"]
    assert rows(await who.get(PATH + "?view=closed")) == []


async def test_an_undo_that_is_too_long_for_a_cookie_comes_with_the_answer(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = await three_threads(embedded)
    who = await signed_in(embedded, MEMBER)
    fields = [*chosen_of(await who.get(PATH), threads), ("act", "archive")]

    with monkeypatch.context() as patch:
        patch.setattr(undo_cookie, "_MOST", 100)
        page = await who.post(PATH + "acts/", fields)
    assert (page.status_code, said(page)) == (200, "3 threads archived, for you only.")
    assert rows(page) == []
    assert await undo(who, page) == "Taken back."
    assert rows(await who.get(PATH)) == ["Cheese", "Bread", "Apples"]


async def test_handing_off_many_is_one_note_each_and_undone_gives_them_back(
    embedded: World,
) -> None:
    threads = await three_threads(embedded)
    who = await signed_in(embedded, MEMBER)
    async with embedded.client(SUPPORT) as api:
        at = f"/v1/messages/threads/{threads[0]}/"
        assert (await api.post(at + "assign/", json={"to": SUPPORT})).status_code == 200
        more = {"hand_to": AGENT, "note": "Please.", "key": "k" * 16}
        fields = [*chosen_of(await who.get(PATH), threads[:2]), *more.items()]
        answer = await who.post(PATH + "acts/", fields)
        page = await who.get(answer.headers["location"])
        again = await who.post(PATH + "acts/", fields)  # sent twice: neither note nor undo is new
        assert 'value="back"' not in (await who.get(again.headers["location"])).text
        assert said(page) == f"2 threads handed off to {AGENT}."
        assert page.text.count(f'title="Assigned to {AGENT}"') == 2
        for one in threads[:2]:
            notes = (await api.get(f"/v1/messages/threads/{one}/notes/")).json()
            assert [(each["body"], each["mentions"]) for each in notes] == [("Please.", [AGENT])]
        await undo(who, page)
        found = [(await api.get(f"/v1/messages/threads/{one}/")).json() for one in threads[:2]]
    assert [one["assignee"] and one["assignee"]["address"] for one in found] == [SUPPORT, None]


async def test_an_act_is_on_what_was_shown_and_undone_only_on_what_changed(embedded: World) -> None:
    first = mail("One.", subject="Apples", to=SUPPORT, name="<a@x.test>")
    await receive(embedded, SUPPORT, body=first)
    await receive(embedded, SUPPORT, body=mail("Two.", to=SUPPORT, answers="<a@x.test>"))
    await parsed(embedded)
    who = await signed_in(embedded, MEMBER)
    async with embedded.client(SUPPORT) as api:
        older, newer = (await api.get("/v1/messages/")).json()["results"][::-1]
        path = f"/v1/messages/{older['message_id']}/"
        assert (await api.patch(path, json={"is_read": True})).status_code == 200
        fields = chosen_of(await who.get(PATH), [older["thread_id"]])
        await receive(embedded, SUPPORT, body=mail("Three.", to=SUPPORT, answers="<a@x.test>"))
        answer = await who.post(PATH + "acts/", [*fields, ("act", "read")])
        page = await who.get(answer.headers["location"])
        now = [one["is_read"] for one in (await api.get("/v1/messages/")).json()["results"]]
        await undo(who, page)
        back = [one["is_read"] for one in (await api.get("/v1/messages/")).json()["results"]]
    assert (now, back) == ([False, True, True], [False, False, True])  # newest first
    assert newer["is_read"] is False


async def test_what_is_wrong_is_told_and_changes_nothing(embedded: World) -> None:
    threads = await three_threads(embedded)
    who = await signed_in(embedded, MEMBER)
    boxes = chosen_of(await who.get(PATH), threads[:1])
    unknown = [("thread", "thr_" + "0" * 26)]

    async def tried(*fields: tuple[str, str]) -> httpx2.Response:
        return await who.post(PATH + "acts/", [*fields])

    nobody = await tried(*boxes, ("hand_to", "nobody@example.test"), ("note", "Keep this."))
    nothing = await tried(("act", "archive"))
    strange = await tried(*boxes, ("act", "explode"))
    gone = await tried(*unknown, *boxes, ("act", "flag"))
    partly = await who.get(gone.headers["location"])
    many = await tried(*(("thread", f"thr_{n}") for n in range(501)), ("act", "read"))
    back = await tried(("act", "back"), ("back", "thr_x=a%40b&nonsense=1&read=msg_1+%3Cb%3E"))
    unnamed = await tried(("act", "back"), ("back", "=a%40b"))
    parts = await tried(("act", "back"), ("back", "&".join(["thr_x="] * 601)))
    ids = await tried(("act", "back"), ("back", "reopen=" + "+".join(["thr_x"] * 501)))
    date = await who.get(PATH + "?q=after:never")
    cursor = await who.get(PATH + "?cursor=x")

    assert nobody.status_code == 400
    assert "Keep this." in nobody.text and 'value="nobody@example.test"' in nobody.text
    assert 'autocomplete="off" checked' in nobody.text
    assert 'class="fault"' in nobody.text.partition('id="hand-to"')[2].partition("</div>")[0]
    assert (nothing.status_code, strange.status_code, many.status_code) == (400, 400, 400)
    assert "Choose at least one thread." in nothing.text
    assert "Choose at most 500 threads." in many.text
    assert said(partly) == "1 thread flagged. 1 thread had gone."
    assert (back.status_code, parts.status_code, ids.status_code) == (400, 400, 400)
    assert "At most 500 threads can be taken back." in parts.text
    assert unnamed.status_code == 303  # as with what is gone: the rest is taken back
    assert (date.status_code, rows(date)) == (400, ["Cheese", "Bread", "Apples"])
    assert 'id="q-fault"' in date.text and 'value="after:never"' in date.text
    assert cursor.status_code == 400
    assert rows(await who.get(PATH + "?shown=x")) == ["Cheese", "Bread", "Apples"]
    async with embedded.client(SUPPORT) as api:
        found = (await api.get(f"/v1/messages/threads/{threads[0]}/")).json()
    assert (found["assignee"], found["note_count"], found["folders"]) == (None, 0, ["inbox"])


async def test_a_form_without_the_id_that_it_needs_is_not_found(embedded: World) -> None:
    (thread, *_), who = await three_threads(embedded), await signed_in(embedded, MEMBER)
    await who.get(PATH)
    forms = ("delete-note", "tasks", "shares")
    answers = [await who.post(f"{PATH}threads/{thread}/{one}/", {}) for one in forms]
    assert [one.status_code for one in answers] == [404, 404, 404]


async def test_pages_follow_each_other_and_all_that_match_are_changed_in_steps(
    embedded: World,
) -> None:
    bodies = [mail(f"{n}.", subject=f"Letter {n}", to=SUPPORT) for n in range(120)]
    await receive_all(embedded, SUPPORT, bodies=bodies)
    who = await signed_in(embedded, MEMBER)
    found, path, lengths = list[str](), PATH, list[int]()
    while path:
        page = await who.get(path)
        lengths.append(len(rows(page)))
        found += rows(page)
        path = unescape((re.findall(r'id="more"><a href="([^"]+)', page.text) or [""])[0])

    whole = {"act": "all-read", "view": "inbox"}
    step = await who.post(PATH + "acts/", whole)
    page = await who.get(step.headers["location"])
    assert said(page) == "100 threads marked as read so far."
    assert (await who.post(PATH + "acts/", whole | {"view": "trash"})).status_code == 400
    last = await who.post(PATH + "acts/", whole | {"so_far": "100"})
    assert said(await who.get(last.headers["location"])) == "120 threads marked as read."
    search = {"act": "all-archive", "view": "inbox", "q": "subject:letter"}
    assert (await who.post(PATH + "acts/", search)).status_code == 303
    assert len(rows(await who.get(PATH))) == 20
    assert (await who.post(PATH + "acts/", search)).status_code == 303
    assert (await who.post(PATH + "acts/", {"act": "all-archive"})).status_code == 400
    assert lengths == [50, 50, 20]
    assert found == [f"Letter {n}" for n in reversed(range(120))]
    assert len(rows(await who.get(PATH + "?view=archive&shown=120"))) == 120
    archive = (await who.get(PATH + "?view=archive")).text
    more = unescape(re.findall(r'id="more"><a href="([^"]+)', archive)[0])
    part = await who.get(more, HX_Request="true")
    assert len(rows(part)) == 50
    assert "<main" not in part.text and 'id="more"' in part.text


async def test_what_is_live_of_a_list_is_made_once_for_all_tabs_and_only_of_ones_own(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await three_threads(embedded)
    tabs = [await signed_in(embedded, MEMBER) for _ in range(3)]
    made, real = list[str](), rendering.page

    def page(template: str, values: Any) -> str:  # noqa: ANN401
        made.append(template)
        return real(template, values)

    monkeypatch.setattr(list_view, "page", page)
    path = f"{PATH}?follow="
    parts = await asyncio.gather(*(who.get(path, HX_Request="true") for who in tabs))
    assert len(made) <= 2  # the first, and one for all who came while it was made
    assert {one.text for one in parts} == {parts[0].text}
    assert rows(parts[0]) == ["Cheese", "Bread", "Apples"]
    assert "(3) Inbox" in parts[0].text and f'id="n-{embedded.ids[TEAM]}"' in parts[0].text
    assert "form" not in parts[0].text.replace("format", "")
    with statements() as cost:
        await asyncio.gather(*(tabs[0].get(path, HX_Request="true") for _ in range(20)))
    assert cost[0] <= 2 * 40 + 20 * 4  # two renderings, and who asks, for each tab
    other = await (await signed_in(embedded, TENANT_OWNER)).get(path, HX_Request="true")
    foreign = await tabs[0].get(f"/console/{FOREIGN_INBOX}/?follow=", HX_Request="true")
    assert (other.status_code, foreign.status_code) == (404, 404)


async def test_a_row_is_made_once_as_long_as_it_shows_the_same(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = await three_threads(embedded)
    who, made, real = await signed_in(embedded, MEMBER), list[str](), list_view._row

    def rendered(place: Any, one: Any, is_chosen: bool = False) -> str:  # noqa: ANN401
        made.append(one["subject"])
        return real(place, one, is_chosen)

    async def looked(path: str, **headers: str) -> tuple[list[str], list[str]]:
        made.clear()
        return rows(await who.get(path, **headers)), sorted(made)

    monkeypatch.setattr(list_view, "_row", rendered)
    shown = ["Cheese", "Bread", "Apples"]
    assert await looked(PATH) == (shown, sorted(shown))
    assert await looked(PATH) == (shown, [])
    await receive(embedded, SUPPORT, body=mail("Four.", subject="Dates", to=SUPPORT))
    await parsed(embedded)
    live = {"path": f"{PATH}?follow=", "HX_Request": "true"}
    assert await looked(**live) == (["Dates", *shown], ["Dates"])
    fields = [*chosen_of(await who.get(PATH), threads[:1]), ("act", "flag")]
    await who.post(PATH + "acts/", fields)
    assert await looked(**live) == (["Dates", *shown], ["Apples"])
    assert await looked(PATH + "?view=unread") == (["Dates", *shown], sorted(["Dates", *shown]))
    days = list[list[str]]()
    for _ in range(3):  # one midnight
        embedded.clock.advance(8 * HOUR)
        days.append((await looked(PATH))[1])
    assert sorted(days) == [[], [], sorted(["Dates", *shown])]
    monkeypatch.setattr(kept_parts, "_MOST", 3)
    assert await looked(PATH) == (["Dates", *shown], [])
    assert (await looked(PATH + "?view=unread"))[1] == sorted(["Dates", *shown])
    assert (await looked(PATH))[1] == sorted(["Dates", *shown])


async def test_a_search_finds_in_all_folders_and_stays_in_the_address(world: World) -> None:
    threads = await three_threads(world)
    who = await signed_in(world, MEMBER)
    await act(who, "archive", threads[:1])

    for query, expected in (
        ("apples", ["Apples"]),
        ("from:bea has:attachment", ["Bread"]),
        ("is:unread in:inbox", ["Cheese", "Bread"]),
        ("list:team@example.test", ["Bread"]),
        ("assigned:none is:open", ["Cheese", "Bread", "Apples"]),
        ("nothing at all", []),
    ):
        page = await who.get(f"{PATH}?q={quote(query)}")
        assert sorted(rows(page)) == sorted(expected), query
        assert f'value="{query}"' in page.text
    assert f"?q={quote('apples')}" in (await who.get(PATH + "?q=apples")).text  # in each row's link


async def test_suggestions_are_operators_teammates_lists_and_cards(embedded: World) -> None:
    who = await signed_in(embedded, MEMBER)
    async with embedded.client(SUPPORT) as api:
        card = {"full_name": "Sandra", "emails": [{"label": "x", "address": "sandra@far.test"}]}
        assert (await api.post("/v1/contacts/", json=card)).status_code == 201

    async def offered(word: str) -> list[str]:
        page = await who.get(f"{PATH}suggest/?q={quote(word)}")
        assert page.status_code == 200
        return re.findall(r'option value="([^"]+)"', page.text)

    assert await offered("is:") == ["is:unread", "is:read", "is:flagged", "is:open", "is:closed"]
    assert await offered("assigned:a") == ["assigned:agent@example.test"]
    assert await offered("sa") == ["from:Sales@example.test", "from:sandra@far.test"]
    assert await offered("list:") == ["list:Team@example.test"]
    assert await offered("to:sandra") == ["to:sandra@far.test"]
    assert await offered("desk") == []
    assert (await who.get(f"/console/{FOREIGN_INBOX}/suggest/?q=a")).status_code == 404


async def test_each_principal_gets_of_the_list_what_the_api_gives(embedded: World) -> None:
    """Rows of the matrix: the list and its acts, by inbox and by who asks."""
    await three_threads(embedded)
    people = [
        await signed_in(embedded, one) for one in (MEMBER, TENANT_ADMIN, TENANT_OWNER, STRANGER)
    ]
    for place, who in enumerate(people):
        name = (MEMBER, TENANT_ADMIN, TENANT_OWNER, STRANGER)[place]
        for inbox in (SUPPORT, SALES, AGENT, FOREIGN_INBOX, "nobody@example.test"):
            async with embedded.client(name) as api:
                query = {"inbox_id": inbox}
                threads = await api.get("/v1/messages/threads/", params=query)
                marked = await api.patch(
                    "/v1/messages/",
                    params=query,
                    json={"message_ids": ["msg_" + "0" * 26], "set": {"is_read": True}},
                )
            path = f"/console/{inbox}/"
            shown = await who.get(path)
            done = await who.post(path + "acts/", {"act": "back", "back": f"read=msg_{'0' * 26}"})
            told = (name, inbox)
            allowed = threads.status_code == 200
            assert shown.status_code == (200 if allowed else 404), told
            assert done.status_code == marked.status_code if allowed else 404, told
            assert ("Cheese" in shown.text) == (allowed and inbox == SUPPORT), told
            assert ("You act for" in shown.text) == (allowed and (name, inbox) not in OWNED), told
    async with embedded.client(TENANT_OWNER) as api:
        audit = (await api.get("/v1/audit-log/")).json()["results"]
    looks = [one for one in audit if one["inbox_id"] == embedded.ids[SUPPORT]]
    assert looks  # a look into another's inbox is on record


async def test_a_page_costs_no_more_in_a_larger_inbox(world: World) -> None:
    """Statements and rows of 50 of 110 threads and of 150; but the count of unassigned ones, which
    reads up to 2,000.
    """
    who = await signed_in(world, MEMBER)
    costs = []
    for count in (110, 40):
        bodies = [mail("x", subject=f"{count} {n}", to=SUPPORT) for n in range(count)]
        await receive_all(world, SUPPORT, bodies=bodies)
        await world.database.write(_parsed)  # mail that waits for the parser is looked through
        await who.get(PATH)
        with statements() as cost:
            assert len(rows(await who.get(PATH))) == 50
        costs.append(tuple(cost))

    assert costs[0] == costs[1]
    assert costs[1][0] <= 40
    assert costs[1][1] <= 1000


async def _parsed(tx: Tx) -> None:
    await tx.execute("UPDATE messages SET parse_status = 'parsed'", {})
