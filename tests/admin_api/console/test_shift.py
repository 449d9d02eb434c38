"""Nothing that is shown moves by itself: each layout shift that a browser reports is a fault."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.values import Endpoint
from storage.engines.opening import EMBEDDED
from tests.admin_api.console.conftest import Site, served
from tests.admin_api.console.test_list_browser import PATH, many
from tests.admin_api.console.test_thread_browser import MIDDLE, NARROW, WIDE
from tests.admin_api.console.threads import HTML, mail, whole_thread
from tests.builders import SUPPORT, TEAM, open_world, receive
from tests.support.browser import Browser, Tab
from tests.support.engines import Engine

# Of each shift: its value, and what moved from where to where. Not in the frame of a mail: what it
# would do there later is blocked, and the browser says so.
WATCH = """
window.shifts = [];
const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ");
const name = (node) => !node ? "gone" : node.parentElement?.closest("#rows") ? "row" :
  node.id || node.className || `${node.nodeName} in ${name(node.parentElement)}`;
if (self === top) new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries())
    if (!hadRecentInput) window.shifts.push(`${value}: ` + sources.map((one) =>
      `${name(one.node)} from ${box(one.previousRect)} to ${box(one.currentRect)}`).join(", "));
}).observe({ type: "layout-shift", buffered: true });
"""
# By then the page has asked what is new, and marked what was read: both come after a second.
SETTLED = 1600
PICTURE = Path(__file__).parents[3] / "docs" / "console-phone.png"
ANSWER = mail("Too dear.", sender="a@shop.test", subject="Offers", answers="<o@shop.test>")
SLOW = {"latency": 100, "downloadThroughput": 40_000, "uploadThroughput": 40_000}


@pytest.fixture
async def sending_site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that sends: its threads end in the form of an answer."""
    engine, smarthost = Engine("sqlite", EMBEDDED, tmp_path), Endpoint("127.0.0.1", 1)
    async with open_world(engine, smarthost=smarthost) as made, served(made) as site:
        yield site


async def shifts(page: Page) -> list[str]:
    """What moved on the page since it was opened, or since the last time."""
    await page.wait_for_timeout(SETTLED)
    found: list[str] = await page.evaluate("shifts.splice(0)")
    return found


