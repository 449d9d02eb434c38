"""The list in a real browser: keys, the palette, scripts that stay text, axe, and no scripts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.test_thread_browser import DARK, MODES, NARROW, WIDE
from tests.admin_api.console.threads import busy_thread, mail, parsed
from tests.builders import AGENT, MEMBER, SALES, SUPPORT, TENANT_OWNER, World, receive, receive_all
from tests.support.browser import Browser, Tab

PATH = f"/console/{SUPPORT}/"
# Too narrow for a thread beside the list.
IN_PANE = "() => document.activeElement.id === 'pane'"
BESIDE_NOTHING: dict[str, Any] = {"viewport": {"width": 1000, "height": 900}}


async def many(world: World, count: int) -> None:
    """Letters of as many threads, parsed."""
    bodies = [mail(f"Text {n}.", subject=f"Letter {n}", to=SUPPORT) for n in range(count)]
    await receive_all(world, SUPPORT, bodies=bodies)
    await parsed(world)


async def enter(site: Site, tab: Tab, path: str = PATH, email: str = MEMBER) -> None:
    await site.enter(tab, email, leaves=True)
    await tab.page.goto(site.url + path)
    if await tab.page.evaluate("!!window.htmx"):
        await tab.page.wait_for_selector("[data-htmx-powered]")


async def subject(page: Page) -> str:
    """The row with the focus."""
    script = "document.activeElement.querySelector('.subject')?.textContent ?? 'none'"
    return str(await page.evaluate(script))


async def told(page: Page, text: str) -> str:
    """Wait for a toast and for the focus, which the page sets last; the row that has it."""
    await page.wait_for_selector(f"#done >> text={text}")
    await page.wait_for_function("() => document.activeElement !== document.body")
    return await subject(page)


async def scroll_to(page: Page, number: int) -> None:
    """Scroll to a row, by one step in the page: a live update may replace the row at any moment."""
    script = "(number) => document.querySelectorAll('#rows > .row')[number].scrollIntoView()"
    await page.evaluate(script, number)


async def rows(page: Page) -> int:
    """Count the rows once the page is there whole: a click waits for the begin of the next page."""
    await page.wait_for_load_state("load")
    return await page.locator("#rows > .row").count()


async def test_the_list_is_worked_by_keys_alone(site: Site, browser: Browser) -> None:
    await many(site.world, 6)

    async def walk(tab: Tab) -> list[object]:
        page, press, seen = tab.page, tab.page.keyboard.press, list[object]()
        await enter(site, tab)
        for key in "jj":
            await press(key)
        seen.append(await subject(page))
        await press("e")  # of the row with the focus, as none is chosen
        seen.append(await told(page, "1 thread archived"))
        await press("z")
        seen.append(await told(page, "Taken back."))
        for key in "jxjX":
            await press(key)
        seen.append(await page.inner_text("#chosen"))
        await press("s")
        seen.append(await told(page, "2 threads flagged"))
        await press("*")
        await press("a")
        seen.append(await page.inner_text("#chosen"))
        await press("I")
        await told(page, "6 threads marked as read")
        seen.append(await page.title())
        await press("Enter")
        await page.wait_for_url("**/threads/**")
        await page.wait_for_load_state("load")
        first = await page.inner_text("h1")
        await press("j")
        await page.wait_for_function(
            "(text) => (document.querySelector('h1')?.innerText ?? text) != text", arg=first
        )
        await page.wait_for_load_state("load")
        second = await page.inner_text("h1")
        await press("u")
        await page.wait_for_selector("#rows")
        await page.wait_for_selector("a.open:focus")
        seen.append(await subject(page) == second)
        await press("g")
        await press("u")
        await page.wait_for_url("**view=unread")
        seen.append(await page.inner_text(".empty p"))
        await press("/")
        await page.keyboard.type("subject:")
        await page.keyboard.type('"letter 3"')
        await press("Enter")
        await page.wait_for_url("**q=subject**")
        seen.append(await page.locator("#rows .subject").all_inner_texts())
        await press("?")
        await page.wait_for_selector("dialog[open] >> text=Everywhere")
        await press("Escape")
        return [*seen, *tab.log.told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **BESIDE_NOTHING) == [
        "Letter 4", "Letter 3", "Letter 3", "2 chosen", "Letter 1", "6 chosen",
        f"Inbox · {SUPPORT}", True, "Everything in the inbox has been read.", ["Letter 3"],
    ]  # fmt: skip


async def test_a_thread_opens_beside_its_list_where_there_is_room(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 3)

    async def walk(tab: Tab) -> list[object]:
        page, press, seen = tab.page, tab.page.keyboard.press, list[object]()
        frame, title = (
            page.frame_locator("#pane"),
            "(name) => frames[0]?.document.title.startsWith(name)",
        )
        await enter(site, tab)
        await press("j")
        await press("Enter")
        seen.append(await frame.locator("h1").inner_text())
        seen.append(await frame.locator(".views-of, .top").count())
        await page.wait_for_url("**?open=thr_**")
        await frame.locator("[data-htmx-powered]").first.wait_for()
        await page.wait_for_function(IN_PANE)
        first = page.url
        await press("c")
        seen.append(await frame.locator("#done p").inner_text())
        await page.wait_for_selector("#rows:not(:has(> :nth-child(3)))")  # it is archived
        await frame.locator("[data-htmx-powered]").first.wait_for()
        await press("j")
        await page.wait_for_function(title, arg="Letter 1")
        await page.wait_for_url(lambda url: "?open=thr_" in url and url != first)
        await page.reload()
        await page.wait_for_function(title, arg="Letter 1")
        seen += await tab.faults()
        await frame.locator("[data-htmx-powered]").first.wait_for()
        await page.wait_for_function(IN_PANE)
        await press("u")
        await page.wait_for_selector("a.open:focus")
        seen.append(await subject(page))
        seen.append(await page.locator("#pane").count())
        return [*seen, *tab.log.told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **WIDE) == [
        "Letter 2", 0, "Closed for everybody, archived for you.", "Letter 1", 0,
    ]  # fmt: skip


async def test_assigned_and_noted_takes_six_keys_and_the_text(site: Site, browser: Browser) -> None:
    await many(site.world, 2)

    async def walk(tab: Tab) -> list[object]:
        page, press = tab.page, tab.page.keyboard.press
        await enter(site, tab)
        await press("j")  # there already, from work before: not of the six
        keys = ["h", "a", "g", "Enter", "Control+Enter"]
        for key in keys[:3]:
            await press(key)
        await page.wait_for_selector("#options >> text=agent@example.test")
        await press("Enter")
        await page.keyboard.type("Please call them back.")
        await press("Control+Enter")
        at = await told(page, "1 thread handed off to agent@example.test")
        face = await page.locator("#rows .face >> nth=0").get_attribute("aria-label")
        await press("i")  # one key
        await told(page, "1 thread taken")
        for key in "asa":
            await press(key)
        await page.wait_for_selector("#options >> text=Sales@example.test")
        await press("Enter")
        await told(page, "1 thread assigned to Sales@example.test")
        await press("Control+k")
        await page.keyboard.type("assign to nob")
        await press("Enter")
        await told(page, "1 thread assigned to nobody")
        return [len(keys), at, "agent@example.test" in (face or ""), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [5, "Letter 1", True]
    async with site.world.client(SUPPORT) as api:
        found = (await api.get("/v1/messages/threads/")).json()["results"][0]
        notes = (await api.get(f"/v1/messages/threads/{found['thread_id']}/notes/")).json()
    assert [(one["body"], one["mentions"]) for one in notes] == [
        ("Please call them back.", [AGENT])
    ]
    assert found["assignee"] is None


async def test_a_note_to_hand_off_with_survives_no_server_and_a_reload(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)

    async def walk(tab: Tab) -> list[object]:
        page, press, seen = tab.page, tab.page.keyboard.press, list[object]()
        await enter(site, tab)
        for key in "jhag":
            await press(key)
        await page.wait_for_selector("#options")
        await press("Enter")
        await page.keyboard.type("A long thought.")
        await page.context.set_offline(True)
        await press("Control+Enter")
        await page.wait_for_selector("#toasts >> text=cannot be reached")
        seen.append(await page.input_value("#hand-note"))
        await page.context.set_offline(False)
        await page.reload()
        await page.wait_for_selector("[data-htmx-powered]")
        for key in "jhno":
            await press(key)
        await page.keyboard.type("body@example.test")
        await page.focus("#hand-note")
        seen.append(await page.input_value("#hand-note"))
        await press("Control+Enter")
        await page.wait_for_selector(".drop[open] .fault")
        seen.append(await page.input_value("#hand-note"))
        seen.append(await page.evaluate("document.activeElement.id"))
        await page.fill("#hand-to", AGENT)
        await page.focus("#hand-note")
        await press("Control+Enter")
        await told(page, "1 thread handed off")
        seen.append(await page.input_value("#hand-note"))
        seen.append(await page.evaluate("Object.keys(localStorage).length"))
        return seen

    text = "A long thought."
    assert await browser.visit(walk, **WIDE) == [text, text, text, "hand-to", "", 0]


async def test_older_rows_follow_and_an_act_keeps_them(site: Site, browser: Browser) -> None:
    await many(site.world, 120)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab)
        seen.append(await rows(page))
        await scroll_to(page, 49)
        await page.wait_for_selector("#rows > .row >> nth=99")
        await scroll_to(page, 98)
        await page.wait_for_selector("#rows > .row >> nth=119")
        await page.wait_for_selector("#more", state="detached")
        await page.locator("#rows > .row >> nth=90").locator("a.open").focus()
        seen.append(await subject(page))
        await page.keyboard.press("e")
        seen.append(await told(page, "1 thread archived"))
        seen.append(await rows(page))
        await page.goto(site.url + PATH)
        await page.wait_for_selector("[data-htmx-powered]")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("all that match as read")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#done >> text=119 threads marked as read.")  # two steps
        await page.wait_for_function(f"() => document.title === 'Inbox · {SUPPORT}'")
        return [*seen, *tab.log.told]

    expected = [50, "Letter 29", "Letter 28", 119]
    assert await browser.visit(walk, **WIDE) == expected


async def test_back_leads_to_a_row_that_came_later(site: Site, browser: Browser) -> None:
    await many(site.world, 120)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab)
        await scroll_to(page, 49)
        await page.wait_for_selector("#rows > .row >> nth=99")
        for number, back in (
            (90, "history.back()"),
            (70, "document.querySelector('.back a').click()"),
        ):
            await page.locator(f"#rows > .row >> nth={number}").locator("a.open").press("Enter")
            await page.wait_for_selector(f"h1 >> text=Letter {119 - number}")
            await page.wait_for_load_state("load")
            await page.evaluate(back)
            await page.wait_for_selector("#rows a.open:focus")
            seen.append(await subject(page))
        return [*seen, *tab.log.told]

    assert await browser.visit(walk, **BESIDE_NOTHING) == ["Letter 29", "Letter 49"]


async def test_back_leads_to_a_row_though_older_ones_came_while_its_thread_was_on_its_way(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 120)

    async def walk(tab: Tab) -> list[object]:
        page, opened = tab.page, asyncio.Event()

        async def once_opened(route: Route) -> None:
            await opened.wait()
            await route.continue_()

        async def once_older_came(route: Route) -> None:
            opened.set()
            await page.wait_for_url("**/?shown=100")
            await route.continue_()

        await enter(site, tab)
        await page.route("**/?cursor=*", once_opened)
        await page.route("**/threads/*/", once_older_came)
        await page.locator("#rows > .row >> nth=45").locator("a.open").press("Enter")
        await page.wait_for_selector("h1 >> text=Letter 74")
        await page.wait_for_load_state("load")
        await page.evaluate("history.back()")
        await page.wait_for_selector("#rows a.open:focus")
        return [await subject(page), page.url.rpartition("/")[2], *tab.log.told]

    assert await browser.visit(walk, **BESIDE_NOTHING) == ["Letter 74", "?shown=100"]


async def test_an_act_on_all_that_match_goes_on_by_itself_until_it_is_stopped(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 120)

    async def walk(tab: Tab) -> list[object]:
        page, steps = tab.page, list[Route]()

        async def first_only(route: Route) -> None:
            steps.append(route)
            if len(steps) == 1:  # the second never comes there
                await route.continue_()

        await enter(site, tab)
        await page.route("**/acts/", first_only)
        await page.click("text=More")
        await page.click("text=Mark all that match as read")
        await page.wait_for_selector("#done >> text=100 threads marked as read so far.")
        async with page.expect_navigation():
            await page.click("text=Stop")
        return [await page.title(), await page.locator("#done").count()]

    assert await browser.visit(walk, **WIDE) == [f"(20) Inbox · {SUPPORT}", 0]


async def test_signed_out_the_form_opens_in_place_and_again_from_the_bar(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab)
        await tab.context.clear_cookies()
        await page.click("#rows .pick")
        await page.keyboard.press("e")
        await page.wait_for_selector("dialog[open] #password")
        seen += await tab.faults()
        await page.click("dialog >> text=Close")
        seen.append(await page.is_checked("#rows .pick input"))
        await page.click("#signed-out >> text=Sign in to go on")
        await page.wait_for_selector("dialog[open] #password")
        return seen

    assert await browser.visit(walk, **WIDE) == [True]


async def test_the_list_works_without_scripts(site: Site, browser: Browser) -> None:
    await many(site.world, 52)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab)
        for place in (0, 1):
            await page.locator(f"#rows .pick input >> nth={place}").check()
        await page.click("#acts button:text-is('Archive')")
        seen.append(await page.inner_text("#done p"))
        await page.click("text=Undo")
        # Not the text as it is laid out: rows that were not painted yet have none.
        seen.append(await page.locator("#rows .subject >> nth=0").text_content())
        await page.locator("#rows .pick input >> nth=0").check()
        await page.click("summary:text-is('Assign')")
        await page.fill("#assign-to", SALES)
        await page.press("#assign-to", "Enter")  # the form has a button before that of archiving
        seen.append(await page.inner_text("#done p"))
        await page.click("#acts button:text-is('Archive')")
        seen.append(await page.inner_text(".fault"))
        await page.click("text=Older threads")
        seen.append(await rows(page))
        await page.fill("#q", "after:never")
        await page.press("#q", "Enter")
        await page.wait_for_selector("#q-fault")
        seen.append(await rows(page))
        await page.fill("#q", "letter 7 is:open")
        await page.press("#q", "Enter")
        await page.wait_for_load_state("load")
        seen.append(await page.locator("#rows .subject").all_text_contents())
        await page.click("#rows a.open")
        await page.click("text=Back to the list")
        seen.append(await page.input_value("#q"))
        return [*seen, *(one for one in tab.log.told if "400" not in one)]

    assert await browser.visit(walk, java_script_enabled=False, **WIDE) == [
        "2 threads archived, for you only.", "Letter 51", f"1 thread assigned to {SALES}.",
        "Choose at least one thread.", 2, 50, ["Letter 7"], "letter 7 is:open",
    ]  # fmt: skip


# Addresses, and keys pressed there.
STATES = (
    (PATH, "j", "x", "h"),
    (PATH, "Control+k"),
    (PATH + "?q=after:never",),
    (PATH + "?view=junk", "?"),
)
# What is there once a key has done its work.
AFTER = {
    "j": "a.open:focus",
    "x": ".row.chosen",
    "h": ".drop[open] #hand-to:focus",
    "Control+k": "#options",
    "?": "dialog[open] h1",
}


async def faults_of(site: Site, tab: Tab, states: tuple[tuple[str, ...], ...]) -> list[object]:
    """The faults for axe in each state; a page that scrolls sideways is one."""
    found: list[object] = []
    for path, *keys in states:
        await enter(site, tab, path)
        for key in keys:
            await tab.page.keyboard.press(key)
            await tab.page.wait_for_selector(AFTER[key])
        found += await tab.faults()
        if await tab.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path} scrolls sideways")
    return found


async def test_axe_finds_no_fault_in_lists_menus_and_the_palette(
    site: Site, browser: Browser
) -> None:
    await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        found = await faults_of(site, tab, STATES[:2])
        await tab.page.set_viewport_size(NARROW["viewport"])
        await tab.page.emulate_media(**DARK)
        found += await faults_of(site, tab, STATES[3:])
        await enter(site, tab, PATH, TENANT_OWNER)
        found += await tab.faults()
        return [*found, *tab.log.told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **WIDE) == []


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
async def test_axe_finds_no_fault_in_any_list(site: Site, browser: Browser, mode: str) -> None:
    await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        found = await faults_of(site, tab, STATES)
        await enter(site, tab, PATH, TENANT_OWNER)
        found += await tab.faults()
        await tab.page.goto(site.url + "/console/")
        found += await tab.faults()
        told = [one for one in tab.log.told if "400" not in one]
        return [*found, *told, *tab.log.foreign(site.url)]

    assert await browser.visit(walk, **MODES[mode]) == []


async def test_suggestions_are_chosen_by_arrows_and_enter_searches(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)

    async def walk(tab: Tab) -> list[object]:
        page, press, seen = tab.page, tab.page.keyboard.press, list[object]()
        await enter(site, tab)
        await press("/")
        await page.keyboard.type("is:un")
        await page.wait_for_selector("#options >> text=is:unread")
        seen += await tab.faults()
        await press("ArrowDown")
        await press("Enter")
        seen.append(await page.input_value("#q"))
        await page.keyboard.type("te")
        await page.wait_for_selector("#options >> text=list:Team@example.test")
        await press("Enter")  # none is chosen: it searches
        await page.wait_for_url("**q=**")
        seen.append(await page.input_value("#q"))
        return [*seen, *tab.log.told]

    options: dict[str, Any] = NARROW | DARK
    assert await browser.visit(walk, **options) == ["is:unread ", "is:unread te"]


async def test_new_mail_of_another_is_counted_and_shown_when_asked(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)

    async def looks() -> int:
        async with site.world.client(TENANT_OWNER) as api:
            query = {"action": "inbox.acted_for", "inbox_id": SUPPORT}
            found = await api.get("/v1/audit-log/", params=query)
            return len(found.json()["results"])

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        async with page.expect_response("**/console/live/**"):
            await enter(site, tab, email=TENANT_OWNER)
        before = await site.at_home(looks())
        for number in (1, 2):
            letter = mail("x", subject=f"New {number}", to=SUPPORT)
            await site.at_home(receive(site.world, SUPPORT, body=letter))
            await page.wait_for_selector(f"#live-bar:text-is('{number} new: show')")
        seen = [await rows(page), await site.at_home(looks()) - before, *await tab.faults()]
        async with page.expect_navigation():
            await page.click("#live-bar")
        return [*seen, await rows(page), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [1, 0, 3]


async def test_a_notification_names_the_sender_and_nothing_else(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)
    watch = """window.told = []; document.hasFocus = () => false;
    window.Notification = class { static permission = "granted";
      static requestPermission() { window.told.push("may I?"); }
      constructor(title, { body }) { window.told.push(`${title}: ${body}`); } };"""

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await page.add_init_script(watch)
        await site.enter(tab)
        await page.goto(site.url + "/console/settings/")
        seen: list[object] = [await page.evaluate("window.told")]
        await page.select_option("#notify", "on")
        seen += await page.evaluate("window.told")
        async with page.expect_navigation():
            await page.click("#notify ~ button")
        async with page.expect_response("**/console/live/**"):
            await enter(site, tab)
        await page.wait_for_timeout(1500)  # the page has settled, and hears all that comes
        letter = mail("Secret words.", subject="A secret", sender="Ann <ann@a.test>", to=SUPPORT)
        await site.at_home(receive(site.world, SUPPORT, body=letter))
        await page.wait_for_function("() => window.told.length > 0")
        return [*seen, *await page.evaluate("window.told"), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [[], "may I?", "New mail: Ann"]


async def test_an_admin_switches_the_inbox_by_its_name_and_opens_who_holds_copies(
    site: Site, browser: Browser
) -> None:
    await busy_thread(site.world)

    async def walk(tab: Tab) -> list[str]:
        page = tab.page
        await enter(site, tab, f"/console/{SALES}/", TENANT_OWNER)
        for key in ("g", "s"):
            await page.keyboard.press(key)
        await page.keyboard.type("sup")
        await page.wait_for_selector("#options >> text=support@example.test")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{PATH}")
        await page.goto(site.url + (await page.get_attribute("a.open", "href") or ""))
        await page.wait_for_selector("[data-htmx-powered]")
        await page.click("details.who > summary")
        await page.click("text=All who hold copies")
        await page.wait_for_selector("dialog[open] >> text=Who holds copies")
        seen = [await page.inner_text("dialog li >> nth=0"), *await tab.faults()]
        return [*seen, *tab.log.told]

    expected = "Sales@example.test: 3 messages; by the list Team@example.test"
    assert await browser.visit(walk, **WIDE) == [expected]
