"""Faults while somebody writes a note: no words are lost, and no note is saved twice.

Each fault comes when what was typed is in the browser's store, which it is with each key.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Error, Page, Route

from storage.accounts import sessions
from storage.clock import SECOND
from storage.engines.opening import EMBEDDED
from tests.admin_api.console.conftest import Site, served
from tests.admin_api.console.threads import Shown, mail, whole_thread
from tests.admin_api.console.visitor import page_session
from tests.builders import AGENT, MEMBER, SUPPORT, TEAM, TENANT_OWNER, open_world, receive
from tests.support.browser import Browser, Tab
from tests.support.engines import Engine

IS_KEPT = "(text) => Object.values(localStorage).some((one) => one.includes(text))"
IS_EMPTY = "() => !Object.keys(localStorage).some((one) => one.startsWith('draft/'))"
SUBMIT = "document.getElementById('note').requestSubmit()"
EARLIER = "This form is of an earlier sign-in; send it again."
NOTES = "/v1/messages/threads/{}/notes/"


class Writer:
    """Somebody at the note field of a thread, in one profile."""

    def __init__(self, site: Site, tab: Tab, shown: Shown) -> None:
        self.site, self.tab, self.shown = site, tab, shown
        self.page: Page = tab.page

    async def open(self) -> None:
        await self.page.goto(self.site.url + self.shown.path)

    async def type(self, text: str) -> None:
        """Write, until the browser has it."""
        await self.page.focus("#note-body")
        await self.page.keyboard.press("Control+End")
        await self.page.keyboard.type(text)
        await self.page.wait_for_function(IS_KEPT, arg=text)

    async def save(self) -> None:
        await self.page.keyboard.press("Control+Enter")
        await self.page.wait_for_selector("#done")


async def went_wrong(page: Page) -> None:
    """Wait until the browser shows a page of its own; playwright raises on the way there."""
    while not page.url.startswith("chrome-error:"):
        with contextlib.suppress(Error):
            await page.wait_for_url("chrome-error://**")


async def reloaded(writer: Writer) -> None:
    await writer.page.reload()


async def tab_closed(writer: Writer) -> None:
    await writer.page.close()
    writer.page = await writer.tab.context.new_page()
    await writer.open()


async def signed_out_by_timeout(writer: Writer) -> None:
    """The session ends; saving leads to the sign-in, and back."""
    world = writer.site.world
    await writer.site.at_home(
        world.database.write(
            lambda tx: sessions.end_other_sessions(
                tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], keep=bytes(16)
            )
        )
    )
    # By script: the page may know already, and have a dialog over the form.
    await writer.page.evaluate("document.getElementById('note').requestSubmit()")
    await writer.page.wait_for_url("**/console/sign-in/**")
    writer.site.secrets[MEMBER] = await writer.site.at_home(page_session(world, MEMBER))
    await writer.site.enter(writer.tab, MEMBER)
    await writer.open()


async def server_gone(writer: Writer) -> None:
    """What is sent reaches nobody, as after `kill -9`."""
    await writer.page.route("**/note/", lambda route: route.abort("connectionrefused"))
    await writer.page.keyboard.press("Control+Enter")
    await went_wrong(writer.page)
    await writer.page.unroute("**/note/")
    await writer.open()


async def answer_lost(writer: Writer) -> None:
    """The note is saved, and the browser never hears of it."""

    async def lose(route: Route) -> None:
        await route.fetch(max_redirects=0)
        await route.abort("connectionreset")

    await writer.page.route("**/note/", lose)
    await writer.page.keyboard.press("Control+Enter")
    await went_wrong(writer.page)
    await writer.page.unroute("**/note/")
    await writer.tab.context.clear_cookies(name="postroom-done")
    await writer.open()


async def new_mail_came(writer: Writer) -> None:
    before = await writer.page.locator("#timeline > li.message").count()
    more = mail("More", answers="<a@x.test>")
    await writer.site.at_home(receive(writer.site.world, TEAM, body=more))
    await writer.page.wait_for_selector(f"#timeline > li.message >> nth={before}")


FAULTS: tuple[Callable[[Writer], Awaitable[None]], ...] = (
    reloaded, tab_closed, signed_out_by_timeout, server_gone, answer_lost, new_mail_came,
)  # fmt: skip


@pytest.mark.parametrize("count", [len(FAULTS), pytest.param(1000, marks=pytest.mark.soak)])
async def test_faults_while_writing_lose_no_words_and_make_no_note_twice(
    site: Site, browser: Browser, count: int
) -> None:
    shown = await whole_thread(site.world, [mail("x", name="<a@x.test>")], TEAM)
    chance = random.Random(18)

    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        writer, expected = Writer(site, tab, shown), list[str]()
        await writer.open()
        for number in range(count):
            text = f"Words of note {number:04} are here."
            await writer.type(text)
            fault = FAULTS[number % len(FAULTS)] if number < 12 else chance.choice(FAULTS)
            await fault(writer)
            found = await writer.page.input_value("#note-body")
            assert found == text, (number, fault.__name__, found)
            await writer.page.focus("#note-body")
            await writer.save()
            await writer.page.wait_for_function(IS_EMPTY)
            expected.append(text)
        return expected

    expected = await browser.visit(walk)
    async with site.world.client(SUPPORT) as api:
        notes = (await api.get(NOTES.format(shown.thread_id))).json()
    assert [one["body"] for one in notes] == expected[-1000:]


@pytest.fixture
async def slow_site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that takes twelve calls together, then one a second."""
    engine = Engine("sqlite", EMBEDDED, tmp_path)
    async with open_world(engine, console_rate_per_minute=60) as made, served(made) as site:
        yield site


