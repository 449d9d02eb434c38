"""Alerts of a running server: from a mail to a signed call and to a task, and a try."""

import asyncio
import json
import time
from typing import Any

from tests.support.fixtures import MakeServer
from tests.support.mailbox import Mailbox
from tests.support.receiver import receiving
from tests.support.server import Server
from tests.support.smtp import message

Record = dict[str, Any]  # one JSON object; the border of the API

TEAM = "team@example.test"
NEWS = ["message.received"]


def make(mailbox: Mailbox, kind: str, target: str, **rest: object) -> Record:
    body = {"events": NEWS, "delivery": {"type": kind, "target": target}, **rest}
    answer = mailbox.call("POST", "/v1/alerts/", body)
    assert answer.status == 201, answer
    return answer.json()


def send(server: Server, subject: str) -> None:
    with server.client() as client:
        client.deliver(message(subject), [TEAM])
        client.quit()


def await_titles(mailbox: Mailbox, count: int) -> list[str]:
    deadline = time.monotonic() + 15
    while True:
        agenda = json.loads(mailbox.call("GET", "/v1/agenda/").body)
        if len(agenda) >= count:
            return [item["title"] for item in agenda]
        assert time.monotonic() < deadline, agenda
        time.sleep(0.05)


async def test_a_mail_becomes_a_signed_call_and_a_task(own_server: MakeServer) -> None:
    async with receiving() as receiver:
        server = await asyncio.to_thread(own_server, {"webhook_allow_networks": "127.0.0.0/8"})
        first, second, *others = server.mailboxes()
        hook = await asyncio.to_thread(make, first, "webhook", receiver.url("/hook"))
        await asyncio.to_thread(make, second, "task", "New: {subject} by {list}")

        tried = await asyncio.to_thread(first.call, "POST", f"/v1/alerts/{hook['alert_id']}/test/")
        await asyncio.to_thread(send, server, "Good morning")
        test, call = await receiver.hear(2)
        titles = await asyncio.to_thread(await_titles, second, 1)

        assert tried.json() | {"milliseconds": 0} == {
            "delivered": True,
            "status": 204,
            "error": None,
            "milliseconds": 0,
        }
        for heard in (test, call):
            heard.verify(hook["secret"])
            assert b"Good morning" not in heard.raw
        assert call.body["type"] == "message.received"
        assert titles == [f"New: Good morning by {TEAM}"]
        assert await_titles(first, 0) == []
        for each in (first, second, *others):
            each.close()


def test_an_inside_address_is_refused_where_nobody_allowed_it(server: Server) -> None:
    mailbox, *others = server.mailboxes()
    for target in ("http://127.0.0.1:9/", "https://127.0.0.1/", "https://0x7f000001/"):
        body = {"events": NEWS, "delivery": {"type": "webhook", "target": target}}
        answer = mailbox.call("POST", "/v1/alerts/", body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "delivery.target")
    for each in (mailbox, *others):
        each.close()
