"""The composer: answers and new letters, without scripts; what was typed is never lost."""

import re
from html import unescape

from storage.clock import SECOND
from storage.ids import from_text, to_text
from tests.admin_api.console.visitor import SAME, Visitor, signed_in
from tests.admin_api.drafts.letters import states
from tests.builders import MEMBER, SALES, SUPPORT, TEAM, TENANT_OWNER, World, deliver, open_world
from tests.storage.outbound.queued import claimed
from tests.support.engines import Engine
from tests.support.post_room import parse_waiting

ASKED = (
    b"From: Grace <grace@sender.test>\r\nTo: team@example.test\r\nCc: carl@sender.test\r\n"
    b"Subject: Renewal\r\nMessage-ID: <q1@sender.test>\r\n\r\nWhen does it end?\r\n"
)


async def thread_path(world: World, who: str = SALES) -> str:
    async with world.client(who) as api:
        (thread, *_) = (await api.get("/v1/messages/threads/")).json()["results"]
    return f"/console/{who}/threads/{thread['thread_id']}/"


async def asked(world: World) -> str:
    message = await deliver(
        world, TEAM.lower(), body=ASKED, name="q1@sender.test", subject="Renewal"
    )
    named = b'{"to":[["","team@example.test"]],"cc":[["","carl@sender.test"]]}'
    key = {"id": from_text("msg", message), "named": named}
    await world.database.write(
        lambda tx: tx.execute("UPDATE messages SET recipients = :named WHERE message_id = :id", key)
    )
    await parse_waiting(world.database, world.clock())
    return await thread_path(world)


def fields_of(page: str) -> dict[str, str]:
    """The form of the letter as a browser would send it."""
    form = page[page.index('id="letter-form"') : page.index("</form>", page.index("letter-form"))]
    found = {
        name: unescape(value)
        for name, value in re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', form)
        if name != "form_token"
    }
    text = re.search(r"<textarea[^>]*>(.*?)</textarea>", form, re.DOTALL)
    chosen = re.search(r"<option selected>([^<]*)", form)
    assert text and chosen
    checked = {"quote": "1"} if 'name="quote" value="1" checked' in form else {}
    return {**found, "text": unescape(text[1]), "from": chosen[1], **checked}


async def sent_by(world: World, path: str) -> dict[str, object]:
    """The newest message of the thread as Sales has it."""
    async with world.client(SALES) as api:
        thread = (await api.get(f"/v1/messages/threads/{path.split('/')[-2]}/")).json()
        message = thread["messages"][-1]["message_id"]
        record: dict[str, object] = (await api.get(f"/v1/messages/{message}/")).json()
    return record


async def test_an_answer_is_filled_in_sent_and_taken_back(world: World) -> None:
    path = await asked(world)
    async with world.client(TENANT_OWNER) as admin:
        team = f"/v1/distribution-lists/{world.ids[TEAM]}/"
        await admin.patch(team, json={"signature": "The team"})
    person = await signed_in(world, TENANT_OWNER)

    page = (await person.get(path)).text
    fields = fields_of(page)
    assert fields["to"] == "Grace <grace@sender.test>"
    assert (fields["cc"], fields["subject"], fields["from"]) == ("", "Re: Renewal", TEAM)
    everybody = fields_of((await person.get(f"{path}?reply=all")).text)
    assert everybody["cc"] == "carl@sender.test"
    assert 'data-key="R"' in page and "Sign with" in page

    answer = await person.post(path + "letter/", {**fields, "text": "In March.", "signed": "1"})
    assert answer.status_code == 303
    shown = (await person.get(answer.headers["location"])).text
    assert "Waiting 10 s, then it is sent." in shown
    record = await sent_by(world, path)
    message_id = from_text("msg", str(record["message_id"])) or b""
    assert await states(world, message_id) == {"waiting"}

    back = await person.post(path + "unsend/", {"message_id": str(record["message_id"])})
    assert back.headers["location"] == f"{path}#letter"
    draft = fields_of((await person.get(path)).text)
    assert draft["text"].startswith("In March.")
    assert draft["draft_id"].startswith("drf_")
    assert await states(world, message_id) == {"cancelled"}

    again = await person.post(path + "letter/", {**draft, "text": "In May."})
    assert again.status_code == 303
    world.clock.advance(11 * SECOND)
    (claim,) = await claimed(world)
    late = await person.post(path + "unsend/", {"message_id": to_text("msg", claim.message_id)})
    assert late.status_code == 303
    assert "Too late" in (await person.get(path)).text
    async with world.client(SALES) as api:
        assert (await api.get(f"/v1/messages/threads/{path.split('/')[-2]}/drafts/")).json() == []


async def test_a_template_is_filled_into_the_answer(world: World) -> None:
    path = await asked(world)
    async with world.client(TENANT_OWNER) as admin:
        made = {"name": "End", "subject": "", "body": "In March, {first_name}."}
        template = (await admin.post("/v1/templates/", json=made)).json()["template_id"]
    person = await signed_in(world, TENANT_OWNER)

    fields = fields_of((await person.get(f"{path}?template={template}&mail=1")).text)

    assert fields["text"] == "In March, Grace."
    assert fields["subject"] == "Re: Renewal"


