"""Texts that want to run, through every field that the page shows: they stay text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin_api.console.conftest import Site
from tests.admin_api.console.threads import Shown, mail, parsed, whole_thread
from tests.builders import (
    AGENT,
    MEMBER,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    receive_all,
)
from tests.support.browser import Browser, Tab
from tests.support.scripts import ALL_SCRIPTS, SCRIPTS

PATH = f"/console/{SUPPORT}/"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
MOST_OF_NOTE = 9_000


def plain(text: str) -> str:
    """A text as a header takes it."""
    return "".join(one for one in text if one.isprintable())


def quoted(text: str) -> str:
    """A text as a display name takes it."""
    return plain(text).replace("\\", "").replace('"', "'")


def letters(texts: tuple[str, ...]) -> list[bytes]:
    """A letter of each text: in its subject, name, text, HTML and file name."""
    return [
        mail(
            f"{plain(text)}\nhttps://x.test/{plain(text)}",
            subject=plain(text),
            sender=f'"{quoted(text)}" <x{number}@sender.test>',  # the view is remembered by sender
            # Of a text that is a script alone nothing is left, and no view of it is offered.
            html=f"<p>Letter</p>{text}".replace("\x00", ""),
            file=f"{quoted(text)}.txt",
        )
        for number, text in enumerate(texts)
    ]


async def everywhere(world: World, texts: tuple[str, ...]) -> Shown:
    """All of them in one thread, its note, task and card, in names, a template, and a list."""
    whole = " ".join(texts).replace("\x00", "")
    (one,) = letters((whole,))
    shown = await whole_thread(world, [one], SUPPORT, TEAM)
    name = quoted(whole)
    async with world.client(TENANT_OWNER) as api:
        for path in (f"/v1/inboxes/{AGENT}/", f"/v1/inboxes/{SUPPORT}/"):
            assert (await api.patch(path, json={"display_name": name[:200]})).status_code == 200
        template = {"name": name[:200], "subject": name[:500], "body": whole[:MOST_OF_NOTE]}
        assert (await api.post("/v1/templates/", json=template)).status_code == 201
    async with world.client(SUPPORT) as api:
        at = f"/v1/messages/threads/{shown.thread_id}/notes/"
        for start in range(0, len(whole), MOST_OF_NOTE):
            note = {"body": whole[start : start + MOST_OF_NOTE], "mentions": [AGENT]}
            assert (await api.post(at, json=note)).status_code == 201
        task = {"title": name[:200], "description": name[:500], "thread_id": shown.thread_id}
        assert (await api.post("/v1/tasks/", json=task)).status_code == 201
        card = {
            "full_name": name[:200],
            "organization": name[:200],
            "emails": [
                {"label": name[:50], "address": f"{one}@sender.test"} for one in ("x", "xaver")
            ],
            "phones": [{"label": name[:50], "number": "+1 555 0100"}],
            "notes": name[:500],
            "labels": [name[:50]],
        }
        answer = await api.post("/v1/contacts/", json=card)
        assert answer.status_code == 201, answer.text
    return shown


def strange(tab: Tab, site: Site) -> list[object]:
    """What ran, was fetched, or was complained of."""
    asked = [one for one in tab.log.urls if "canary" in one.partition("?")[0]]
    told = [one for one in tab.log.told if "404" not in one]
    return [*asked, *told, *tab.log.foreign(site.url)]


async def look(site: Site, tab: Tab, path: str) -> None:
    await tab.page.goto(site.url + path)
    await tab.page.wait_for_selector("[data-htmx-powered], .single, main section, h1")


async def test_scripts_in_every_field_are_text(site: Site, browser: Browser) -> None:
    """All strings at once in each field, and each of them as a letter in the list."""
    shown = await everywhere(site.world, SCRIPTS)
    await receive_all(site.world, SUPPORT, TEAM, bodies=letters(SCRIPTS))
    await parsed(site.world)
    whole = " ".join(SCRIPTS).replace("\x00", "")

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await site.enter(tab)
        await look(site, tab, PATH + "?shown=200")
        seen.append(set(await page.locator("#rows .subject").all_text_contents()))
        await page.keyboard.press("/")
        await page.keyboard.type("xaver")
        await page.wait_for_selector("#options")
        await page.fill("#q", whole[:990])
        await page.press("#q", "Enter")
        await page.wait_for_url("**?q=**")
        seen.append(await page.input_value("#q") == plain(whole[:990]))
        await look(site, tab, shown.path)
        seen.append(whole[:200] in await page.inner_text("#timeline > li.internal .text >> nth=0"))
        for view in ("html", "headers", "raw", "text"):
            await page.keyboard.press("v")
            await page.wait_for_selector(f"[data-view={view}][aria-current]")
            await page.wait_for_selector("iframe.mail:not([data-fits])", state="detached")
        await page.keyboard.press("a")
        await page.keyboard.type("ag")
        await page.wait_for_selector("#options")
        for key in ("Escape", "Escape", "Control+k"):
            await page.keyboard.press(key)
        template = await page.locator("#template option").first.get_attribute("value")
        for path in (
            f"{shown.path}?template={template}",
            *(shown.message(0, f"body/?view={view}") for view in ("text", "headers", "raw")),
            shown.message(0, "why/"),
            *("/console/?all=1", "/console/keys/", "/console/settings/"),
            "/console/sign-in/?next=/console/%22%3E%3Cscript%3Efetch('/canary')%3C/script%3E",
            PATH + "?view=%22%3E%3Cscript%3Efetch('/canary')%3C/script%3E",
            "/console/%3Cscript%3Efetch('x')%3C/script%3E/%3Cimg%20src=x%3E/",
        ):
            await look(site, tab, path)
        await site.enter(tab, TENANT_OWNER)
        await look(site, tab, "/console/settings/")
        await page.fill("#name", whole[:200])
        async with page.expect_navigation():
            await page.click("h2:text('Name') + form button")
        seen.append(await page.input_value("#name") == plain(whole[:200]))
        return [*seen, *strange(tab, site)]

    subjects, *rest = await browser.visit(walk, **WIDE)
    assert rest == [True, True, True]
    assert {plain(text).strip() for text in SCRIPTS} <= {one.strip() for one in subjects}  # type: ignore[attr-defined]


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_each_script_alone_in_every_field_is_text(busy_site: Site, browser: Browser) -> None:
    site = busy_site
    texts = tuple(dict.fromkeys(plain(text).strip() for text in ALL_SCRIPTS))  # as headers are
    ids = await receive_all(site.world, SUPPORT, bodies=letters(texts))
    await parsed(site.world)
    found = []
    async with site.world.client(SUPPORT) as api:
        for text, message_id in zip(texts, ids, strict=True):
            thread_id = (await api.get(f"/v1/messages/{message_id}/")).json()["thread_id"]
            at = f"/v1/messages/threads/{thread_id}/notes/"
            assert (await api.post(at, json={"body": text})).status_code == 201
            found.append(Shown(SUPPORT, thread_id, [message_id]))

    async def walk(tab: Tab) -> list[object]:
        page, wrong = tab.page, list[object]()
        await site.enter(tab, MEMBER)
        await look(site, tab, PATH + "?shown=500")
        for text, shown in zip(texts, found, strict=True):
            await look(site, tab, shown.path)
            note = await page.locator("#timeline > li.internal .text").text_content()
            if note != text or await page.locator("h1").text_content() != text:
                wrong.append(text)
            await page.keyboard.press("v")
            await page.wait_for_selector("iframe.mail")
        return [*wrong, *strange(tab, site)]

    assert await browser.visit(walk, **WIDE) == []
