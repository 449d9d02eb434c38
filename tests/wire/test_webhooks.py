"""Webhooks of a server that is stopped: what was under way is not waited for, and goes on after."""

import asyncio
import time
from collections.abc import Iterator

from tests.support.fixtures import MakeServer
from tests.support.mailbox import Mailbox
from tests.support.receiver import answer, receiving
from tests.support.server import Server
from tests.support.smtp import message

HOOK = {"events": ["message.received"]}


def subscribe(mailbox: Mailbox, target: str) -> str:
    delivery = {"type": "webhook", "target": target}
    made = mailbox.call("POST", "/v1/alerts/", {**HOOK, "delivery": delivery})
    assert made.status == 201, made
    return str(made.json()["secret"])


def send(server: Server, *subjects: str) -> None:
    with server.client() as client:
        for subject in subjects:
            client.deliver(message(subject), ["team@example.test"])
        client.quit()


async def test_a_stopped_server_leaves_its_calls_to_the_next_one(own_server: MakeServer) -> None:
    answers: Iterator[bytes | str] = iter(["hang", answer(204), answer(204)])
    async with receiving(lambda heard: next(answers)) as receiver:
        server = await asyncio.to_thread(own_server, {"webhook_allow_networks": "127.0.0.0/8"})
        mailboxes = server.mailboxes()
        secret = await asyncio.to_thread(subscribe, mailboxes[0], receiver.url())
        await asyncio.to_thread(send, server, "one", "two")
        await receiver.hear(1)

        began = time.monotonic()
        assert await asyncio.to_thread(server.stop) == 0
        assert time.monotonic() - began < 10, "it does not wait for endpoints"
        await asyncio.to_thread(server.start)
        calls = await receiver.hear(3)
        for each in mailboxes:
            each.close()

    assert calls[0].name == calls[1].name != calls[2].name
    for heard in calls:
        heard.verify(secret)
