"""What comes back to a letter: reports, answers to its token, itself; on both engines."""

from collections.abc import Sequence
from typing import Any

from storage.address import parse_address
from storage.delivery.arrivals import Repeated, Stored
from storage.directory import inboxes, lists
from storage.directory.resolve import Resolution, Verdict, resolve
from storage.events import log
from storage.ids import from_text
from storage.maintenance.integrity import audit
from storage.outbound import sending_queue
from storage.outbound.sending_queue import RecipientOutcome, SendingClaim
from tests.admin_api.outbound.test_letters import (
    GRACE,
    MESSAGES,
    parsed,
    question,
    send,
    sending_world,
    show,
)
from tests.builders import AGENT, SALES, SUPPORT, TEAM, TENANT_OWNER, World, deliver, receive
from tests.storage.delivery import arriving
from tests.storage.outbound.queued import US, claimed
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.post_room import parse_waiting
from tests.support.reports import report

TAKEN = RecipientOutcome("accepted", 250, "2.0.0", "queued")
THREADS = "/v1/messages/threads/"
GONE = ("grace@sender.test", "failed", "5.1.1", "550 5.1.1 no such user")
SLOW = ("carl@sender.test", "delayed", "4.4.1", "connect timed out")
THERE = ("carl@sender.test", "delivered", "2.0.0", "250 ok")


async def sent(world: World, **fields: object) -> tuple[dict[str, Any], SendingClaim]:
    """Send a letter that the smarthost takes; a new one as a person."""
    who = SALES if "reply_to_message_id" in fields else TENANT_OWNER
    made = await send(world, who, more={"undo_seconds": 0, "inbox_id": world.ids[SALES], **fields})
    (one,) = await claimed(world)
    said = {place: TAKEN for place, _ in one.recipients}
    now = world.clock()
    await world.database.write(
        lambda tx: sending_queue.note_outcome(tx, one, said, owner=US, now=now)
    )
    return made, one


async def came(world: World, body: bytes, to: str) -> str:
    """Have a message come by SMTP, and be read; its id."""
    message = await receive(world, to, body=body)
    await parse_waiting(world.database, world.clock())
    return message


async def states(world: World, message_id: str) -> list[str]:
    delivery = (await show(world, SALES, message_id))["delivery"]
    return [one["state"] for one in delivery["recipients"]]


async def agenda(world: World) -> list[str]:
    async with world.client(SALES) as api:
        return [one["title"] for one in (await api.get("/v1/agenda/")).json()]


async def bounced(world: World) -> list[tuple[bytes | None, bytes | None]]:
    after = {world.tenant_id: b""}
    found = await world.database.read(lambda tx: log.new_events(tx, after=after, limit=1000))
    return [(one.inbox_id, one.message_id) for one in found.events if one.type == "message.bounced"]


async def route(world: World, address: str) -> Resolution:
    local_part, _, domain = address.rpartition("@")
    return await world.database.read(lambda tx: resolve(tx, local_part=local_part, domain=domain))


