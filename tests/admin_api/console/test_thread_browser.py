"""The page of a thread in a real browser: keys, frames, hostile mail, two people at once."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.threads import Shown, busy_thread, mail, parsed, whole_thread
from tests.builders import MEMBER, SALES, SUPPORT, TEAM, TENANT_OWNER, receive, receive_all
from tests.support.browser import Browser, Tab
from tests.support.checks import check
from tests.support.mutants import mutants, seeds

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
MIDDLE: dict[str, Any] = {"viewport": {"width": 768, "height": 900}}
NARROW: dict[str, Any] = {"viewport": {"width": 390, "height": 800}}
DARK: dict[str, Any] = {"color_scheme": "dark"}
MODES = {
    "light, wide": WIDE,
    "dark, narrow": NARROW | DARK,
    "dark, middle": MIDDLE | DARK,
    "light, narrow": NARROW,
}
IN_FRAME = """
async (paths) => {
  const shown = [];
  for (const path of paths) {
    const frame = document.createElement("iframe");
    frame.className = "mail";
    frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    frame.referrerPolicy = "no-referrer";
    frame.src = path;
    const loaded = new Promise((done) => { frame.onload = done; });
    document.getElementById("timeline").append(frame);
    await loaded;
    shown.push(frame.style.blockSize ? frame.clientHeight : -1);
    frame.remove();
  }
  return shown;
}
"""


_IS_BELOW = """
() => {
  const [field, options] = ["note-body", "options"].map(
    (id) => document.getElementById(id).getBoundingClientRect());
  return options.top >= field.bottom - 1;
}
"""


async def enter(site: Site, tab: Tab, shown: Shown, email: str = MEMBER) -> None:
    await site.enter(tab, email, leaves=True)
    await tab.page.goto(site.url + shown.path)
    if tab.page.url == site.url + shown.path and await tab.page.evaluate("!!window.htmx"):
        await tab.page.wait_for_selector("[data-htmx-powered]")


async def settled(page: Page) -> None:
    """Wait until a page that tells of an act is there, with its scripts."""
    await page.wait_for_selector("#done")
    await page.wait_for_load_state("load")


# Keys, and what is there of the thread of everything once each has done its work.
OPENED = (
    ("v", "[data-view=html][aria-current]"),
    ("v", "[data-view=headers][aria-current]"),
    ("w", "[data-view=why][aria-current]"),
    ("h", ".drop[open] #hand-to:focus"),
)


async def found_by_axe(
    tab: Tab, keys: tuple[tuple[str, str], ...] = (), *, at_first: bool = True
) -> list[object]:
    """The faults of the page and those after each key; one that scrolls sideways is one."""
    found: list[object] = [*await tab.faults()] if at_first else []
    for key, selector in keys:
        await tab.page.keyboard.press(key)
        await tab.page.wait_for_selector(selector)
        await tab.page.wait_for_selector("iframe.mail:not([data-fits])", state="detached")
        found += await tab.faults()
    if await tab.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    return found


async def test_axe_finds_no_fault_in_full_and_empty_threads(site: Site, browser: Browser) -> None:
    full = await busy_thread(site.world)
    empty = await whole_thread(site.world, [mail("", subject="", sender=SALES)], SUPPORT)

    async def walk(tab: Tab) -> list[object]:
        await enter(site, tab, full)
        found = await found_by_axe(tab, OPENED, at_first=False)
        await tab.page.set_viewport_size(NARROW["viewport"])
        await tab.page.emulate_media(**DARK)
        found += await found_by_axe(tab)
        await enter(site, tab, empty)
        found += await found_by_axe(tab)
        return [*found, *tab.log.told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **WIDE) == []


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
async def test_axe_finds_no_fault_in_any_mode(site: Site, browser: Browser, mode: str) -> None:
    full = await busy_thread(site.world)
    empty = await whole_thread(site.world, [mail("", subject="", sender=SALES)], SUPPORT)

    async def walk(tab: Tab) -> list[object]:
        found: list[object] = []
        for shown, keys in ((full, OPENED), (empty, OPENED[1:])):  # which has no HTML
            await enter(site, tab, shown)
            found += await found_by_axe(tab, keys)
        return [*found, *tab.log.told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **MODES[mode]) == []


async def test_handing_off_with_a_note_takes_five_keys_and_the_text(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[str]:
        page = tab.page
        await enter(site, tab, shown)
        await page.keyboard.press("h")
        await page.keyboard.type("ag")
        await page.wait_for_selector("#options")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Please call her.")
        await page.keyboard.press("Control+Enter")
        await settled(page)
        handed = await page.inner_text("#done p")
        note = await page.locator("#timeline > li.internal").last.inner_text()
        await page.keyboard.press("i")
        await page.wait_for_selector("#done >> text=Assigned to support")
        await settled(page)
        await page.keyboard.press("z")
        await page.wait_for_selector("#done >> text=Assigned to agent")
        await settled(page)
        await page.keyboard.press("a")
        await page.keyboard.type("sa")
        await page.wait_for_selector("#options")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#done >> text=Assigned to Sales")
        return [handed, note, *tab.log.told]

    handed, note = await browser.visit(walk, **WIDE)
    assert handed == "Handed off to agent@example.test."
    assert "Please call her." in note
    assert "agent@example.test" in note


@pytest.mark.parametrize("scripts", [True, False])
async def test_deleting_a_note_asks_in_a_dialog_that_names_it(
    site: Site, browser: Browser, scripts: bool
) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab, shown)
        ask, dialog = (
            page.locator("#timeline button:text-is('Delete')"),
            page.locator("dialog >> nth=0"),
        )
        await ask.focus()
        await page.keyboard.press("Enter")
        seen.append((await dialog.inner_text()).split("\n\n")[1])
        seen.append(await page.evaluate("document.activeElement.textContent"))
        if scripts:
            seen += await tab.faults()
            await page.keyboard.press("e")  # no key of the page
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="hidden")
        seen.append(await page.evaluate("document.activeElement.textContent"))
        await page.keyboard.press("Enter")
        await dialog.locator("text=Keep it").click()
        seen.append(await page.locator("#timeline > li.internal").count())
        await ask.click()
        await dialog.locator("text=Delete the note").click()
        await page.wait_for_selector("#done >> text=Note deleted.")
        return [*seen, await page.locator("#timeline > li.internal").count(), *tab.log.told]

    assert await browser.visit(walk, java_script_enabled=scripts, **WIDE) == [
        "Sales, please look at this.", "Keep it", "Delete", 1, 0,
    ]  # fmt: skip


async def test_a_mention_is_a_chip_and_a_typed_address_is_offered(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[str]:
        page, seen = tab.page, list[str]()
        await enter(site, tab, shown)
        await page.keyboard.press("n")
        await page.keyboard.type("See @")
        seen.append(" ".join(await page.locator("#options bdi + bdi").all_inner_texts()))
        await page.keyboard.type("ag")
        await page.wait_for_selector("#options >> text=agent@example.test")
        seen += await tab.faults()
        assert await page.evaluate(_IS_BELOW), "the list covers what is written"
        seen.append(await page.inner_text("#options .faint"))
        await page.keyboard.press("Enter")
        seen.append(await page.input_value("#note-body"))
        seen.append(await page.inner_text("#opens-now"))
        await page.keyboard.type("and @sales@example.test, @nobody@example.test")
        seen.append(await page.inner_text("#offers"))
        seen.append(await page.input_value("#note-mentions"))
        await page.click("#offers button")
        seen.append(await page.evaluate("document.activeElement.id"))
        seen.append(await page.input_value("#note-mentions"))
        seen.append(await page.inner_text("#opens-now"))
        await page.click("#chips button >> nth=0")
        seen.append(await page.input_value("#note-mentions"))
        await page.focus("#note-body")
        await page.keyboard.press("Control+Enter")
        await settled(page)
        seen.append(await page.locator("#timeline > li.internal").last.locator(".to").inner_text())
        return seen + tab.log.told

    assert await browser.visit(walk, **WIDE) == [
        "Sales@example.test agent@example.test",
        "will be given these 3 messages",
        "See @agent@example.test ",
        "agent@example.test will be given these 3 messages.",
        "Mention Sales@example.test?",
        "agent@example.test",
        "note-body",
        "agent@example.test, Sales@example.test",
        "Sales@example.test has a copy. agent@example.test will be given these 3 messages.",
        "Sales@example.test",
        "Mentions Sales@example.test",
    ]


async def test_an_open_message_that_was_not_read_yet_comes_by_itself(
    site: Site, browser: Browser
) -> None:
    message_id = await receive(site.world, SUPPORT, body=mail("At last."))
    async with site.world.client(SUPPORT) as api:
        found = (await api.get(f"/v1/messages/{message_id}/")).json()
    shown = Shown(SUPPORT, found["thread_id"], [message_id])

    async def walk(tab: Tab) -> list[str]:
        await enter(site, tab, shown)
        before = await tab.page.inner_text(".fact.pending")
        await site.at_home(parsed(site.world))
        await site.at_home(check(site.world, message_id, "verified"))
        await tab.page.wait_for_selector(f"#i-{message_id} .text >> text=At last.")
        return [before, *tab.log.told]

    expected = ["Not read yet: its text comes in a moment."]
    assert await browser.visit(walk, **WIDE) == expected


async def test_a_template_goes_into_the_note_and_the_header_is_filtered(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)
    async with site.world.client(TENANT_OWNER) as api:
        made = {"name": "Late", "subject": "", "body": "Dear {first_name}, {why}."}
        assert (await api.post("/v1/templates/", json=made)).status_code == 201

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab, shown)
        await page.fill("#note-body", "First.")
        await page.click("text=Fill in")
        await page.wait_for_selector("#filled mark")
        await page.wait_for_selector("[data-htmx-powered]")
        seen.append(await page.inner_text("#filled"))
        await page.click("text=Insert into the note")
        seen.append(await page.input_value("#note-body"))
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.click("button:text-is('Copy')")
        await page.wait_for_selector("#say:has-text('Copied')", state="attached")
        seen.append(await page.evaluate("navigator.clipboard.readText()"))
        message = f"#i-{shown.message_ids[2]}"
        await page.click(f"{message} a:text-is('Headers')")
        await page.fill(f"{message} [name=field]", "mime-v")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f"{message} .headers tbody:not(:has(tr + tr))")
        seen.append(await page.inner_text(f"{message} .headers tbody th"))
        seen.append(await page.evaluate("document.activeElement.name"))
        return [*seen, *await tab.faults(), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [
        "Dear Grace, {why}.", "First.\nDear Grace, {why}.", "Dear Grace, {why}.",
        "MIME-Version", "field",
    ]  # fmt: skip


async def test_the_work_is_done_without_scripts(site: Site, browser: Browser) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[str]:
        page, seen = tab.page, list[str]()
        await enter(site, tab, shown)
        await page.fill("#note-body", "By hand.")
        await page.fill("#note-mentions", SALES)
        await page.click("text=Save the note")
        seen.append(await page.inner_text("#done p"))
        await page.click("summary:text-is('Assign')")
        await page.fill("#assign-to", SALES)
        await page.click("#acts button:text-is('Assign')")
        seen.append(await page.inner_text("#done p"))
        await page.click("text=Undo")
        await page.click("#acts button:text-is('Close')")
        seen.append(await page.inner_text("#done p"))
        await page.click(f"#i-{shown.message_ids[2]} a:text-is('HTML')")
        frame = page.frame_locator("iframe.mail")
        seen.append(await frame.locator("h2").inner_text())
        await page.click("text=Back to the thread")
        seen.append(await page.inner_text("h1"))
        return seen + tab.log.told

    assert await browser.visit(walk, java_script_enabled=False, **WIDE) == [
        "Note saved.",
        f"Assigned to {SALES}.",
        "Closed for everybody, archived for you.",
        "Our offer",
        "Renewal of our contract",
    ]


async def test_open_messages_are_marked_as_read_and_others_are_walked_by_keys(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await enter(site, tab, shown)
        await page.wait_for_selector("#timeline:not(:has(.unread))")
        await page.reload()
        folded = await page.locator("#timeline details.quote, li.message > details[open]").count()
        await page.keyboard.press(".")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f"#i-{shown.message_ids[0]} .text >> text=Does it renew?")
        await page.keyboard.press(";")
        await page.wait_for_selector(f"#i-{shown.message_ids[1]} >> text=6 quoted lines")
        await page.keyboard.press("v")
        await page.keyboard.press("c")
        await page.wait_for_selector("text=Closed for everybody, archived for you.")
        return [folded, *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [1]
    async with site.world.client(SUPPORT) as api:
        found = (await api.get(f"/v1/messages/threads/{shown.thread_id}/")).json()
    assert (found["unread_count"], found["status"]) == (0, "closed")


async def test_keys_pressed_in_a_frame_are_the_pages(site: Site, browser: Browser) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await enter(site, tab, shown)
        await page.keyboard.press("v")
        await page.wait_for_selector("iframe.mail[data-fits]")  # its begin may be there before
        frame = page.frame_locator("iframe.mail")
        await frame.locator("h2").click()
        high = await page.eval_on_selector("iframe.mail", "(one) => one.clientHeight > 120")
        await page.keyboard.press("n")
        return [high, await page.evaluate("document.activeElement.id"), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [True, "note-body"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [100, pytest.param(1500, marks=pytest.mark.soak)])
async def test_mail_of_all_kinds_asks_for_nothing_in_its_frame(
    busy_site: Site, browser: Browser, count: int
) -> None:
    site = busy_site
    # Two that are the same would be one message, sent again.
    bodies = [*dict.fromkeys([*seeds(), *mutants(2 * count, seed=18)])][:count]
    world = site.world
    shown = await busy_thread(world)
    ids = await receive_all(world, SUPPORT, bodies=bodies)
    await parsed(world)
    paths = [Shown(SUPPORT, shown.thread_id, [one]).message(0, "html/") for one in ids]

    async def walk(tab: Tab) -> tuple[list[int], list[str], list[str], bool]:
        async with tab.page.expect_response("**/console/live/**"):
            await enter(site, tab, shown)
        title, begun = await tab.page.title(), len(tab.log.urls)
        high: list[int] = []
        for start in range(0, len(paths), 100):
            high += await tab.page.evaluate(IN_FRAME, paths[start : start + 100])
        own = tuple(site.url + path.removesuffix("html/") for path in paths)
        pictures = ("html/", "attachments/")
        strange = [
            url
            for url in tab.log.urls[begun:]
            if not url.startswith(("data:", site.url + shown.path))  # the page follows by itself
            and not (url.startswith(own) and any(one in url for one in pictures))
        ]
        return high, strange, tab.log.told, await tab.page.title() == title

    high, strange, told, same = await browser.visit(walk, **WIDE)
    assert (strange, told, same) == ([], [], True)
    assert len(high) == count
    assert min(high) > 0


async def test_two_people_see_each_others_work_and_lose_no_words(
    site: Site, browser: Browser
) -> None:
    shown = await whole_thread(site.world, [mail("x", name="<a@x.test>")], TEAM)
    theirs = Shown(SALES, shown.thread_id, shown.message_ids)

    async def walk(tab: Tab) -> list[object]:
        mine = tab.page
        await enter(site, tab, shown)
        await mine.keyboard.press("n")
        await mine.keyboard.type("I am still writing")
        browser_of_other = await tab.context.browser.new_context()  # type: ignore[union-attr]
        other = Tab(await browser_of_other.new_page(), browser_of_other, tab.log)
        await enter(site, other, theirs, TENANT_OWNER)
        await other.page.keyboard.press("n")
        await other.page.keyboard.type("First!")
        await other.page.keyboard.press("Control+Enter")
        await settled(other.page)
        await other.page.keyboard.press("i")
        await mine.wait_for_selector("#timeline >> text=First!")
        await mine.wait_for_selector("#state >> text=Assigned to Sales")
        more = mail("More mail", answers="<a@x.test>")
        await site.at_home(receive(site.world, TEAM, body=more))
        await mine.wait_for_selector("#timeline > li.message >> nth=1")
        kept = await mine.input_value("#note-body")
        at = await mine.evaluate("document.activeElement.id")
        await mine.keyboard.press("Control+Enter")
        await settled(mine)
        said = await mine.inner_text("#done p")
        await browser_of_other.close()
        return [kept, at, said, await mine.locator("li.internal").count(), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [
        "I am still writing", "note-body",
        "Note saved. Another note came meanwhile; both are here.", 2,
    ]  # fmt: skip
