"""How far a token may go: to whom, how often, and when a person has to say something first."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from storage.accounts.tokens import Sending, find_token
from storage.clock import HOUR, SECOND
from storage.database import Tx
from storage.drafts.token_limits import Refusal, wants_no_reply, why_not
from storage.ids import from_text
from storage.mailbox.visibility import View
from tests.admin_api.drafts.letters import letter, thread_id_of
from tests.builders import SALES, SUPPORT, TEAM, TENANT_OWNER, World, deliver, open_world
from tests.support.cases import cases
from tests.support.engines import Engine

ANYONE = Sending(send_to="anyone")


@pytest.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    async with open_world(engine) as made:
        yield made


async def asked(
    world: World,
    *,
    sending: Sending = ANYONE,
    thread: bytes | None = None,
    recipients: Sequence[str] = ("grace@sender.test",),
    answered: Sequence[str] = (),
    message: str | None = None,
) -> Refusal | None:
    """What Sales' token hears, were it made so."""

    async def work(tx: Tx) -> Refusal | None:
        token = await find_token(
            tx, tenant_id=world.tenant_id, token_id=world.raw[f"token of {SALES}"]
        )
        return await why_not(
            tx,
            view=View(world.tenant_id, world.raw[SALES], world.clock()),
            token=replace(token, sending=sending),
            thread_id=thread,
            recipients=recipients,
            answered=answered,
            reply_to_message_id=from_text("msg", message) if message else None,
        )

    return await world.database.read(work)


async def test_a_token_writes_to_those_that_it_may_write_to(world: World) -> None:
    thread = await thread_id_of(world, await deliver(world, TEAM.lower()))
    async with world.client(SALES) as api:
        card = {"full_name": "Ada", "emails": [{"label": "", "address": "Ada@client.test"}]}
        assert (await api.post("/v1/contacts/", json=card)).status_code == 201
    grace, ada, eve = "Grace@Sender.test", "ada@CLIENT.test", "eve@else.test"
    everybody = (grace, "team@example.test", ada, eve, "no address")
    outside = {
        "participants": (2, 3, 4),
        "contacts": (3, 4),
        "anyone": (),
    }
    with cases() as case:
        for send_to, places in outside.items():
            with case(send_to):
                found = await asked(
                    world, sending=Sending(send_to=send_to), thread=thread, recipients=everybody
                )
                expected = Refusal("recipient_not_allowed", places=places) if places else None
                assert found == expected
        with case("one whom the answered message names"):
            assert await asked(world, sending=Sending(), recipients=[eve], answered=[eve]) is None
        with case("a new letter has no participants"):
            found = await asked(world, sending=Sending(), recipients=[grace])
            assert found == Refusal("recipient_not_allowed", places=(0,))


async def test_a_token_sends_so_many_letters_in_any_hour(world: World) -> None:
    sending = Sending(send_to="anyone", send_rate=2)
    assert await asked(world, sending=replace(sending, send_rate=0)) == Refusal("send_rate", 3600)
    await letter(world)
    assert await asked(world, sending=sending) is None
    world.clock.advance(HOUR // 2)
    await letter(world, held=True)
    await letter(world, who=SUPPORT)
    refused = await asked(world, sending=sending)
    assert refused is not None and refused.code == "send_rate"
    assert 0 < refused.seconds <= 1800
    world.clock.advance(refused.seconds * SECOND)
    assert await asked(world, sending=sending) is None


async def test_five_letters_by_tokens_without_a_person_between_are_the_last(world: World) -> None:
    message = await deliver(world, TEAM.lower())
    thread = await thread_id_of(world, message)
    path = f"/v1/messages/threads/{(await thread_text(world))}/"

    async def note() -> None:
        async with world.client(TENANT_OWNER) as person:
            body = {"body": "Go on.", "inbox_id": SALES}
            assert (await person.post(path + "notes/", json=body)).status_code == 201

    async def letter_of_a_person() -> None:
        await letter(world, thread=thread, token=False)

    async def act() -> None:
        async with world.client(TENANT_OWNER) as person:
            body = {"status": "closed", "inbox_id": SALES}
            assert (await person.patch(path, json=body)).status_code == 200

    async with world.client(SALES) as token:
        for person in (letter_of_a_person, note, act):
            for number in range(5):
                assert await asked(world, thread=thread) is None, number
                # An agent of the same tenant in another inbox counts as well.
                await letter(world, thread=thread, who=SALES if number % 2 else SUPPORT)
            refused = await asked(world, thread=thread)
            assert refused == Refusal("thread_budget", 3600)
            # A token that writes a note is no person.
            assert (await token.post(path + "notes/", json={"body": "Go on."})).is_success
            assert await asked(world, thread=thread) == refused
            await person()
        assert await asked(world, thread=thread) is None


async def thread_text(world: World) -> str:
    async with world.client(SALES) as api:
        (thread, *_) = (await api.get("/v1/messages/threads/")).json()["results"]
    return str(thread["thread_id"])


async def test_what_wants_no_answer_gets_none(world: World) -> None:
    made = {
        "mail of a person": (await deliver(world, SALES.lower()), False),
        "automatic mail": (await deliver(world, SALES.lower(), automatic=True), True),
        "a null reverse-path": (await deliver(world, SALES.lower(), reverse_path=""), True),
        **{
            sender: (await deliver(world, SALES.lower(), sender=f"{sender}@shop.test"), expected)
            for sender, expected in {
                "no-reply": True,
                "NoReply": True,
                "do_not_reply": True,
                "orders+no-reply": True,
                "mailer-daemon": True,
                "bounce-17": True,
                "norbert.reply": False,
                "reply": False,
            }.items()
        },
    }
    with cases() as case:
        for name, (message, expected) in made.items():
            with case(name):
                message_id = from_text("msg", message) or b""
                found = await world.database.read(
                    lambda tx, one=message_id: wants_no_reply(  # type: ignore[misc]
                        tx, tenant_id=world.tenant_id, message_id=one
                    )
                )
                assert found is expected
                refused = await asked(world, message=message)
                assert refused == (Refusal("no_reply_wanted") if expected else None)