async def test_reports_come_back_to_their_letter(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        made, one = await sent(
            world, reply_to_message_id=asked, reply_all=True, text_body="In March."
        )
        letter, to = made["message_id"], one.reverse_path(verp=True)
        with cases() as case:
            with case("the envelope sender is the letter's own, or the address in From"):
                assert to == f"bounce+{one.bounce_token}@example.test"
                assert one.reverse_path(verp=False) == "Team@example.test"
                assert await states(world, letter) == ["accepted", "accepted"]
            with case("its token is a route before the plus rule, in any case"):
                found = await route(world, to.upper())
                assert (found.verdict, found.rule) == (Verdict.ROUTE, "bounce")
                assert (found.list_id, found.letter_id) == (
                    world.raw[TEAM],
                    from_text("msg", letter),
                )
            with case("another is none, nor is the right one elsewhere"):
                forged = "bounce+" + "a" * 16
                assert (await route(world, f"{forged}@example.test")).verdict is Verdict.UNKNOWN
                at_other = to.replace("example.test", "other.test")
                assert (await route(world, at_other)).verdict is Verdict.UNKNOWN
            with case("a failure is filed into the thread, which opens again"):
                async with world.client(SALES) as api:
                    path = f"{THREADS}{made['thread_id']}/"
                    await api.patch(path, json={"status": "closed"})
                    report_id = await came(world, report(GONE, to=to), to)
                    assert (await api.get(path)).json()["status"] == "open"
                for who in (SALES, SUPPORT):
                    shown = await show(world, who, report_id)
                    assert (shown["kind"], shown["folder"]) == ("bounce", "inbox")
                    assert shown["bounce"] == {"message_id": letter, "state": "bounced"}
                    assert shown["thread_id"] == made["thread_id"]
                kinds = [(await show(world, SALES, id_))["kind"] for id_ in (asked, letter)]
                assert kinds == ["received", "sent"]
            with case("it sets the state of the recipient that it names, and the letter's"):
                after = (await show(world, SALES, letter))["delivery"]
                assert after["state"] == "bounced"
                grace, carl = after["recipients"]
                assert (grace["state"], grace["code"], grace["enhanced"]) == (
                    "bounced",
                    550,
                    "5.1.1",
                )
                assert grace["diagnostic"] == "550 5.1.1 no such user"
                assert carl["state"] == "accepted"
            with case("the author gets one task, and every holder an event"):
                await came(world, report(GONE, to=to, name="r2"), to)
                assert await agenda(world) == ["[Not delivered] Re: Renewal"]
                raw = from_text("msg", letter)
                assert await bounced(world) == 2 * [
                    (inbox, raw) for inbox in sorted([world.raw[SALES], world.raw[SUPPORT]])
                ]
            with case("a delay, then a delivery; a delay that comes late changes nothing"):
                for number, (said, state) in enumerate(
                    ((SLOW, "delayed"), (THERE, "delivered"), (SLOW, "delivered"))
                ):
                    await came(world, report(said, to=to, name=f"s{number}"), to)
                    assert await states(world, letter) == ["bounced", state]
                assert len(await agenda(world)) == 1
            with case("whatever comes to the token is of the thread"):
                text = b"Subject: Away\r\nMessage-ID: <a1@x.test>\r\n\r\nI am away.\r\n"
                away = await show(world, SALES, await came(world, text, to))
                assert (away["kind"], away["bounce"]["state"]) == ("bounce", "other")
                assert away["thread_id"] == made["thread_id"]
            with case("nothing is lost or doubled"):
                assert (await audit(world.database, world.content, deep=True)).findings == ()


async def test_a_report_without_the_right_token_changes_nothing(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        made, one = await sent(world, reply_to_message_id=asked, text_body="In March.")
        letter, token = made["message_id"], one.bounce_token or ""
        with cases() as case:
            with case("an inbox bounce@ keeps its mail"):
                await world.database.write(
                    lambda tx: inboxes.create_inbox(
                        tx,
                        tenant_id=world.tenant_id,
                        address=parse_address("bounce@example.test"),
                        display_name="",
                        owner_user_id=None,
                        now=world.clock(),
                    )
                )
                forged = f"bounce+{'a' * 16}@example.test"
                found = await route(world, forged)
                assert (found.verdict, found.rule) == (Verdict.ROUTE, "subaddress")
                await came(world, report(GONE, to=forged), forged)
                right = await route(world, f"bounce+{token}@example.test")
                assert right.rule == "bounce"
            with case("a report to the team that names no envelope, or another, is mail"):
                for number, envelope in enumerate(("", "b" * 16, letter)):
                    body = report(GONE, to=TEAM, envelope=envelope, name=f"f{number}")
                    shown = await show(world, SALES, await came(world, body, "team@example.test"))
                    assert (shown["kind"], shown["bounce"]) == ("received", None)
                assert await states(world, letter) == ["accepted"]
                assert await agenda(world) == []
                assert await bounced(world) == []
            with case("one to another recipient than the letter's is filed, and sets no state"):
                two, second = await sent(
                    world, to=[GRACE, {"email": "c@x.test"}], text_body="x", subject="Two"
                )
                stranger = ("eve@x.test", "failed", "5.1.1", "no")
                to = second.reverse_path(verp=True)
                shown = await show(world, SALES, await came(world, report(stranger, to=to), to))
                assert shown["bounce"]["state"] == "bounced"
                assert await states(world, two["message_id"]) == ["accepted", "accepted"]
            with case("by its envelope id a report finds the letter from any address of ours"):
                body = report(GONE, to=TEAM, envelope=token, name="e1")
                shown = await show(world, SALES, await came(world, body, "team@example.test"))
                assert (shown["kind"], shown["thread_id"]) == ("bounce", made["thread_id"])
                assert await states(world, letter) == ["bounced"]
            with case("of a letter with a blind recipient only the author gets it"):
                blind, third = await sent(
                    world,
                    **{"from": TEAM},
                    to=[GRACE],
                    bcc=[{"email": "blind@sender.test"}],
                    subject="Blind",
                    text_body="x",
                )
                to = third.reverse_path(verp=True)
                assert third.reverse_path(verp=False) == "sales@example.test"
                said = ("blind@sender.test", "failed", "5.1.1", "no such user")
                report_id = await came(world, report(said, to=to), to)
                assert (await show(world, SALES, report_id))["kind"] == "bounce"
                assert (await show(world, SUPPORT, report_id))["code"] == "not_found"
                theirs = (await show(world, SUPPORT, blind["message_id"]))["delivery"]
                assert [one["email"] for one in theirs["recipients"]] == ["grace@sender.test"]
                ours = (await show(world, SALES, blind["message_id"]))["delivery"]
                assert (ours["state"], theirs["state"]) == ("bounced", "accepted")


async def test_an_answer_joins_its_thread(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        made, _ = await sent(world, reply_to_message_id=asked, text_body="In March.")
        letter = await parsed(world, SALES, made["message_id"])
        with_token = str(letter["Reply-To"])
        own = str(letter["Message-ID"]).strip("<>")
        thread = str(letter["References"]).split()[0].strip("<>")
        ways: dict[str, tuple[str, Sequence[str]]] = {
            "plain": (with_token, (own, thread)),
            "the Message-ID was replaced": (with_token, ("x@ses.test", thread)),
            "References were dropped": (with_token, (own,)),
            "both": (with_token, ()),
            "both, and the address in capitals": (with_token.upper(), ("x@ses.test",)),
        }
        with cases() as case:
            with case("Reply-To is the list with a token"):
                assert with_token.startswith("Team+r.")
                assert len(with_token) == len("Team+r.@example.test") + 16
            for number, (name, (to, references)) in enumerate(ways.items()):
                with case(name):
                    answer = await deliver(
                        world, to, references=tuple(references), name=f"w{number}@x.test"
                    )
                    shown = await show(world, SUPPORT, answer)
                    assert shown["thread_id"] == made["thread_id"]
                    assert shown["via"][0]["list_id"] == world.ids[TEAM]
            with case("a letter that begins a thread names it too, short or long"):
                for text in ("x", "x" * 60_000):
                    new, _ = await sent(world, to=[GRACE], subject="New", text_body=text)
                    own = str((await parsed(world, SALES, new["message_id"]))["References"])
                    assert own == f"<{new['thread_id']}@example.test>"
                    name = f"{len(text)}@x.test"
                    ids = (f"replaced.{name}", own.strip("<>"))
                    answer = await deliver(world, "sales@example.test", references=ids, name=name)
                    assert (await show(world, SALES, answer))["thread_id"] == new["thread_id"]
            with case("a forged token is ordinary mail to the team"):
                forged = f"Team+r.{'a' * 16}@example.test"
                for name in ("n1@x.test", "n2@x.test"):
                    shown = await show(world, SUPPORT, await deliver(world, forged, name=name))
                    assert shown["thread_id"] != made["thread_id"]
            with case("headers that name a thread win over the token"):
                first = await deliver(world, "team@example.test", name="other@x.test")
                other = (await show(world, SUPPORT, first))["thread_id"]
                again = await deliver(world, with_token, references=("other@x.test",))
                assert (await show(world, SUPPORT, again))["thread_id"] == other
                path = f"{THREADS}{made['thread_id']}/"
                async with world.client(SUPPORT) as api:
                    assert (await api.get(path)).json()["thread_id"] == made["thread_id"]
            with case("an address with a token is ours: nobody answers to it"):
                body = (
                    f"From: Grace <grace@sender.test>\r\nTo: {with_token}, bo@x.test\r\n"
                    "Subject: Re\r\nMessage-ID: <z1@x.test>\r\n\r\nThanks.\r\n"
                )
                thanks = await came(world, body.encode(), with_token)
                made = await send(
                    world, SUPPORT, reply_to_message_id=thanks, reply_all=True, text_body="x"
                )
                found = (await show(world, SUPPORT, made["message_id"]))["delivery"]["recipients"]
                assert [one["email"] for one in found] == ["grace@sender.test", "bo@x.test"]
            with case("participants are shown without it"):
                async with world.client(SUPPORT) as api:
                    shown = (await api.get(f"{THREADS}{made['thread_id']}/")).json()
                assert not [one for one in shown["participants"] if "+r." in one["email"]]


async def test_a_letter_that_comes_back_makes_no_second_copy(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        made, _ = await sent(
            world, reply_to_message_id=asked, cc=[{"email": TEAM}], text_body="In March."
        )
        raw = from_text("msg", made["message_id"])
        assert raw is not None
        name = str((await parsed(world, SALES, made["message_id"]))["Message-ID"]).strip("<>")

        async def back(to: str, body: bytes, **fields: Any) -> Any:  # noqa: ANN401
            arrival = arriving.mail(world, to, body=body)
            arrival = arrival._replace(header_message_id=name, from_email=TEAM)._replace(**fields)
            (outcome,) = await arriving.deliver(world, arrival)
            return outcome

        with cases() as case:
            with case("those who hold it get none"):
                outcome = await back("team@example.test", b"1")
                assert isinstance(outcome, Repeated)
                assert outcome.message_id == raw
            with case("a member who came later gets one"):
                await world.database.write(
                    lambda tx: lists.add_member(
                        tx,
                        tenant_id=world.tenant_id,
                        list_id=world.raw[TEAM],
                        inbox_id=world.raw[AGENT],
                        now=world.clock(),
                    )
                )
                outcome = await back("team@example.test", b"2")
                assert isinstance(outcome, Stored)
                assert outcome.copies == 1
                assert await arriving.holders(world, outcome.message_id) == [AGENT]
            with case("of two ways in, neither makes one for those who hold it"):
                arrival = arriving.mail(world, "team@example.test", "sales@example.test", body=b"3")
                arrival = arrival._replace(header_message_id=name, from_email=TEAM)
                (outcome,) = await arriving.deliver(world, arrival)
                assert isinstance(outcome, Stored)
                assert await arriving.holders(world, outcome.message_id) == [AGENT]
            with case("mail of somebody else with its Message-ID is other mail"):
                for number, fields in enumerate(
                    ({"from_email": "eve@x.test"}, {"header_message_id": f"x{name}"})
                ):
                    outcome = await back("team@example.test", b"4%d" % number, **fields)
                    assert isinstance(outcome, Stored)
                    assert outcome.copies == 3


async def test_a_teammate_sends_a_shared_draft_with_its_files(engine: Engine) -> None:
    async with sending_world(engine) as world:
        asked = await question(world)
        thread = (await show(world, SALES, asked))["thread_id"]
        async with world.client(SALES) as mine, world.client(SUPPORT) as theirs:
            made = await mine.post(
                "/v1/uploads/", params={"filename": "terms.txt"}, content=b"terms"
            )
            upload = made.json()["upload_id"]
            files = [{"upload_id": upload}]
            draft = await mine.post(
                f"{THREADS}{thread}/drafts/", json={"text_body": "Here.", "attachments": files}
            )
            letter = {"reply_to_message_id": asked, "text_body": "Here.", "attachments": files}
            with cases() as case:
                with case("not without the draft"):
                    assert (await theirs.post(MESSAGES, json=letter)).status_code == 400
                with case("with it they go along"):
                    answer = await theirs.post(
                        MESSAGES,
                        json={**letter, "draft_id": draft.json()["draft_id"]},
                        headers={"If-Match": draft.headers["ETag"]},
                    )
                    assert answer.status_code == 201, answer.text
                    found = await parsed(world, SUPPORT, answer.json()["message_id"])
                    (file,) = found.iter_attachments()
                    assert file.get_content() == b"terms"
                with case("taken back, they are in the draft of who sent it"):
                    path = f"{MESSAGES}{answer.json()['message_id']}/cancel/"
                    again = (await theirs.post(path)).json()
                    assert [one["upload_id"] for one in again["attachments"]] == [upload]


async def test_with_ask_an_unknown_letter_is_a_task_for_its_author(engine: Engine) -> None:
    async with sending_world(engine) as world:
        own = world.ids[SALES]
        await send(
            world,
            TENANT_OWNER,
            inbox_id=own,
            to=[GRACE],
            subject="Ask",
            text_body="x",
            undo_seconds=0,
        )
        (one,) = await claimed(world)
        now = world.clock()
        unknown = RecipientOutcome("unknown", None, None, "closed")
        await world.database.write(
            lambda tx: sending_queue.note_outcome(
                tx, one, {0: unknown}, owner=US, now=now, ask=True
            )
        )
        assert await agenda(world) == ["[Perhaps sent] Ask"]
        async with world.client(TENANT_OWNER) as api:
            listed = await api.get("/v1/agenda/", params={"inbox_id": world.ids[SALES]})
        assert listed.json()[0]["type"] == "letter"