def web_page() -> bytes:
    """A letter that is HTML alone, with a picture: a browser learns late how high they are."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Shop <news@shop.test>", TEAM, "Offers"
    made["Message-ID"] = "<o@shop.test>"
    made.set_content("<h1>Offers</h1>" + "<p>A pump.</p>" * 8, subtype="html")
    made.add_attachment(PICTURE.read_bytes(), maintype="image", subtype="png", filename="p.png")
    return made.as_bytes().replace(b"\n", b"\r\n")


async def patient(route: Route) -> None:
    """Have what waits for the frame of a mail wait longer: a busy machine may take two seconds."""
    answer = await route.fetch()
    style = (await answer.text()).replace("appear 0s 2s", "appear 0s 60s")
    assert style.count("appear 0s 60s") == 2
    await route.fulfill(response=answer, body=style)


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "size", [WIDE, pytest.param(MIDDLE, marks=pytest.mark.soak), NARROW], ids=str
)
async def test_no_page_moves_as_it_comes(
    sending_site: Site, browser: Browser, size: dict[str, Any], slow: bool
) -> None:
    site = sending_site
    await many(site.world, 30)
    web = await whole_thread(site.world, [web_page(), ANSWER], TEAM)
    parts = mail("y", name="<b@x.test>", html=HTML, sender="Ann <ann@both.test>")
    both = await whole_thread(site.world, [parts], TEAM)
    short = await whole_thread(site.world, [mail("x", name="<a@x.test>")], TEAM)
    paths = [
        PATH,
        f"{PATH}?q=letter",
        f"{PATH}?open={short.thread_id}",
        f"{web.path}?view=html",
        web.path,
        short.path,
    ]

    async def walk(tab: Tab) -> dict[str, list[str]]:
        page, found = tab.page, dict[str, list[str]]()
        await page.add_init_script(WATCH)
        await site.enter(tab)
        if slow:
            cdp = await tab.context.new_cdp_session(page)
            await cdp.send("Network.enable")
            await cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
            await cdp.send("Network.emulateNetworkConditions", {"offline": False, **SLOW})
            await cdp.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        for path in paths:
            await page.goto(site.url + path, wait_until="load")
            found[path] = await shifts(page)
        # Once more, with a draft to put back that mentions somebody, and HTML, which was chosen.
        await page.goto(site.url + both.path, wait_until="load")
        await page.focus("#note-body")
        await page.keyboard.type("See @sal")
        await page.wait_for_selector("#options")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#chips .chip")
        if not slow:  # after two seconds what waits for a frame is shown all the same
            await page.route("**/page.css", patient)
            async with page.expect_response("**/html/"):
                await page.click("[data-view=html]")
        await page.reload(wait_until="load")
        await page.wait_for_selector(".restored")
        await page.wait_for_selector("#chips .chip")
        assert await page.locator("iframe.mail").count() == (0 if slow else 1)
        found["draft"] = await shifts(page)
        return {one: moved for one, moved in {**found, "told": tab.log.told}.items() if moved}

    assert await browser.visit(walk, **size) == {}


@dataclass
class InTwo:
    """The app, whose answers that hold `end` come in pieces: to there, and 0.3 s later the rest."""

    app: ASGIApp
    end: bytes
    cuts: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def cut(message: Message) -> None:
            first, end, rest = message.get("body", b"").partition(self.end)
            if end:
                self.cuts += 1
                await send({**message, "body": first + end, "more_body": True})
                await asyncio.sleep(0.3)
                message = {**message, "body": rest}
            await send(message)

        if "headers" in scope:  # what is packed has no ends to find
            plain = [one for one in scope["headers"] if one[0] != b"accept-encoding"]
            scope = {**scope, "headers": plain}
        await self.app(scope, receive, cut)


@pytest.mark.parametrize("end", ['class="chip list"', 'class="message'])
async def test_nothing_is_shown_of_a_page_until_it_is_there(
    sending_site: Site, browser: Browser, end: str
) -> None:
    world = sending_site.world
    pieces = InTwo(world.app, end.encode())
    shown = await whole_thread(world, [web_page(), ANSWER], TEAM)
    async with served(world, pieces) as site:

        async def walk(tab: Tab) -> list[str]:
            await tab.page.add_init_script(WATCH)
            await site.enter(tab)
            await tab.page.goto(site.url + (PATH if "chip" in end else shown.path))
            return await shifts(tab.page)

        assert await browser.visit(walk, **NARROW) == []
    assert pieces.cuts  # a row that comes live is one, too


TOP = "document.activeElement.getBoundingClientRect().top"


@pytest.mark.parametrize("scrolled", [False, True])
async def test_a_field_that_is_written_in_stays_where_it_is_when_mail_comes(
    site: Site, browser: Browser, scrolled: bool
) -> None:
    letters = [mail("x\n" * 30, name="<a@x.test>"), mail("y\n" * 12, answers="<a@x.test>")]
    shown = await whole_thread(site.world, letters[: 1 + scrolled], TEAM)

    async def walk(tab: Tab) -> list[float]:
        page = tab.page
        await page.add_init_script(WATCH)
        await site.enter(tab)
        await page.goto(site.url + shown.path, wait_until="load")
        await page.wait_for_timeout(SETTLED)
        await page.focus("#note-body")
        if scrolled:
            await page.evaluate("scrollBy(0, 60)")
        seen = [await page.evaluate(TOP)]
        for _ in range(2):
            before = await page.locator("#timeline > li.message").count()
            more = mail("More", answers="<a@x.test>")
            await site.at_home(receive(site.world, TEAM, body=more))
            await page.wait_for_selector(f"#timeline > li.message >> nth={before}")
            seen.append(await page.evaluate(TOP))
        assert (await page.evaluate("scrollY") > 60) or not scrolled
        return seen

    first, *later = await browser.visit(walk, **WIDE)
    assert later == [pytest.approx(first, abs=1)] * 2


async def test_new_mail_moves_rows_only_and_none_under_the_pointer(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 9)

    async def come(page: Page, number: int, shown: str) -> list[str]:
        body = mail("x", subject=f"New {number}", to=SUPPORT)
        await site.at_home(receive(site.world, SUPPORT, body=body))
        await page.wait_for_selector(shown)
        return await shifts(page)

    async def walk(tab: Tab) -> list[list[str]]:
        page, top = tab.page, "#rows > :first-child:has-text('New {}')"
        await page.add_init_script(WATCH)
        await site.enter(tab)
        await page.goto(site.url + PATH, wait_until="load")
        seen = [await shifts(page)]
        seen += [await come(page, number, top.format(number)) for number in (1, 2)]
        await page.hover("#rows > .row >> nth=3")
        seen += [
            await come(page, number, f"#live-bar:has-text('{number - 2} new')") for number in (3, 4)
        ]
        return seen

    for size in (WIDE, NARROW):
        before, *pushed, third, fourth = await browser.visit(walk, **size)
        assert (before, third, fourth) == ([], [], [])
        # A new row pushes the others down, once; the counts of the views keep their places.
        for (one,) in pushed:
            assert set(re.findall(r"(\w[^,:]*) from", one)) == {"row"}, one
