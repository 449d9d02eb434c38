"""Sending by the API: names, recipients, header, refusals, taking back; on both engines."""

import email
import email.policy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import pytest

from storage.address import parse_address
from storage.clock import MINUTE, SECOND
from storage.content.message_bytes import Content, ContentDirectory, SpoolFile
from storage.content.orphans import remove_orphans
from storage.directory import inboxes, lists
from storage.ids import from_text
from storage.maintenance.integrity import audit
from tests.builders import (
    AGENT,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
    open_world,
    token_with,
)
from tests.storage.outbound.queued import claimed
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.post_room import parse_waiting

MESSAGES = "/v1/messages/"
GRACE = {"email": "grace@sender.test", "name": "Grace"}
QUESTION = (
    b"From: Grace <grace@sender.test>\r\nTo: team@example.test\r\nCc: carl@sender.test,"
    b" sales@example.test\r\nSubject: Renewal\r\nMessage-ID: <q1@sender.test>\r\n"
    b"References: <q0@sender.test>\r\n\r\nWhen does it end?\r\n"
)


NAMED = (
    b'{"to":[["","team@example.test"]],"cc":[["","carl@sender.test"],["","sales@example.test"]]}'
)


@asynccontextmanager
async def sending_world(engine: Engine, *, return_path: str = "verp") -> AsyncIterator[World]:
    from config.values import Endpoint

    host = Endpoint("127.0.0.1", 1)
    async with open_world(engine, smarthost=host, return_path=return_path) as world:
        yield world


async def send(
    world: World,
    who: str,
    expect: int = 201,
    *,
    secret: str | None = None,
    more: Mapping[str, object] | None = None,
    **fields: object,
) -> dict[str, Any]:
    letter = {**fields, **(more or {})}
    async with world.client(None if secret else who, secret=secret) as api:
        answer = await api.post(MESSAGES, json=letter)
    assert answer.status_code == expect, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def show(world: World, who: str, message_id: str) -> dict[str, Any]:
    async with world.client(who) as api:
        found: dict[str, Any] = (await api.get(f"{MESSAGES}{message_id}/")).json()
    return found


async def parsed(world: World, who: str, message_id: str) -> EmailMessage:
    """The letter as it goes to the smarthost: what stands behind the trace fields."""
    async with world.client(who) as api:
        raw = (await api.get(f"{MESSAGES}{message_id}/raw/")).content
    assert b"\r\n" in raw
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    return email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)


async def question(
    world: World,
    *recipients: str,
    body: bytes = QUESTION,
    references: tuple[str, ...] = (),
    automatic: bool = False,
) -> str:
    message = await deliver(
        world,
        *(recipients or ("team@example.test",)),
        body=body,
        name="q1@sender.test",
        subject="Renewal",
        references=references,
        automatic=automatic,
    )
    await world.database.write(
        lambda tx: tx.execute(
            "UPDATE messages SET recipients = :named WHERE message_id = :message_id",
            {"named": NAMED, "message_id": from_text("msg", message)},
        )
    )
    await parse_waiting(world.database, world.clock())
    return message


