"""Several tabs of one browser, its Back button, and a list loaded with a thread beside it."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, Route

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.test_list_browser import PATH, enter, many, subject
from tests.admin_api.console.test_thread_browser import WIDE
from tests.admin_api.console.threads import mail
from tests.builders import MEMBER, PASSWORD, SUPPORT, receive
from tests.support.browser import Browser, Tab

LATER = mail("x", subject="Later", to=SUPPORT)


async def opened(page: Page, name: str) -> None:
    """Wait until the thread beside the list is there, listens, and is named in the address."""
    await page.frame_locator("#pane").locator(f"h1 bdi:text-is('{name}')").wait_for()
    await page.frame_locator("#pane").locator("[data-htmx-powered]").first.wait_for()
    await page.wait_for_function("() => document.activeElement.id === 'pane'")


async def test_back_closes_the_thread_beside_its_list_and_forward_opens_it(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 3)

    async def walk(tab: Tab) -> list[object]:
        page, press, seen = tab.page, tab.page.keyboard.press, list[object]()
        await enter(site, tab)
        await press("j")
        await press("Enter")
        await opened(page, "Letter 2")
        await page.reload()
        await opened(page, "Letter 2")
        first = page.url
        await press("j")  # after the reload, too, the list's next
        await opened(page, "Letter 1")
        await page.wait_for_url(lambda url: url != first)
        await page.go_back()
        await opened(page, "Letter 2")
        await page.go_back()
        await page.wait_for_selector("body:not(.beside) a.open:focus")
        seen += [page.url, await page.locator("#pane").count(), await subject(page)]
        await page.go_forward()
        await opened(page, "Letter 2")
        await press("Control+k")  # finds what is of the list, too
        await page.keyboard.type("flagged")
        await press("Enter")
        await page.wait_for_url("**/?view=flagged")
        await page.go_back()
        await opened(page, "Letter 2")
        await page.focus("#rows > .row >> nth=0 >> a.open")  # from the list, too
        await press("Escape")
        await page.wait_for_selector("body:not(.beside) #rows a.open:focus")
        await press("Enter")
        await opened(page, "Letter 2")
        await press("u")
        await page.wait_for_selector("body:not(.beside) a.open:focus")
        return [*seen, page.url, *tab.log.told]

    at = site.url + PATH
    assert await browser.visit(walk, **WIDE) == [at, 0, "Letter 2", at]


async def other_tab(tab: Tab) -> Page:
    """One more tab of the same browser."""
    page = await tab.context.new_page()
    page.on("console", lambda one: tab.log.told.append(f"{one.type}: {one.text}"))
    return page


async def test_who_signs_out_in_one_tab_is_told_in_all_and_live_again_with_the_next_session(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        other = await other_tab(tab)
        async with page.expect_response("**/console/live/**"):  # this tab has the stream
            await enter(site, tab)
        await other.goto(site.url + PATH)
        await other.click("#rows a.open")
        await opened(other, "Letter 0")
        await page.click("text=Sign out")
        await other.wait_for_selector("#signed-out")
        await other.wait_for_selector("#dialog[open] #password")
        beside = other.frame_locator("#pane").locator("#signed-out, #dialog[open]")
        seen: list[object] = [await beside.count()]
        await page.fill("#email", MEMBER)
        await page.fill("#password", PASSWORD)
        await page.click("button:text-is('Sign in')")
        await page.wait_for_selector("#rows")
        await site.at_home(receive(site.world, SUPPORT, body=LATER))
        await page.wait_for_selector("#rows .subject:text-is('Later')")
        # The other tab goes on, with the forms of the new session.
        await other.wait_for_selector("body:not(:has(#signed-out, #dialog[open]))")
        await other.click("#rows .pick >> nth=1")
        await other.click("#acts [value=archive]")
        await other.wait_for_selector("#done:has-text('1 thread archived')")
        # 401: signed out; 403: a mark as read that was on its way with the old form.
        return [*seen, *(one for one in tab.log.told if "401" not in one and "403" not in one)]

    assert await browser.visit(walk, **WIDE) == [0]


async def test_a_tab_has_what_came_while_it_was_made(site: Site, browser: Browser) -> None:
    await many(site.world, 1)

    async def walk(tab: Tab) -> list[str]:
        page, released = tab.page, asyncio.Event()

        async def held(route: Route) -> None:
            await released.wait()
            await route.continue_()

        # This tab has the stream, and has asked what it missed.
        async with page.expect_response("**/?follow=*"):
            await enter(site, tab)
        other = await other_tab(tab)
        await other.route("**/live.js", held)
        await other.goto(site.url + PATH, wait_until="commit")
        await other.wait_for_selector("#rows > .row")
        await site.at_home(receive(site.world, SUPPORT, body=LATER))
        await page.wait_for_selector("#rows .subject:text-is('Later')")
        released.set()
        await other.wait_for_selector("#rows .subject:text-is('Later')")
        return tab.log.told

    assert await browser.visit(walk, **WIDE) == []


async def test_a_page_that_was_refused_asks_for_nothing_more(site: Site, browser: Browser) -> None:
    async def walk(tab: Tab) -> list[str]:
        await site.enter(tab)
        await tab.page.goto(f"{site.url}{PATH}threads/thr_0/")
        await tab.page.wait_for_timeout(1600)
        return [url for url in tab.log.urls if "/static/" not in url]

    assert await browser.visit(walk, **WIDE) == [f"{site.url}{PATH}threads/thr_0/"]