async def test_what_is_refused_comes_back_as_it_was_typed(world: World) -> None:
    path = await asked(world)
    person = await signed_in(world, TENANT_OWNER)
    fields = fields_of((await person.get(path)).text)

    bad = await person.post(path + "letter/", {**fields, "to": "nobody", "text": "In March."})
    assert bad.status_code == 400
    assert fields_of(bad.text)["text"] == "In March."
    assert fields_of(bad.text)["to"] == "nobody"
    assert 'class="fault"' in bad.text
    assert 'id="letter-to" name="to" value="nobody"' in bad.text
    # The form is far down its page: the browser goes to the fault, also without scripts.
    assert bad.text.count("autofocus") == 1 and 'aria-invalid="true" autofocus' in bad.text

    await deliver(world, TEAM.lower(), references=("q1@sender.test",), subject="Renewal")
    fields = {**fields, "key": fields_of(bad.text)["key"]}
    moved = await person.post(path + "letter/", {**fields, "text": "In March."})
    assert moved.status_code == 409
    assert "A newer message came meanwhile" in moved.text
    assert 'role="alert" tabindex="-1" autofocus>A newer' in moved.text
    fitting = {**fields_of(moved.text), "text": "In March."}
    assert (await person.post(path + "letter/", fitting)).status_code == 303


async def test_without_a_smarthost_an_answer_is_a_link_to_ones_own_mail_program(
    engine: Engine,
) -> None:
    async with open_world(engine) as world:
        path = await asked(world)
        person = await signed_in(world, TENANT_OWNER)
        page = (await person.get(path)).text
        assert 'href="mailto:grace@sender.test' in page
        assert "letter-form" not in page
        assert "New letter" not in page and "Approvals" not in page
        assert "new letter" not in (await person.get("/console/keys/")).text
        new = await person.get(f"/console/{SALES}/compose/")
        assert (new.status_code, "no smarthost" in new.text) == (200, True)


async def test_a_draft_tells_teammates_that_somebody_replies(world: World) -> None:
    path = await asked(world)
    olga, mia = await signed_in(world, TENANT_OWNER), await signed_in(world, MEMBER)
    fields = fields_of((await olga.get(path)).text)

    quiet = await olga.post(path + "draft/", {**fields, "text": "In", "quiet": "1"})
    assert quiet.status_code == 204
    named = {"draft_id": quiet.headers["x-draft"], "draft_tag": quiet.headers["etag"]}
    saved = await olga.post(path + "draft/", {**fields, **named, "text": "In M"})
    assert saved.status_code == 303
    assert fields_of((await olga.get(path)).text)["text"] == "In M"
    others = await mia.get(path.replace(SALES, SUPPORT))
    assert "is replying too" in others.text
    late = await olga.post(path + "letter/", {**fields, **named, "text": "In March."})
    assert late.status_code == 412
    assert fields_of(late.text)["text"] == "In March."


async def test_a_new_letter_is_written_on_a_page_of_its_own(world: World) -> None:
    person = await signed_in(world, TENANT_OWNER)
    path = f"/console/{SALES}/compose/"
    page = await person.get(path)
    fields = fields_of(page.text)
    assert fields["from"] == SALES
    assert "New letter" in page.text and "Approvals" in page.text
    empty = await person.post(path, {**fields, "text": "Hello"})
    assert empty.status_code == 400
    letter = {
        **fields_of(empty.text),
        "to": "Ada <ada@client.test>, bob@client.test",
        "subject": "Hi\r\nthere",
    }
    # A browser writes each octet of it as three.
    sent = await person.post(path, {**letter, "text": "Привет " * 18_000})
    assert sent.status_code == 303
    shown = (await person.get(sent.headers["location"])).text
    assert "Hi there" in shown and "Waits to be sent" in shown
    assert await no_letter_for_others(person) == 404


async def no_letter_for_others(person: Visitor) -> int:
    return (await person.get("/console/desk@other.test/compose/")).status_code


async def test_a_file_is_uploaded_by_the_page_alone_and_goes_with_the_letter(
    world: World,
) -> None:
    path = await asked(world)
    person = await signed_in(world, TENANT_OWNER)
    fields = fields_of((await person.get(path)).text)
    files = f"/console/{SALES}/files/?filename="
    token = {"X-Postroom-Form": person.token, "Content-Type": "application/pdf"}

    foreign = await person.http.post(f"{files}a.pdf", content=b"%PDF", headers=SAME | token | ELSE)
    assert foreign.status_code == 403
    stale = {**SAME, **token, "X-Postroom-Form": "x"}
    assert (await person.http.post(f"{files}a.pdf", content=b"%PDF", headers=stale)).is_error
    bad = await person.http.post(f"{files}..", content=b"%PDF", headers=SAME | token)
    assert "fault" in bad.json()
    made = await person.http.post(f"{files}a.pdf", content=b"%PDF", headers=SAME | token)
    letter = {**fields, "text": "Here.", "to": "nobody", "file": made.json()["file"]}
    refused = await person.post(path + "letter/", letter)
    assert "<bdi>a.pdf</bdi>" in refused.text
    again = fields_of(refused.text)
    assert again["file"] == made.json()["file"]
    sent = await person.post(path + "letter/", {**again, "to": fields["to"]})
    assert sent.status_code == 303
    message = (await sent_by(world, path))["message_id"]
    async with world.client(SALES) as api:
        assert b"a.pdf" in (await api.get(f"/v1/messages/{message}/raw/")).content


ELSE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