async def test_an_answer_goes_from_the_list_to_who_asked(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        with cases() as case:
            with case("it is queued, and its author's alone"):
                made = await send(world, SALES, reply_to_message_id=asked, text_body="In March.")
                assert (made["state"], made["queued"], made["warnings"]) == ("waiting", False, [])
                mine = await show(world, SALES, made["message_id"])
                assert (mine["folder"], mine["is_read"]) == ("sent", True)
                assert mine["thread_id"] == (await show(world, SALES, asked))["thread_id"]
                assert mine["delivery"]["recipients"][0]["email"] == "grace@sender.test"
                assert (await show(world, SUPPORT, made["message_id"]))["code"] == "not_found"
            letter = await parsed(world, SALES, made["message_id"])
            with case("from, to and subject are those of an answer"):
                assert str(letter["From"]) == "Everybody <Team@example.test>"
                assert str(letter["To"]) == "Grace <grace@sender.test>"
                assert letter["Cc"] is None
                assert letter["Subject"] == "Re: Renewal"
                assert letter["Auto-Submitted"] == "auto-generated"
                assert letter.get_content() == "In March.\r\n" or letter.get_content() == (
                    "In March.\n"
                )
            with case("the ids name the thread, the question and what it answered"):
                assert letter["In-Reply-To"] == "<q1@sender.test>"
                thread = f"<{made['thread_id']}@example.test>"
                ids = str(letter["References"]).split()
                assert ids == [thread, "<q0@sender.test>", "<q1@sender.test>"]
                assert str(letter["Message-ID"]).startswith(f"<{made['message_id']}.")
            with case("an answer by any of them joins the thread"):
                for reference in (
                    f"{made['thread_id']}@example.test",
                    str(letter["Message-ID"]).strip("<>"),
                ):
                    reply = await deliver(world, "team@example.test", references=(reference,))
                    assert (await show(world, SALES, reply))["thread_id"] == made["thread_id"]
            async with world.client(TENANT_OWNER) as api:
                token = world.ids[f"token of {SALES}"]
                await api.patch(f"/v1/tokens/{token}/", json={"send_to": "anyone"})
            with case("all are answered, but for our own addresses; the quotation is below"):
                made = await send(
                    world,
                    SALES,
                    reply_to_message_id=asked,
                    reply_all=True,
                    quote="last",
                    text_body="See below.",
                    bcc=[{"email": "boss@sender.test"}],
                )
                letter = await parsed(world, SALES, made["message_id"])
                assert str(letter["Cc"]) == "carl@sender.test"
                text = letter.get_content()
                assert "Grace wrote:" in text and "> When does it end?" in text
                assert b"boss" not in letter.as_bytes()
            with case("a person is named beside the list, and is no automaton"):
                async with world.client(TENANT_OWNER) as api:
                    answer = await api.post(
                        MESSAGES,
                        json={"inbox_id": SALES, "reply_to_message_id": asked, "text_body": "Hi."},
                    )
                    path = f"{MESSAGES}{answer.json()['message_id']}/"
                    raw = (await api.get(path + "raw/", params={"inbox_id": SALES})).text
                assert 'From: "Olga (Everybody)" <Team@example.test>' in raw
                assert "Auto-Submitted" not in raw
            with case("the members have it once it leaves, without the blind recipient"):
                world.clock.advance(11 * SECOND)
                await claimed(world)
                theirs = await show(world, SUPPORT, made["message_id"])
                assert [one["email"] for one in theirs["delivery"]["recipients"]] == [
                    "grace@sender.test",
                    "carl@sender.test",
                ]
                assert "boss" not in str(theirs)
            assert (await audit(world.database, world.content, deep=True)).findings == ()


# Reply-To as it came, and who is answered of a message that the parser has not read.
REPLY_TO = {
    "desk@sender.test": ["desk@sender.test"],
    "Desk <desk@sender.test>, b@x.test": ["desk@sender.test", "b@x.test"],
    '"boss@evil.test" <desk@sender.test> (or c@evil.test)': ["desk@sender.test"],
    '"a \\" <c@evil.test>, " <desk@sender.test>': ["desk@sender.test"],
    "=?utf-8?q?c=40evil=2Etest=2C?= <desk@sender.test>": ["desk@sender.test"],
    "Desk:;": ["grace@sender.test"],
    "nobody": ["grace@sender.test"],
    "team@example.test": ["carl@sender.test"],  # ours: then those it went to
    '"never closed <desk@sender.test>': ["grace@sender.test"],
}


async def test_an_answer_before_the_parser_goes_where_reply_to_says(engine: Engine) -> None:
    head = QUESTION.replace(b"To: team@example.test\r\n", b"To: carl@sender.test\r\n")
    async with sending_world(engine) as world:
        with cases() as case:
            for number, (value, wanted) in enumerate(REPLY_TO.items()):
                with case(value):
                    body = b"Reply-To: " + value.encode() + b"\r\n" + head
                    asked = await deliver(world, "team@example.test", body=body, name=f"{number}@y")
                    named = b'{"to":[["","carl@sender.test"]],"cc":[]}'
                    await world.database.write(
                        lambda tx, asked=asked, named=named: tx.execute(  # type: ignore[misc]
                            "UPDATE messages SET recipients = :named WHERE message_id = :id",
                            {"named": named, "id": from_text("msg", asked)},
                        )
                    )
                    assert (await show(world, SALES, asked))["parse_status"] == "pending"
                    secret = await token_with(world, SALES, "email:send")
                    made = await send(
                        world, SALES, secret=secret, reply_to_message_id=asked, text_body="x"
                    )
                    delivery = (await show(world, SALES, made["message_id"]))["delivery"]
                    assert [one["email"] for one in delivery["recipients"]] == wanted


async def test_lists_say_how_their_members_answer(engine: Engine) -> None:
    async with sending_world(engine, return_path="from") as world:
        asked = await question(world)
        tenant_id, list_id = world.tenant_id, world.raw[TEAM]

        async def from_fields(**letter: object) -> tuple[str, str | None]:
            made = await send(
                world, SALES, reply_to_message_id=asked, text_body="In March.", more=letter
            )
            found = await parsed(world, SALES, made["message_id"])
            return str(found["From"]), found["Reply-To"] and str(found["Reply-To"])

        await world.database.write(
            lambda tx: inboxes.update_inbox(
                tx, tenant_id=world.tenant_id, inbox_id=world.raw[SALES], display_name="Ann"
            )
        )
        with cases() as case:
            with case("as the list alone"):
                assert await from_fields() == ('"Ann (Everybody)" <Team@example.test>', None)
                refused = await send(
                    world,
                    SALES,
                    400,
                    reply_to_message_id=asked,
                    text_body="x",
                    more={"from": "inbox"},
                )
                assert refused["errors"][0]["field"] == "from"
            with case("as oneself: then Reply-To is the list"):
                await world.database.write(
                    lambda tx: lists.update_list(
                        tx, tenant_id=tenant_id, list_id=list_id, reply_as="member"
                    )
                )
                assert await from_fields() == ("Ann <Sales@example.test>", "Team@example.test")
            with case("as one likes"):
                await world.database.write(
                    lambda tx: lists.update_list(
                        tx,
                        tenant_id=tenant_id,
                        list_id=list_id,
                        reply_as="either",
                        reply_name="list",
                    )
                )
                assert await from_fields() == ("Everybody <Team@example.test>", None)
                assert (await from_fields(**{"from": "inbox"}))[1] == "Team@example.test"
            with case("a list's address is for its members"):
                refused = await send(
                    world, AGENT, 403, to=[GRACE], text_body="x", more={"from": TEAM}
                )
                assert refused["code"] == "list_not_yours"
            with case("two lists at once are ambiguous, and both are named"):
                made = await world.database.write(
                    lambda tx: lists.create_list(
                        tx,
                        tenant_id=world.tenant_id,
                        address=parse_address("second@example.test"),
                        name="Second",
                        created_by=None,
                        now=world.clock(),
                    )
                )
                await world.database.write(
                    lambda tx: lists.add_member(
                        tx,
                        tenant_id=world.tenant_id,
                        list_id=made.list_id,
                        inbox_id=world.raw[SALES],
                        now=world.clock(),
                    )
                )
                both = await question(world, "team@example.test", "second@example.test")
                refused = await send(world, SALES, 400, reply_to_message_id=both, text_body="x")
                (fault,) = refused["errors"]
                assert fault["field"] == "from"
                assert "Team@example.test" in fault["message"]


BREAKS = ("a\r\nBcc: x@evil.test", "a\nb", "a\rb", "a\x00b", "a\x85b")


async def test_what_cannot_be_a_letter_is_refused_and_names_the_field(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        plain: dict[str, Any] = {"to": [GRACE], "text_body": "Hi."}
        wrong: dict[str, dict[str, Any]] = {
            "to": {"text_body": "Hi."},
            "text_body": {"to": [GRACE]},
            "to[0].email": plain | {"to": [{"email": "nobody"}]},
            "cc[1].email": plain | {"cc": [GRACE, {"email": "gräce@sender.test"}]},
            "reply_all": plain | {"reply_all": True},
            "quote": plain | {"quote": "last"},
            "expected_last_message_id": plain | {"expected_last_message_id": asked},
            "from": plain | {"from": "list"},
            "attachments[0].upload_id": plain | {"attachments": [{"upload_id": "upl_x"}]},
            "template_id": {"to": [GRACE], "template_id": "tpl_x"},
            "reply_to_message_id": plain | {"reply_to_message_id": "msg_" + "0" * 26},
            "undo_seconds": plain | {"undo_seconds": 3601},
        }
        before = await held(world)
        with cases() as case:
            for field, letter in wrong.items():
                with case(field):
                    refused = await send(world, SALES, 400, more=letter)
                    assert field in [one["field"] for one in refused["errors"]]
            for bad in BREAKS:
                for field, letter in {
                    "subject": plain | {"subject": bad},
                    "to[0].name": plain | {"to": [GRACE | {"name": bad}]},
                    "bcc[0].email": plain | {"bcc": [{"email": f"{bad}@sender.test"}]},
                    "from": plain | {"from": bad},
                }.items():
                    with case(f"{field} {bad!r}"):
                        refused = await send(world, SALES, 400, more=letter)
                        assert field in [one["field"] for one in refused["errors"]]
            with case("10,000 recipients"):
                many = [{"email": f"u{number}@x.test"} for number in range(10_000)]
                async with world.client(SALES) as api:
                    answer = await api.post(MESSAGES, json=plain | {"to": many})
                assert answer.status_code in (400, 413)
            with case("more than fifty, over To and Cc together"):
                some = [{"email": f"u{number}@x.test"} for number in range(30)]
                others = [{"email": f"v{number}@x.test"} for number in range(30)]
                secret = await token_with(world, SALES, "email:send")
                refused = await send(
                    world, SALES, 400, secret=secret, to=some, cc=others, text_body="x"
                )
                assert refused["errors"][0]["field"] == "to"
            with case("a newer message came"):
                await question(world, references=("q1@sender.test",))
                refused = await send(
                    world,
                    SALES,
                    409,
                    reply_to_message_id=asked,
                    text_body="x",
                    expected_last_message_id=asked,
                )
                assert refused["code"] == "thread_moved"
        assert await held(world) == before


async def held(world: World) -> int:
    row = await world.database.read(lambda tx: tx.fetch_one("SELECT COUNT(*) AS n FROM letters"))
    assert row is not None
    return int(row["n"])


async def test_a_letter_can_be_taken_back_until_it_leaves(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        with cases() as case:
            made = await send(
                world, SALES, reply_to_message_id=asked, text_body="In March.", subject="Sooner"
            )
            path = f"{MESSAGES}{made['message_id']}/cancel/"
            async with world.client(SALES) as api:
                with case("its text becomes a draft of the thread"):
                    draft = (await api.post(path)).json()
                    assert draft["thread_id"] == made["thread_id"]
                    assert (draft["text_body"], draft["subject"]) == ("In March.", "Sooner")
                with case("once"):
                    assert (await api.post(path)).json()["code"] == "already_sending"
                with case("it never leaves"):
                    world.clock.advance(MINUTE)
                    assert await claimed(world) == []
                    found = await show(world, SALES, made["message_id"])
                    assert (found["delivery"]["state"], found["folder"]) == ("cancelled", "trash")
                with case("not when it is on its way"):
                    made = await send(
                        world, SALES, reply_to_message_id=asked, text_body="x", undo_seconds=0
                    )
                    assert len(await claimed(world)) == 1
                    answer = await api.post(f"{MESSAGES}{made['message_id']}/cancel/")
                    assert answer.json()["code"] == "already_sending"
                with case("and by its author alone; nor does anybody else try it again"):
                    for act in ("cancel", "retry"):
                        path = f"{MESSAGES}{made['message_id']}/{act}/"
                        async with world.client(SUPPORT) as other:  # holds a copy
                            answer = await other.post(path)
                        assert (answer.status_code, answer.json()["code"]) == (403, "not_author")
                        async with world.client(AGENT) as stranger:
                            answer = await stranger.post(path)
                        assert answer.status_code == 404
                with case("a message that came is no letter"):
                    assert (await api.post(f"{MESSAGES}{asked}/cancel/")).status_code == 404
                with case("only what failed is tried again"):
                    answer = await api.post(f"{MESSAGES}{made['message_id']}/retry/")
                    assert answer.json()["code"] == "nothing_to_retry"


async def test_no_file_and_no_letter_is_kept_whose_bytes_went_as_an_orphan(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the clock of the job that removes orphans has jumped."""
    keep = ContentDirectory.keep
    async with sending_world(engine) as world:

        async def keep_and_lose(
            contents: ContentDirectory, spool: SpoolFile, content: Content, *, now: int
        ) -> Content:
            kept = await keep(contents, spool, content, now=now)
            assert await remove_orphans(world.database, contents, [kept.file or ""]) == 1
            return kept

        asked = await question(world)
        path = "/v1/uploads/?filename=a.pdf"
        async with world.client(SALES) as api:
            api.headers["Content-Type"] = "application/pdf"
            upload = (await api.post(path, content=b"%PDF")).json()
            letter = {"text_body": "x", "attachments": [{"upload_id": upload["upload_id"]}]}
            monkeypatch.setattr(ContentDirectory, "keep", keep_and_lose)
            assert (await api.post(path, content=b"%PDF")).status_code == 503
        await send(world, SALES, 503, reply_to_message_id=asked, more=letter)
        monkeypatch.undo()
        # Nothing was used up.
        await send(world, SALES, reply_to_message_id=asked, more=letter)


async def test_files_templates_and_large_texts_go_into_letters(engine: Engine) -> None:
    async with sending_world(engine) as world:
        octets = bytes(range(256)) * 2000
        async with world.client(SALES) as api, world.client(TENANT_OWNER) as admin:
            upload = await api.post(
                "/v1/uploads/",
                params={"filename": 'pr"eis é.pdf'},
                content=octets,
                headers={"Content-Type": "application/pdf"},
            )
            template = await admin.post(
                "/v1/templates/", json={"name": "T", "subject": "For {who}", "body": "Hi {who}."}
            )
        asked = await question(world)
        named = {"attachments": [{"upload_id": upload.json()["upload_id"]}]}
        with cases() as case:
            with case("a file comes out as it went in"):
                made = await send(
                    world,
                    SALES,
                    reply_to_message_id=asked,
                    text_body="é" * 60_000,
                    html_body="<p>Hi</p>",
                    subject="Grüße " * 30,
                    more=named,
                )
                letter = await parsed(world, SALES, made["message_id"])
                (file,) = letter.iter_attachments()
                assert file.get_content() == octets
                assert file.get_filename() == 'pr"eis é.pdf'
                body = letter.get_body(("plain",))
                assert body is not None and body.get_content().strip() == "é" * 60_000
                assert str(letter["Subject"]) == ("Grüße " * 30)
            with case("it is taken"):
                await send(world, SALES, 400, reply_to_message_id=asked, text_body="x", more=named)
            one = template.json()["template_id"]
            with case("a template needs its values"):
                refused = await send(world, SALES, 400, reply_to_message_id=asked, template_id=one)
                assert refused["errors"][0]["field"] == "context"
                made = await send(
                    world,
                    SALES,
                    reply_to_message_id=asked,
                    template_id=one,
                    context={"who": "Ann\r\nBcc: x@evil.test"},
                )
                letter = await parsed(world, SALES, made["message_id"])
                assert letter["Subject"] == "For Ann Bcc: x@evil.test"
                assert letter["Bcc"] is None
            with case("one of almost 1 MiB goes, a longer one is refused"):
                large = await admin_template(world, "{a}" * 10)
                texts = {"a": "x" * 100_000}, {"a": "x" * 105_000}
                given = {"reply_to_message_id": asked, "template_id": large}
                whole = await send(world, SALES, more=given, context=texts[0])
                letter = await parsed(world, SALES, whole["message_id"])
                assert letter.get_content().strip() == "x" * 1_000_000
                before = await held(world)
                refused = await send(world, SALES, 400, more=given, context=texts[1])
                assert [one["field"] for one in refused["errors"]] == ["context"]
                assert await held(world) == before
            with case("taken back, what a template became is the text of the draft"):
                async with world.client(SALES) as api:
                    draft = (await api.post(f"{MESSAGES}{made['message_id']}/cancel/")).json()
                assert draft["subject"] == "For Ann Bcc: x@evil.test"
                assert draft["text_body"] == "Hi Ann\r\nBcc: x@evil.test."
            assert (await audit(world.database, world.content, deep=True)).findings == ()


async def admin_template(world: World, body: str) -> str:
    async with world.client(TENANT_OWNER) as admin:
        made = await admin.post("/v1/templates/", json={"name": "L", "subject": "L", "body": body})
    template_id: str = made.json()["template_id"]
    return template_id


async def test_tokens_send_as_far_as_they_may(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        with cases() as case:
            with case("to participants of the thread"):
                await send(world, SALES, 403, to=[GRACE], text_body="x")
                await send(world, SALES, reply_to_message_id=asked, text_body="x")
            with case("with approval it is held"):
                async with world.client(TENANT_OWNER) as api:
                    token = world.ids[f"token of {SALES}"]
                    answer = await api.patch(
                        f"/v1/tokens/{token}/", json={"requires_approval": ["email:send"]}
                    )
                    assert answer.status_code == 200
                made = await send(world, SALES, 202, reply_to_message_id=asked, text_body="y")
                assert (made["state"], made["queued"]) == ("held", True)
                letter = await parsed(world, SALES, made["message_id"])
                assert letter["Auto-Submitted"] is None
                async with world.client(TENANT_OWNER) as api:
                    path = f"/v1/approvals/{made['approval_id']}/approve/"
                    assert (await api.post(path)).status_code == 204
                found = await show(world, SALES, made["message_id"])
                assert found["delivery"]["state"] == "waiting"
            with case("not to automatic mail"):
                machine = await question(world, automatic=True)
                refused = await send(world, SALES, 409, reply_to_message_id=machine, text_body="x")
                assert refused["code"] == "no_reply_wanted"
            with case("a person is warned"):
                async with world.client(MEMBER) as api:
                    answer = await api.post(
                        MESSAGES,
                        json={
                            "inbox_id": SUPPORT,
                            "reply_to_message_id": machine,
                            "text_body": "x",
                        },
                    )
                assert answer.json()["warnings"] == ["no_reply_wanted"]


async def test_without_a_smarthost_nothing_is_sent(engine: Engine) -> None:
    async with open_world(engine) as world:
        asked = await question(world)
        refused = await send(world, SALES, 409, reply_to_message_id=asked, text_body="x")
        assert refused["code"] == "sending_unconfigured"
        assert await held(world) == 0
