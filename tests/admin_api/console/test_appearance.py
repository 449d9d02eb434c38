"""What can be measured of how the page looks, in a real browser."""

from __future__ import annotations

from typing import Any

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.test_list_browser import enter, many
from tests.admin_api.console.threads import busy_thread
from tests.builders import MEMBER, SUPPORT, TENANT_OWNER
from tests.support.browser import Browser, Tab

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}}
LIST = f"/console/{SUPPORT}/"
# Links within a text are as high as their line (WCAG 2.5.8 leaves them out).
SMALL = """(chosen) => [...document.querySelectorAll(chosen)]
  .filter((one) => one.checkVisibility() && !one.closest('.unseen, .skip'))
  .filter((one) => one.getBoundingClientRect().height < 43.5)
  .map((one) => one.textContent.trim() || one.name)"""
TARGETS = (
    "button:not(.chip), .acts a, .acts summary, .views-of a, .top a, .pick, .row a.open,"
    " input:not([type=checkbox], [type=hidden])"
)


async def test_what_a_finger_presses_is_44_pixels_high_on_a_telephone(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> dict[str, object]:
        found = {}
        for path in (LIST, shown.path, "/console/settings/"):
            await site.enter(tab, TENANT_OWNER)
            await tab.page.goto(site.url + path)
            found[path] = await tab.page.evaluate(SMALL, TARGETS)
        return found

    found = await browser.visit(walk, **PHONE)
    assert [*found.values()] == [[], [], []]


async def test_the_open_row_is_marked_from_edge_to_edge_as_soon_as_it_is_chosen(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 3)
    over = """() => {
      const row = document.querySelector('a.open[aria-current]').closest('.row');
      const mark = getComputedStyle(row.querySelector('a.open'), '::before');
      const box = row.getBoundingClientRect();
      return [parseFloat(mark.inlineSize) === box.width, parseFloat(mark.borderLeftWidth) >= 3];
    }"""

    async def walk(tab: Tab) -> object:
        await enter(site, tab)
        # The thread does not come: its row is marked all the same.
        await tab.page.route("**/threads/**", lambda route: route.abort())
        await tab.page.click("#rows > .row:nth-child(2) a.open")
        await tab.page.wait_for_selector("#rows > .row:nth-child(2) a.open[aria-current]")
        return await tab.page.evaluate(over)

    assert await browser.visit(walk, **WIDE) == [True, True]


async def test_acts_are_offered_only_where_there_is_something_to_act_on(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab, f"{LIST}?q=nothinglikethis")
        seen.append(await page.is_visible("#acts"))
        await enter(site, tab)
        seen.append(await page.is_visible("#acts"))
        await page.click("#rows .pick")
        await page.click("#acts [value=archive]")
        await page.wait_for_selector("#empty")
        seen.append(await page.is_visible("#acts"))
        await page.click("#done >> text=Undo")
        await page.wait_for_selector("#rows > .row")
        seen.append(await page.is_visible("#acts"))
        return [*seen, *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [False, True, False, True]


async def test_states_are_told_apart_without_colours(site: Site, browser: Browser) -> None:
    """Forced colours take backgrounds away: the dot of an unread row is a border."""
    await many(site.world, 1)

    async def walk(tab: Tab) -> object:
        await enter(site, tab)
        style = "getComputedStyle(document.querySelector('.row .dot'))"
        return await tab.page.evaluate(
            f"[{style}.borderTopStyle, Math.round(document.querySelector('.row .dot').offsetWidth)]"
        )

    assert await browser.visit(walk, **WIDE, forced_colors="active") == ["solid", 8]


async def test_the_views_stay_while_a_long_list_is_read(site: Site, browser: Browser) -> None:
    await many(site.world, 30)

    async def walk(tab: Tab) -> object:
        await enter(site, tab)
        await tab.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return await tab.page.evaluate(
            "[scrollY > 100, document.querySelector('#views').getBoundingClientRect().top]"
        )

    assert await browser.visit(walk, **WIDE) == [True, 0]


async def test_a_fault_of_a_search_is_a_sentence_that_covers_nothing(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 1)
    covers = """() => {
      const fault = document.querySelector('#q-fault').getBoundingClientRect();
      return document.querySelector('.bar').getBoundingClientRect().top < fault.bottom;
    }"""

    async def walk(tab: Tab) -> list[object]:
        await enter(site, tab, f"{LIST}?q=after:2027-13-01", MEMBER)
        return [await tab.page.inner_text("#q-fault"), await tab.page.evaluate(covers)]

    assert await browser.visit(walk, **WIDE) == [
        "The search holds a malformed date; write it as 2026-01-31.",
        False,
    ]
