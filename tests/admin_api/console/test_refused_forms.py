"""A form that is refused comes back with what was written in it, ready to be sent again.

Every form of the page that takes text, without scripts: whatever refuses it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from config.values import Endpoint
from storage.accounts import sessions
from storage.clock import SECOND
from storage.engines.opening import EMBEDDED
from tests.admin_api.console.conftest import Site
from tests.admin_api.console.threads import Shown, mail, whole_thread
from tests.admin_api.console.visitor import Fields, Visitor, sign_in, signed_in
from tests.builders import MEMBER, PASSWORD, SUPPORT, TENANT_OWNER, World, open_world
from tests.support.browser import Browser, Tab
from tests.support.engines import Engine

LIST = f"/console/{SUPPORT}/"
WORDS = "Words\nthat nobody <types> twice."
ADDRESS = "sales@example.test"


class Forms(HTMLParser):
    """The forms of a page: by action, the fields that are seen and those that are not."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[tuple[str, str]]] = {}
        self.seen: dict[str, dict[str, str]] = {}
        self._at, self._text = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._at = given.get("action", "")
        elif tag == "textarea":
            self._text = name
            self._add(name, "", is_seen=True)
        elif tag == "input" and name and given.get("type") not in ("checkbox", "file"):
            self._add(name, given.get("value", ""), is_seen=given.get("type") != "hidden")

    def handle_data(self, data: str) -> None:
        if self._text:
            self._add(self._text, data.removeprefix("\n"), is_seen=True)

    def handle_endtag(self, tag: str) -> None:
        self._text = "" if tag == "textarea" else self._text

    def _add(self, name: str, value: str, *, is_seen: bool) -> None:
        if is_seen:
            self.seen.setdefault(self._at, {})[name] = value
        fields = self.found.setdefault(self._at, [])
        fields[:] = [one for one in fields if one[0] != name or not is_seen] + [(name, value)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world that sends letters and takes ten calls of the page together."""
    engine, smarthost = Engine("sqlite", EMBEDDED, tmp_path), Endpoint("127.0.0.1", 1)
    limits = {"console_rate_per_minute": 50, "login_rate_per_minute": 4}
    async with open_world(engine, smarthost=smarthost, **limits) as made:  # type: ignore[arg-type]
        yield made


FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "note": ("{thread}note/", {"body": WORDS, "mentions": ADDRESS}),
    "hand-off": ("{thread}handoff/", {"to": ADDRESS, "note": WORDS, "share_contact": "true"}),
    "assign": ("{thread}assign/", {"to": ADDRESS}),
    "card": ("{thread}card/", {"full_name": "Grace H.", "address": "grace@sender.test"}),
    "list": (f"{LIST}acts/", {"act": "handoff", "hand_to": ADDRESS, "note": WORDS}),
    "letter": ("{thread}letter/", {"to": "x@a.test", "subject": "S", "text": WORDS}),
    "draft": ("{thread}draft/", {"to": "x@a.test", "cc": "y@a.test", "text": WORDS}),
    "new letter": (f"{LIST}compose/", {"to": "x@a.test", "bcc": "z@a.test", "text": WORDS}),
    "name": ("/console/settings/name/", {"name": "Adam"}),
    "zones": ("/console/settings/zones/", {"inb_1": "Europe/Oslo"}),
}
UNSEEN = {"share_contact", "address", "act", "key", "draft_id"}


def who_sends(named: str) -> str:
    """Names are changed by owners and admins."""
    return TENANT_OWNER if named == "name" else MEMBER


async def sent_form(world: World, named: str) -> tuple[Shown, str, dict[str, str]]:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    path, fields = FORMS[named]
    return shown, path.format(thread=shown.path), {**fields, "key": "k1"}


def holds(page: str, path: str, fields: dict[str, str]) -> Fields:
    """The fields of the form to `path`, which must hold `fields`, those that are written seen."""
    forms = Forms(page)
    assert path in forms.found, page
    found = dict(forms.found[path])
    assert {name: found.get(name) for name in fields} == fields
    assert set(fields) - set(forms.seen.get(path, {})) <= UNSEEN
    return [*found.items()]


async def is_done(who: Visitor, path: str, fields: Fields) -> None:
    """Sent again, the form is taken, or refused for what is in it, but not as it was before."""
    answer = await who.post(path, {**dict(fields), "form_token": dict(fields)["form_token"]})
    assert answer.status_code in (303, 400), answer.text
    assert "What you wrote" not in answer.text


@pytest.mark.parametrize("named", FORMS)
async def test_a_form_of_an_earlier_sign_in_comes_back(world: World, named: str) -> None:
    _, path, fields = await sent_form(world, named)
    who = await signed_in(world, who_sends(named))
    answer = await who.post(path, {**fields, "form_token": "of another session"})

    assert answer.status_code == 403
    again = holds(answer.text, path, fields)
    assert dict(again)["form_token"] != "of another session"
    await is_done(who, path, again)


@pytest.mark.parametrize("named", FORMS)
async def test_a_form_of_whoever_asks_too_often_comes_back(world: World, named: str) -> None:
    _, path, fields = await sent_form(world, named)
    who = await signed_in(world, who_sends(named))
    while (await who.http.get("/console/keys/")).status_code != 429:
        pass
    answer = await who.post(path, fields)

    assert answer.status_code == 429
    again = holds(answer.text, path, fields)
    world.clock.advance(60 * SECOND)
    await is_done(who, path, again)


@pytest.mark.parametrize("named", FORMS)
async def test_a_form_waits_behind_the_sign_in(world: World, named: str) -> None:
    _, path, fields = await sent_form(world, named)
    email = who_sends(named)
    who = await signed_in(world, email)
    await world.database.write(
        lambda tx: sessions.end_other_sessions(
            tx, tenant_id=world.tenant_id, user_id=world.raw[email], keep=bytes(16)
        )
    )
    lost = await who.post(path, fields, Referer=f"http://127.0.0.1:8025{LIST}")
    assert lost.status_code == 401
    assert "what you wrote comes back" in lost.text
    gate = dict(Forms(lost.text).found["/console/sign-in/"])
    assert "form_token" not in gate

    wrong = await who.post("/console/sign-in/", {**gate, "email": email, "password": "no"})
    assert wrong.status_code == 401
    kept = dict(Forms(wrong.text).found["/console/sign-in/"])
    assert {**kept, "email": "", "password": ""} == {**gate, "email": "", "password": ""}

    limited = [await sign_in(who, email, "no") for _ in range(4)][-1]
    assert limited.status_code == 429
    late = await who.post("/console/sign-in/", {**kept, "password": "no"})
    assert late.status_code == 429
    assert "Try again in " in late.text
    assert dict(Forms(late.text).found["/console/sign-in/"]) == {**kept, "password": ""}

    world.clock.advance(60 * SECOND)
    entered = await who.post("/console/sign-in/", {**kept, "password": PASSWORD})
    assert (entered.status_code, "not sent yet" in entered.text) == (200, True)
    await is_done(who, path, holds(entered.text, path, fields))


async def test_no_other_site_has_a_form_shown(world: World) -> None:
    """Its words could ask for anything, with our page around them."""
    _, path, fields = await sent_form(world, "note")
    who = await signed_in(world, MEMBER)
    foreign = {"Sec_Fetch_Site": "cross-site", "Origin": "https://else.test"}
    refused = await who.post(path, fields, **foreign)
    who.http.cookies.clear()
    signed_out = await who.post(path, fields, **foreign)
    out_of_place = {**fields, "kept": "//else.test/", "kept.body": WORDS, "email": MEMBER}
    led = await who.post("/console/sign-in/", out_of_place | {"password": PASSWORD})

    assert (refused.status_code, signed_out.status_code, led.status_code) == (403, 303, 303)
    assert "nobody" not in refused.text + signed_out.text


FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "note": ({"mentions": "nobody@else.test"}, "mentions"),
    "hand-off": ({"to": "nobody@else.test"}, "to"),
    "assign": ({"to": "nobody@else.test"}, "to"),
    "card": ({"full_name": "G" * 201}, "full_name"),
    "letter": ({"to": "no address"}, "to"),
    "new letter": ({"bcc": "no address"}, "bcc"),
    "name": ({"name": "A" * 201}, "name"),
}


@pytest.mark.parametrize("named", FAULTS)
async def test_a_form_with_a_fault_comes_back_in_its_page(world: World, named: str) -> None:
    _, path, fields = await sent_form(world, named)
    who = await signed_in(world, who_sends(named))
    fields |= FAULTS[named][0]
    fields.pop("share_contact", None)
    answer = await who.post(path, fields)

    assert answer.status_code == 400
    assert answer.text.count('class="fault"') == 1
    del fields["key"]
    again = dict(holds(answer.text, path, fields))
    assert again.get("key", "") != "k1"  # it is another form now


@pytest.mark.parametrize(
    ("named", "field"), [("hand-off", "#hand-to"), ("assign", "#assign-to"), ("card", "#card-name")]
)
async def test_the_field_with_a_fault_is_in_sight_and_has_the_focus(
    site: Site, browser: Browser, named: str, field: str
) -> None:
    _, path, _ = await sent_form(site.world, named)
    fields = FORMS[named][1] | FAULTS[named][0]
    send = """([path, fields]) => {
      const form = document.querySelector(`form[action="${path}"]`);
      for (const name in fields) if (form.elements[name].type !== "checkbox")
        form.elements[name].value = fields[name];
      form.submit();
    }"""

    async def walk(tab: Tab) -> list[object]:
        await site.enter(tab)
        await tab.page.goto(site.url + path.rpartition("/")[0].rpartition("/")[0] + "/")
        fields.pop("share_contact", None)
        async with tab.page.expect_navigation():
            await tab.page.evaluate(send, [path, fields])
        await tab.page.wait_for_function(f"document.activeElement.matches('{field}')")
        return [await tab.page.is_visible(f":is({field}) ~ .fault"), *await tab.faults()]

    assert await browser.visit(walk) == [True]


@pytest.mark.parametrize("named", ["note", "hand-off", "card"])
async def test_a_form_whose_key_was_used_comes_back_with_another(world: World, named: str) -> None:
    _, path, fields = await sent_form(world, named)
    fields.pop("share_contact", None)
    who = await signed_in(world, MEMBER)
    text = {"note": "body", "hand-off": "note", "card": "full_name"}[named]
    assert (await who.post(path, fields)).status_code == 303
    other = {**fields, text: "Other words."}
    answer = await who.post(path, other)

    assert answer.status_code == 409
    del other["key"]
    again = dict(holds(answer.text, path, other))
    assert again.get("key", "") != "k1"
    told = await who.post(path, again)
    assert told.status_code == 303 or "contact_exists" in told.text or named == "card"


async def test_a_letter_whose_draft_has_gone_can_be_sent(world: World) -> None:
    shown = await whole_thread(world, [mail("x")], SUPPORT)
    who = await signed_in(world, MEMBER)
    for act in ("letter/", "draft/"):
        world.clock.advance(60 * SECOND)
        page = (await who.get(shown.path)).text
        fields = dict(Forms(page).found[shown.path + "letter/"]) | {"text": WORDS}
        assert (await who.post(shown.path + "draft/", fields)).status_code == 303
        drafted = dict(Forms((await who.get(shown.path)).text).found[shown.path + "letter/"])
        async with world.client(SUPPORT) as api:
            assert (await api.delete(f"/v1/drafts/{drafted['draft_id']}/")).status_code == 204
        answer = await who.post(shown.path + act, drafted)
        assert "This draft was sent or deleted meanwhile." in answer.text
        again = dict(holds(answer.text, shown.path + "letter/", {"text": WORDS, "draft_id": ""}))
        assert (await who.post(shown.path + act, again)).status_code == 303


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_note_survives_the_end_of_its_session(
    site: Site, browser: Browser, scripts: bool
) -> None:
    shown = await whole_thread(site.world, [mail("x")], SUPPORT)

    async def walk(tab: Tab) -> list[object]:
        page = tab.page
        await site.enter(tab)
        await page.goto(site.url + shown.path)
        await page.fill("#note-body", WORDS)
        await tab.context.clear_cookies()
        await page.click("text=Save the note")
        await page.wait_for_selector("text=what you wrote comes back")
        seen: list[object] = [*await tab.faults()] if scripts else []
        await page.fill("#email", MEMBER)
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("h1:has-text('Not sent yet')")
        seen += await tab.faults() if scripts else []
        await page.click("text=Send it again")
        await page.wait_for_selector("#done")
        seen.append(await page.inner_text("li.internal .text"))
        seen.append(await page.input_value("#note-body"))
        return [*seen, *(one for one in tab.log.told if "401" not in one)]

    assert await browser.visit(walk, java_script_enabled=scripts) == [WORDS, ""]


async def test_a_hand_off_of_no_thread_keeps_its_words_in_sight(
    site: Site, browser: Browser
) -> None:
    await whole_thread(site.world, [mail("x")], SUPPORT)

    async def walk(tab: Tab) -> list[object]:
        page, seen = tab.page, list[object]()
        await site.enter(tab)
        await page.goto(site.url + LIST)
        await page.wait_for_selector("[data-htmx-powered]")
        for key in ("h", "#"):
            await page.evaluate("document.activeElement.blur()")
            await page.keyboard.press(key)
            if key == "h":
                await page.fill("#hand-to", ADDRESS)
                await page.fill("#hand-note", WORDS)
                await page.keyboard.press("Control+Enter")
            await page.wait_for_selector("text=Choose at least one thread.")
            seen.append(await page.evaluate("document.activeElement.id"))
            if key == "h":
                seen.append(await page.is_visible("#hand-note"))
                seen.append(await page.input_value("#hand-note"))
                await page.reload()
                await page.wait_for_selector("[data-htmx-powered]")
        return seen

    assert await browser.visit(walk) == ["hand-to", True, WORDS, "main"]
