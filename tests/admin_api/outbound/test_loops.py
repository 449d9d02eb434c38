"""Two servers whose agents answer everything: they stop. Each is a tenant here; on both engines."""

import hashlib
import re
from typing import Any

from gateway.message.arrival import arrival
from gateway.message.header_scan import scan
from storage.address import parse_address
from storage.content.message_bytes import Content
from storage.delivery.arrivals import Recipient, Stored
from storage.ids import to_text
from tests.admin_api.outbound.test_letters import MESSAGES, sending_world
from tests.builders import AGENT, FOREIGN_INBOX, TENANT_OWNER, World
from tests.storage.delivery import arriving
from tests.support.engines import Engine
from tests.support.post_room import parse_waiting

SIDES = {AGENT: "Example", FOREIGN_INBOX: "Other"}
_AUTO = re.compile(rb"Auto-Submitted:[^\r]*\r\n")


async def carry(world: World, sender: str, message_id: str, to: str, *, strips: bool) -> str:
    """Bring a letter to the other side, which may lose the field that says who wrote it."""
    async with world.client(sender) as api:
        raw = (await api.get(f"{MESSAGES}{message_id}/raw/")).content
        shown = (await api.get(f"{MESSAGES}{message_id}/")).json()
    body = _AUTO.sub(b"", raw) if strips else raw
    address = parse_address(shown["to"][0]["email"])
    arrived = arrival(
        scan(body),
        Content(hashlib.sha256(body).digest(), len(body), body, None),
        tenant_id=world.raw[SIDES[to]],
        recipients=[Recipient(address.text, *address.text.rpartition("@")[::2])],
        reverse_path=sender,
        client_ip="192.0.2.7",
        helo="mx.other.test",
        protocol="ESMTP",
        hostname="mail.example.test",
        transaction_id="t",
        now=world.clock(),
    )
    (outcome,) = await arriving.deliver(world, arrived)
    assert isinstance(outcome, Stored), outcome
    await parse_waiting(world.database, world.clock())
    return to_text("msg", outcome.message_id)


async def correspond(world: World, *, strips: bool) -> tuple[dict[str, int], str]:
    """Have a person begin, and the agents answer each other; their letters, and why it ended."""
    letter: dict[str, Any] = {"to": [{"email": FOREIGN_INBOX}], "subject": "Hi", "text_body": "x"}
    async with world.client(TENANT_OWNER) as api:
        first = await api.post(MESSAGES, json={**letter, "inbox_id": world.ids[AGENT]})
    assert first.status_code == 201, first.text
    sender, receiver, message = AGENT, FOREIGN_INBOX, first.json()["message_id"]
    sent = {AGENT: 0, FOREIGN_INBOX: 0}
    for _ in range(20):
        world.clock.advance(1_000_000)
        came = await carry(world, sender, message, receiver, strips=strips)
        async with world.client(receiver) as api:
            answer = await api.post(MESSAGES, json={"reply_to_message_id": came, "text_body": "y"})
        if answer.status_code != 201:
            return sent, answer.json()["code"]
        sent[receiver] += 1
        sender, receiver, message = receiver, sender, answer.json()["message_id"]
    return sent, "no end"


async def test_two_servers_whose_agents_answer_everything_stop(engine: Engine) -> None:
    async with sending_world(engine) as world:
        assert await correspond(world, strips=False) == (
            {AGENT: 0, FOREIGN_INBOX: 1},
            "no_reply_wanted",
        )
        assert await correspond(world, strips=True) == (
            {AGENT: 5, FOREIGN_INBOX: 5},
            "thread_budget",
        )
