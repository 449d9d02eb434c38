"""The first steps: an empty inbox says how mail comes to it, and sends itself one by SMTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from admin_api.service.trial_mail import AUTHOR
from config.listening import ListenAddress, UnixSocket
from config.values import Endpoint
from gateway.server.trial_mail import trial_mail
from tests.admin_api.console.threads import mail, parsed, whole_thread
from tests.admin_api.console.visitor import signed_in
from tests.builders import MEMBER, SALES, SUPPORT, TEAM, TENANT_OWNER, World, receive
from tests.support.browser import Browser, Tab
from tests.support.fixtures import MakeServer

LIST = f"/console/{SUPPORT}/"
CARD = "Three steps to a worked mail"


async def test_the_card_is_there_until_the_first_mail_is_assigned_and_noted(world: World) -> None:
    who = await signed_in(world, MEMBER)

    async def card() -> str:
        text = (await who.get(LIST)).text
        return text.partition(CARD)[2].partition("</section>")[0]

    empty = await card()
    assert TEAM in empty and SUPPORT in empty
    assert "swaks" not in empty  # nothing takes mail here
    assert not [
        one for one in ("?view=archive", "?q=x") if CARD in (await who.get(LIST + one)).text
    ]
    foreign = await (await signed_in(world, TENANT_OWNER)).get(LIST)
    assert CARD not in foreign.text
    refused = await who.post(f"{LIST}test-mail/", {"to": TEAM})
    assert refused.status_code == 303
    assert "refused: this process takes no mail" in (await who.get(LIST)).text

    shown = await whole_thread(world, [mail("x", sender=f"Postroom <{AUTHOR}>")], SUPPORT)
    assert (await card()).count('class="ready"') == 1
    async with world.client(SUPPORT) as api:
        at = f"/v1/messages/threads/{shown.thread_id}/"
        assert (await api.post(at + "assign/", json={"to": SALES})).is_success
        assert (await card()).count('class="ready"') == 2
        assert (await api.post(at + "notes/", json={"body": "Seen."})).is_success
    assert await card() == ""


async def test_a_test_mail_goes_to_an_own_address_of_an_empty_inbox_only(world: World) -> None:
    member, owner = await signed_in(world, MEMBER), await signed_in(world, TENANT_OWNER)
    cases = [
        (member, SUPPORT, SALES, 400),
        (member, SUPPORT, "somebody@else.test", 400),
        (member, SUPPORT, "", 400),
        (member, SALES, SALES, 404),
        (owner, SUPPORT, SUPPORT, 404),
        (member, "nobody@example.test", SUPPORT, 404),
    ]
    for who, inbox, to, status in cases:
        answer = await who.post(f"/console/{inbox}/test-mail/", {"to": to})
        assert answer.status_code == status, (inbox, to)
    await receive(world, SUPPORT, body=mail("x"))
    await parsed(world)
    assert (await member.post(f"{LIST}test-mail/", {"to": SUPPORT})).status_code == 409
    assert CARD not in (await member.get(LIST)).text


@pytest.mark.parametrize(
    ("bound", "server"),
    [
        ([], ""),
        ([Endpoint("192.0.2.1", 25, proxy=True)], ""),
        ([Endpoint("192.0.2.1", 25, proxy=True), Endpoint("0.0.0.0", 26)], "127.0.0.1:26"),
        ([Endpoint("::", 25)], "[::1]:25"),
        ([Endpoint("192.0.2.1", 25, proxy=True), UnixSocket(Path("/run/x"))], "unix:/run/x"),
    ],
)
async def test_the_port_for_test_mail_takes_a_client_as_it_comes(
    bound: Sequence[ListenAddress], server: str
) -> None:
    made = trial_mail(bound)

    assert made.server() == server
    if not server:
        assert await made.send("a@b.test", "x", "y") == (
            "no SMTP port of this server can be reached from here"
        )


async def test_two_browsers_follow_the_first_mail_from_its_sending_to_its_note(
    own_server: MakeServer, browser: Browser
) -> None:
    """A real server: what one does the other sees, without a reload, in list and thread."""
    demo = own_server().demo
    links = (demo.links["owner@example.test"], demo.links["member1@example.test"])

    async def walk(tab: Tab) -> list[object]:
        beside = await tab.beside()
        mine, theirs = tab.page, beside.page
        for page, link in zip((mine, theirs), links, strict=True):
            await page.goto(link)
            await page.click("button:has-text('Continue')")
            await page.wait_for_url("**/console/**/")
            if page == mine:  # an owner may act for all inboxes, and chooses
                await page.goto(demo.http + LIST)
            await page.wait_for_selector(f"text={CARD}")
        seen: list[object] = [*await tab.faults()]
        seen.append(
            f"--server {demo.smtp[0]}:{demo.smtp[1]}" in await mine.inner_text("#first pre")
        )
        await mine.click(f"text=Send a test mail to {demo.team}")
        for page in (mine, theirs):
            await page.wait_for_selector("#rows > .row >> text=Hello from Postroom")
            await page.wait_for_selector("#first >> text=A mail is here.")
        await theirs.keyboard.press("j")
        await theirs.keyboard.press("i")
        await mine.wait_for_selector("#rows .face[title^='Assigned to']")
        await mine.wait_for_selector("#first li.ready >> nth=1")
        await mine.keyboard.press("j")
        await mine.keyboard.press("Enter")
        await mine.wait_for_selector("#state >> text=Assigned to")
        await mine.mouse.move(0, 0)  # what the pointer is at stays as it is
        await mine.wait_for_load_state("load")
        await mine.keyboard.press("n")
        await mine.keyboard.type("Seen, thanks.")
        await mine.keyboard.press("Control+Enter")
        await theirs.wait_for_selector("#rows .chip.noted")
        await theirs.wait_for_selector(f"text={CARD}", state="detached")
        await theirs.keyboard.press("Enter")
        await theirs.wait_for_selector("#timeline >> text=Seen, thanks.")
        await theirs.wait_for_load_state("load")
        await theirs.keyboard.press("c")
        await mine.wait_for_selector("#state >> text=Closed")
        return [*seen, *tab.log.told, *tab.log.foreign(demo.http)]

    assert await browser.visit(walk, viewport={"width": 1000, "height": 900}) == [True]
