"""What can be measured of how the page looks, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

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
    " input:not([type=checkbox], [type=hidden]),"
    " .back a, .views a, .files a, .who summary, .ask summary, .quote summary, #options li"
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
            if path == shown.path:
                await tab.page.click("summary:text-is('Assign')")
                await tab.page.wait_for_selector("#options li")
            found[path] = await tab.page.evaluate(SMALL, TARGETS)
        return found

    found = await browser.visit(walk, **PHONE)
    assert [*found.values()] == [[], [], []]


async def test_all_acts_on_a_thread_are_in_sight_on_a_telephone(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)
    within = """() => [...document.querySelectorAll('#acts .button, #acts button.quiet, summary')]
      .filter((one) => one.closest('#acts') && one.checkVisibility())
      .map((one) => [one.textContent, one.getBoundingClientRect().right <= innerWidth])"""

    async def walk(tab: Tab) -> list[list[object]]:
        await site.enter(tab)
        await tab.page.goto(site.url + shown.path)
        found: list[list[object]] = await tab.page.evaluate(within)
        return found

    acts = {str(name).strip(): seen for name, seen in await browser.visit(walk, **PHONE)}
    assert {"Assign", "Close", "Flag", "Archive", "Junk", "Trash"} <= acts.keys()
    assert all(acts.values()), acts


@pytest.mark.parametrize("width", [768, 1024, 1280])
async def test_what_a_button_opens_is_at_it_and_in_the_window(
    site: Site, browser: Browser, width: int
) -> None:
    shown = await busy_thread(site.world)
    placed = """() => {
      const drop = document.querySelector('#acts > .drop[open]');
      const [at, its] = [...drop.children].map((one) => one.getBoundingClientRect());
      const meets = its.left === at.left || Math.abs(its.right - at.right) < 1;
      return [meets, its.top >= at.bottom && its.top - at.bottom < 9,
        its.left >= 0 && its.right <= innerWidth];
    }"""

    async def walk(tab: Tab) -> dict[str, list[bool]]:
        page, found = tab.page, dict[str, list[bool]]()
        await site.enter(tab)
        for path, names in ((LIST, ("Assign", "Hand off", "More")), (shown.path, ("Hand off",))):
            await page.goto(site.url + path)
            for name in names:
                await page.click(f"#acts summary:text-is('{name}')")
                found[path + name] = await page.evaluate(placed)
        return found

    found = await browser.visit(walk, viewport={"width": width, "height": 900})
    assert {one: seen for one, seen in found.items() if not all(seen)} == {}


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


IN_SIGHT = """() => {
  const drops = [...document.querySelectorAll('#acts > .drop')];
  return drops.flatMap((drop) => {
    drop.querySelector('summary').click();
    const box = drop.lastElementChild.getBoundingClientRect();
    const wide = document.documentElement.scrollWidth - innerWidth;
    const end = document.documentElement.getBoundingClientRect().bottom;
    const found = box.left < 0 || box.right > innerWidth || wide > 0 || box.top < 0
      || box.bottom > Math.max(innerHeight, end) ? [[drop.innerText, innerWidth, wide]] : [];
    drop.querySelector('summary').click();
    return found;
  });
}"""


async def test_what_an_act_asks_for_is_in_sight_in_any_window(site: Site, browser: Browser) -> None:
    """Also at 400 %, where a window of 1280 by 900 has 320 by 225 pixels."""
    await many(site.world, 2)
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        found = list[object]()
        for path in (LIST, shown.path):
            await enter(site, tab, path)
            for wide, high in (
                (320, 225),
                (640, 450),
                (710, 700),
                (768, 700),
                (920, 700),
                (1100, 900),
            ):
                await tab.page.set_viewport_size({"width": wide, "height": high})
                found += await tab.page.evaluate(IN_SIGHT)
        await enter(site, tab)
        await tab.page.set_viewport_size({"width": 1280, "height": 800})
        await tab.page.click("a.open >> nth=0")
        await tab.page.click("summary:text-is('Hand off')")
        edges = [
            "document.querySelector('.drop[open] .sheet').getBoundingClientRect().right",
            "document.querySelector('#pane').getBoundingClientRect().left",
        ]
        return [*found, await tab.page.evaluate(" <= ".join(edges)), *tab.log.told]

    assert await browser.visit(walk, **WIDE) == [True]


async def test_with_reduced_motion_nothing_moves_and_messages_leave(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await enter(site, tab)
        for key in "je":
            await page.keyboard.press(key)
        await page.wait_for_selector("#done")
        lasting = await page.evaluate(
            "document.getAnimations().map((one) => [one.effect.getTiming().duration,"
            " one.effect.getTiming().delay])"
        )
        moved = await page.evaluate(
            "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one))"
            ".filter((one) => one.transitionDuration !== '0s' || one.scrollBehavior === 'smooth')"
            ".length"
        )
        await page.evaluate("document.getAnimations().forEach((one) => one.finish())")
        return [lasting, moved, await page.is_visible("#done")]

    expected = [[[0, 10_000]], 0, False]
    assert await browser.visit(walk, **WIDE, reduced_motion="reduce") == expected


async def test_forced_colours_leave_buttons_and_choices_to_be_seen(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)
    style = """(one) => {
      const { borderTopStyle, outlineStyle } = getComputedStyle(one);
      return [borderTopStyle, outlineStyle];
    }"""

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await enter(site, tab)
        await page.click("#rows .pick")
        for one in (".me button", ".row.chosen", ".views-of a[aria-current]"):
            seen.append(await page.eval_on_selector(one, style))
        await page.keyboard.press("Control+k")
        seen.append(await page.eval_on_selector("#options [aria-selected=true]", style))
        return seen

    assert await browser.visit(walk, **WIDE, forced_colors="active") == [
        ["solid", "none"], ["none", "solid"], ["none", "solid"], ["none", "solid"],
    ]  # fmt: skip


async def test_a_printed_thread_has_its_words_and_nothing_to_press(
    site: Site, browser: Browser
) -> None:
    shown = await busy_thread(site.world)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await enter(site, tab, shown.path)
        await page.emulate_media(media="print", color_scheme="dark")
        pressed = "button, input, select, textarea, summary, .views-of, .views a, #panel"
        return [
            await page.evaluate(
                "(all) => [...document.querySelectorAll(all)].filter((one) =>"
                " one.checkVisibility() && !one.matches('.message summary')).length",
                pressed,
            ),
            await page.inner_text("h1"),
            await page.is_visible("text=Sales, please look at this."),
            await page.evaluate("getComputedStyle(document.body).backgroundColor"),
            await page.evaluate("document.querySelector('.reading').offsetWidth > innerWidth * .9"),
        ]

    assert await browser.visit(walk, **WIDE) == [
        0, "Renewal of our contract", True, "rgb(255, 255, 255)", True,
    ]  # fmt: skip


async def test_with_text_twice_as_large_nothing_scrolls_sideways_on_a_telephone(
    site: Site, browser: Browser
) -> None:
    await many(site.world, 2)
    shown = await busy_thread(site.world)
    paths = (LIST, shown.path, "/console/?all=1", "/console/settings/", "/console/keys/")

    async def walk(tab: Tab) -> dict[str, object]:
        found = {}
        for path in paths:
            await site.enter(tab, TENANT_OWNER if path == "/console/?all=1" else MEMBER)
            await tab.page.goto(site.url + path)
            await tab.page.evaluate("document.documentElement.style.fontSize = '187.5%'")
            found[path] = await tab.page.evaluate(
                "document.documentElement.scrollWidth - innerWidth"
            )
        return found

    found = await browser.visit(walk, viewport={"width": 320, "height": 640})
    assert found == dict.fromkeys(paths, 0)