TOO_MANY = """async (form) => {
  while ((await fetch("/console/keys/")).status !== 429);
  document.querySelector(form).requestSubmit();
}"""


async def test_who_asks_too_often_is_told_when_to_try_again_and_loses_no_words(
    slow_site: Site, browser: Browser
) -> None:
    site = slow_site
    shown = await whole_thread(site.world, [mail("x")], SUPPORT)
    text = "Words that were sent too often."

    async def walk(tab: Tab) -> list[object]:
        await site.enter(tab)
        writer, page, seen = Writer(site, tab, shown), tab.page, list[object]()
        await writer.open()
        await writer.type(text)
        await page.evaluate(TOO_MANY, "#note")
        seen.append(await page.inner_text("h1"))
        seen.append(await page.inner_text(".toast p >> nth=1"))
        seen.append(await page.input_value("[name=body]"))
        site.world.clock.advance(60 * SECOND)
        await page.click("text=Back to the page of the form")
        await page.wait_for_selector("#timeline")
        seen.append(await page.input_value("#note-body"))
        site.world.clock.advance(60 * SECOND)
        await page.goto(f"{site.url}/console/{SUPPORT}/")
        await page.wait_for_selector("[data-htmx-powered]")
        for key in "jh":
            await page.keyboard.press(key)
        await page.fill("#hand-to", AGENT)
        await page.fill("#hand-note", text)
        await page.evaluate(TOO_MANY, "#list")
        seen.append(await page.inner_text("#toasts p >> nth=1"))  # in place
        seen.append(await page.input_value("#hand-note"))
        return seen

    again = "Try again in 1 second."
    stays = f"{again} What you wrote stays on its page."
    assert await browser.visit(walk) == ["Too many requests", again, text, text, stays, text]


async def test_a_form_of_an_earlier_sign_in_leads_back_to_its_page_and_words(
    site: Site, browser: Browser
) -> None:
    shown = await whole_thread(site.world, [mail("x")], SUPPORT)

    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        writer, page = Writer(site, tab, shown), tab.page
        await writer.open()
        await writer.type("From another time")
        site.secrets[MEMBER] = await site.at_home(page_session(site.world, MEMBER))
        await site.enter(tab)
        # Signing out in the other tab removed it.
        await page.evaluate(f"localStorage.clear(); {SUBMIT}")
        seen = [await page.inner_text("h1"), await page.input_value("[name=body]")]
        await page.click("text=Back to the page of the form")
        await page.wait_for_selector("#timeline")
        return [*seen, await page.input_value("#note-body")]

    text = "From another time"
    assert await browser.visit(walk) == ["Not allowed", text, text]


@pytest.mark.parametrize("email", [MEMBER, TENANT_OWNER])
async def test_a_tab_has_the_forms_of_the_next_session_if_it_is_of_the_same_user(
    site: Site, browser: Browser, email: str
) -> None:
    shown = await whole_thread(site.world, [mail("x", name="<a@x.test>")], SUPPORT)

    async def walk(tab: Tab) -> str:
        await site.enter(tab)
        writer, page = Writer(site, tab, shown), tab.page
        await writer.open()
        await writer.type("From another time")
        site.secrets[email] = await site.at_home(page_session(site.world, email))
        await site.enter(tab, email)
        async with page.expect_response(f"**{shown.path}*"):
            await site.at_home(receive(site.world, SUPPORT, body=mail("y", answers="<a@x.test>")))
        if email == MEMBER:
            await page.wait_for_selector("#timeline > li.message >> nth=1")
        await page.evaluate(SUBMIT)
        return await page.inner_text("#done p, h1 + .toast p")

    said = {MEMBER: "Note saved.", TENANT_OWNER: EARLIER}
    assert await browser.visit(walk) == said[email]


