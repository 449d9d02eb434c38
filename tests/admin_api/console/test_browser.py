"""The page in a real browser: no request elsewhere, no message, no fault for axe."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Request

from tests.admin_api.console.conftest import Site
from tests.builders import MEMBER, PASSWORD
from tests.support.browser import SECONDS, Browser, Tab

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
NARROW: dict[str, Any] = {"viewport": {"width": 360, "height": 700}}
MODES = {
    "light and wide": WIDE,
    "dark and narrow": NARROW | {"color_scheme": "dark"},
    "dark and wide": WIDE | {"color_scheme": "dark"},
    "light and narrow": NARROW,
    "forced colours": WIDE | {"forced_colors": "active"},
}
SHORT = ("dark and narrow",)
# Pages for axe: path, whether somebody is signed in.
SHOWN = [
    ("/console/?all=1", True),
    ("/console/settings/", True),
    ("/console/nowhere/at/all/", True),
    ("/console/sign-in/", False),
    ("/console/enter/?code=prl_x", False),
]
CANARY = "<script>fetch('/canary')</script><img src=x onerror=\"fetch('/canary')\">"


@pytest.mark.parametrize(
    "mode",
    [one if one in SHORT else pytest.param(one, marks=pytest.mark.soak) for one in MODES],
)
async def test_axe_finds_no_fault_and_nothing_scrolls_sideways(
    site: Site, browser: Browser, mode: str
) -> None:
    async def walk(tab: Tab) -> dict[str, object]:
        found: dict[str, object] = {}
        for path, inside in SHOWN:
            if inside:
                await site.enter(tab)
            else:
                await tab.context.clear_cookies()
            await tab.page.goto(site.url + path)
            width = "document.documentElement.scrollWidth - innerWidth"
            found[path] = (await tab.faults(), max(0, await tab.page.evaluate(width)))
        return found

    assert await browser.visit(walk, **MODES[mode]) == {path: ([], 0) for path, _ in SHOWN}


async def test_a_walk_by_keyboard_through_sign_in_settings_and_sign_out(
    site: Site, browser: Browser
) -> None:
    async def walk(tab: Tab) -> list[str]:
        page, seen = tab.page, []
        await page.goto(site.url + "/")
        await page.wait_for_selector("#email:focus")  # with the first frame, behind `load`
        await page.keyboard.type(MEMBER)
        await page.keyboard.press("Tab")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#wrong")
        await page.wait_for_selector("#password:focus")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/support@example.test/")
        seen.append(await page.inner_text("h1"))
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("document.activeElement.className"))
        await page.goto(site.url + "/console/settings/")
        await page.select_option("#theme", "dark")
        await page.click("text=Save")
        seen.append(await page.get_attribute("html", "data-theme") or "")
        await page.click("text=Sign out")
        await page.wait_for_url("**/console/sign-in/")
        await page.go_back()
        seen.append(await page.inner_text("h1"))  # no page of before
        seen.append(repr([one for one in tab.log.told if "401" not in one]))
        seen.append(repr(tab.log.foreign(site.url)))
        return seen

    assert await browser.visit(walk) == [
        "Inbox", "skip", "dark", "Sign in", "[]", "[]",
    ]  # fmt: skip


async def test_the_same_works_without_scripts(site: Site, browser: Browser) -> None:
    async def walk(tab: Tab) -> str:
        page = tab.page
        await page.goto(site.url + "/console/settings/")
        await page.fill("#email", MEMBER)
        await page.fill("#password", PASSWORD)
        await page.click("button:text('Sign in')")
        await page.wait_for_url("**/console/settings/")
        await page.select_option("#keys", "off")
        await page.click("text=Save")
        return await page.get_attribute("html", "data-keys") or ""

    assert await browser.visit(walk, java_script_enabled=False) == "off"


@contextlib.asynccontextmanager
async def another_site(html: str) -> AsyncIterator[str]:
    """A page of a stranger, on another port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n{html}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def test_a_strangers_page_changes_nothing_and_frames_nothing(
    site: Site, browser: Browser
) -> None:
    """Another port of this machine: the cookie comes along, as for a site of the same name."""
    target = f"{site.url}/console/settings/look/"
    html = (
        f'<form id=f method=post action="{target}" target=out><input name=theme value=dark></form>'
        f'<iframe name=out></iframe><iframe id=page src="{site.url}/console/settings/"></iframe>'
        f'<img src="{site.url}/console/settings/">'
        f"<script>f.submit(); fetch('{target}', {{method: 'POST', mode: 'no-cors',"
        " credentials: 'include', headers:"
        " {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'theme=dark'});</script>"
    )

    async def walk(tab: Tab) -> tuple[str, list[int], list[str]]:
        await site.enter(tab)
        answers, ended, both = list[int](), list[str](), asyncio.Event()

        def end(request: Request) -> None:
            """Note the end of what the form and the script sent, refused in its frame or not."""
            ended.extend([request.url] * (request.method == "POST"))
            if len(ended) == 2:
                both.set()

        tab.page.on(
            "response",
            lambda one: answers.append(one.status) if one.request.method == "POST" else None,
        )
        tab.page.on("requestfinished", end)
        tab.page.on("requestfailed", end)
        async with another_site(html) as url:
            await tab.page.goto(url)
            await asyncio.wait_for(both.wait(), SECONDS)
        framed = [await one.content() for one in tab.page.frames if "settings/" in one.url]
        cookies = [one["name"] for one in await tab.context.cookies()]
        return (str([MEMBER in one for one in framed if one]), answers, cookies)

    shown, answers, cookies = await browser.visit(walk)
    assert "True" not in shown
    assert set(answers) == {403}
    assert cookies == [f"postroom-{site.port}"]


async def test_names_that_are_scripts_are_shown_as_text(site: Site, browser: Browser) -> None:
    async def walk(tab: Tab) -> tuple[list[str], list[str], str]:
        page = tab.page
        await site.enter(tab, "olga@people.test")
        await page.goto(site.url + "/console/settings/")
        await page.fill("#name", CANARY[:200])
        async with page.expect_navigation():
            await page.click("h2:text('Name') + form button")
        shown = await page.input_value("#name")
        await page.goto(f"{site.url}/console/sign-in/?next=/console/%22%3E{CANARY}")
        await page.goto(f"{site.url}/console/%3Cscript%3E/x/")
        return (
            [one for one in tab.log.urls if "canary" in one.partition("?")[0]],
            [one for one in tab.log.told if "404" not in one],
            shown,
        )

    assert await browser.visit(walk) == ([], [], CANARY[:200])