async def test_a_draft_tells_when_it_was_written_and_can_be_discarded(
    site: Site, browser: Browser
) -> None:
    shown = await whole_thread(site.world, [mail("x")], SUPPORT)
    other = await whole_thread(site.world, [mail("y")], SUPPORT)
    async with site.world.client(MEMBER) as api:
        zone = {"default_timezone": "Asia/Tokyo"}
        assert (await api.patch(f"/v1/inboxes/{SUPPORT}/", json=zone)).status_code == 200
    begun = datetime.now(ZoneInfo("Asia/Tokyo"))

    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        writer, seen = Writer(site, tab, shown), list[str]()
        await writer.open()
        await writer.type("See @agent")
        await writer.page.wait_for_selector("#options")
        await writer.page.keyboard.press("Enter")
        await writer.page.wait_for_function(IS_KEPT, arg="agent@example.test ")
        await writer.page.goto(site.url + other.path)
        seen.append(await writer.page.input_value("#note-body"))
        await writer.open()
        seen.append(await writer.page.inner_text("#chips"))
        hours.append((await writer.page.inner_text(".restored"))[9:14])
        await writer.page.click("text=Discard")
        seen.append(await writer.page.input_value("#note-body"))
        await writer.page.reload()
        seen.append(await writer.page.input_value("#note-body"))
        await writer.type("Left behind")
        await writer.page.click("text=Sign out")
        await writer.page.wait_for_url("**/console/sign-in/**")
        seen.append(str(await writer.page.evaluate(IS_EMPTY)))
        return seen + tab.log.told

    hours = list[str]()
    seen = await browser.visit(walk, timezone_id="America/New_York")
    assert seen == ["", "agent@example.test ×", "", "", "True"]
    minutes = range(int((datetime.now(begun.tzinfo) - begun).total_seconds()) // 60 + 2)
    assert hours[0] in [f"{begun + timedelta(minutes=one):%H:%M}" for one in minutes]


async def test_a_draft_is_forgotten_after_thirty_days(site: Site, browser: Browser) -> None:
    shown = await whole_thread(site.world, [mail("x")], SUPPORT)

    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        writer = Writer(site, tab, shown)
        await writer.open()
        await writer.type("Long ago")
        await writer.page.evaluate(
            "for (const name of Object.keys(localStorage)) { const one ="
            " JSON.parse(localStorage[name]); one.at -= 31 * 864e5;"
            " localStorage[name] = JSON.stringify(one); }"
        )
        await writer.page.reload()
        return [
            await writer.page.input_value("#note-body"), str(await writer.page.evaluate(IS_EMPTY)),
        ]  # fmt: skip

    assert await browser.visit(walk) == ["", "True"]


# What no page of this release writes: cut short, edited, or of another one.
BROKEN = (
    *("{", "null", "5", '"words"', "[]", "true", '{"text": 5, "at": 5}', '{"text": "x"}'),
    '{"text": "x", "at": "soon", "key": {}}',
)
BREAK = """(entries) => {
  for (const name of Object.keys(localStorage)) localStorage[name] = entries[0];
  entries.forEach((text, at) => {
    localStorage[`draft/usr/inb/thr${at}/note`] = text;
  });
  localStorage["postroom-live"] = '"] a[';
}"""
# As much as there is room for.
FILL = """() => {
  for (let size = 1 << 22, at = 0; size; at += 1)
    try { localStorage[`fill${at}`] = "x".repeat(size); } catch { size >>= 1; }
}"""


@pytest.mark.parametrize("entry", (*BROKEN[:3], BROKEN[-1]))
async def test_what_is_broken_in_the_browsers_store_stops_no_page(
    site: Site, browser: Browser, entry: str
) -> None:
    shown = await whole_thread(site.world, [mail("x", html="<p>x</p>")], SUPPORT)
    text = "Words that are kept."

    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        writer, page = Writer(site, tab, shown), tab.page
        await writer.open()
        await writer.type("To be broken")
        await page.evaluate(BREAK, [entry, *BROKEN])
        await page.evaluate("(text) => { sessionStorage.list = text; }", entry)
        await writer.open()
        seen = [await page.input_value("#note-body"), str(await page.evaluate(IS_EMPTY))]
        await page.wait_for_selector("[data-htmx-powered]")
        for key in "jv":  # the next thread: there is none
            await page.keyboard.press(key)
        await page.wait_for_selector("[data-view=html][aria-current]")
        await writer.type(text)
        await page.reload()
        await page.wait_for_selector("[data-view=html][aria-current]")  # as it was chosen
        seen.append(await page.input_value("#note-body"))
        await page.evaluate("(text) => { sessionStorage.list = text; }", entry)
        await page.goto(f"{site.url}/console/{SUPPORT}/")
        await page.wait_for_selector("[data-htmx-powered]")
        await page.keyboard.press("j")
        await page.wait_for_selector("a.open:focus")
        return seen + tab.log.told

    assert await browser.visit(walk) == ["", "True", text]


async def test_a_full_store_of_the_browser_costs_drafts_and_nothing_else(
    site: Site, browser: Browser
) -> None:
    shown = await whole_thread(site.world, [mail("x", html="<p>x</p>")], SUPPORT)
    text = "Words, " * 200

    async def walk(tab: Tab) -> list[object]:
        await site.enter(tab)
        writer, page = Writer(site, tab, shown), tab.page
        await writer.open()
        await page.wait_for_selector("[data-htmx-powered]")
        await page.evaluate(FILL)
        await page.fill("#note-body", text)
        seen: list[object] = [await page.evaluate(IS_EMPTY)]
        await page.click("[data-view=html]")
        await page.wait_for_selector("[data-view=html][aria-current]")
        seen.append(await page.input_value("#note-body") == text)
        await page.focus("#note-body")
        await writer.save()
        return [*seen, *tab.log.told]

    assert await browser.visit(walk) == [True, True]
