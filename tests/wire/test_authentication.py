"""Who wrote a message, through a whole server: SMTP in, the DNS on loopback, the API out.

`authentication.md`: checks come after the 250, cost no message, and survive a kill at any moment.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.support.dns_server import DnsServer, dns_server_beside
from tests.support.fixtures import MakeServer
from tests.support.mailbox import Mailbox, Record
from tests.support.server import Server
from tests.support.signing import MESSAGE, rsa_key, sign
from tests.support.smtp import SmtpClient

XFORWARD = "XFORWARD ADDR=192.0.2.7 HELO=mx.sender.test"
LIES = "XFORWARD ADDR=198.51.100.9 HELO=mx.evil.test"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server_beside() as server:
        publish(server)
        yield server


def publish(dns: DnsServer) -> None:
    dns.publish("sender.test", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"')
    dns.publish("_dmarc.sender.test", "TXT", '"v=DMARC1; p=reject"')
    key = rsa_key().record
    halves = " ".join(f'"{key[at : at + 200]}"' for at in range(0, len(key), 200))
    dns.publish("s1._domainkey.sender.test", "TXT", halves)


def send(server: Server, content: bytes, *recipients: str, xforward: str | None = XFORWARD) -> str:
    """Hand a message over as a relay does; the reply to the dot."""
    with server.client() as client:
        return str(handed(client, content, recipients or (server.demo.team,), xforward))


def handed(
    client: SmtpClient, content: bytes, recipients: tuple[str, ...], xforward: str | None
) -> object:
    if xforward is not None:
        assert client.command(xforward).code == 250
    return client.deliver(content, recipients, sender="ann@sender.test")


def checked(box: Mailbox, count: int, seconds: float = 30) -> list[Record]:
    """Wait until so many messages are checked; the newest first."""
    end = time.monotonic() + seconds
    while True:
        found = [one for one in box.newest(count) if one["verdict"] is not None]
        if len(found) == count:
            return found
        assert time.monotonic() < end, [one["verdict"] for one in box.newest(count)]
        time.sleep(0.05)


def detail(box: Mailbox, item: Record) -> Record:
    found: Record = box.get(f"/v1/messages/{item['message_id']}/")["authentication"]
    return found


def test_mail_is_checked_after_its_reply_and_again_after_a_kill(
    own_server: MakeServer, dns: DnsServer
) -> None:
    server = own_server({"authentication": "on", "dns_server": dns.endpoint})
    with server.mailboxes()[0] as box:
        forged = MESSAGE.replace(b"the offer", b"a forgery")
        for content, xforward in ((sign(), XFORWARD), (forged, LIES), (forged + b"x\r\n", None)):
            assert send(server, content, xforward=xforward).startswith("250 ")
        plain, false, true = checked(box, 3)
        assert (true["verdict"], false["verdict"], plain["verdict"]) == (
            "verified",
            "failed",
            "unknown",
        )
        told = detail(box, true)
        assert told["spf"] == {
            "result": "pass", "scope": "mailfrom", "domain": "sender.test", "aligned": True,
            "reason": None,
        }  # fmt: skip
        assert [one["result"] for one in told["dkim"]] == ["pass"]
        assert detail(box, plain)["spf"]["reason"] == "behind_relay"
        assert detail(box, plain)["dmarc"]["result"] == "none"
        kinds = [one["type"] for one in box.get("/v1/events/", types="message.checked")["results"]]
        assert kinds == ["message.checked"] * 3
        raw = box.raw(f"{true['message_id']}").split(b"\r\n")[0]
        assert not raw.startswith(b"Authentication-Results:")

        dns.mood = "is silent"
        for number in range(4):
            reply = send(server, MESSAGE.replace(b"sender.test", b"n%d.test" % number))
            assert reply.startswith("250 ")
        server.await_log("accepted")
        server.kill()
        dns.mood = "answers"
        _expire_leases(server)
        server.start()
        assert {one["verdict"] for one in checked(box, 7)} >= {"verified", "unverified"}
        assert [one["verdict"] for one in box.newest(4)] == ["unverified"] * 4
        server.audit_is_clean()


def _expire_leases(server: Server) -> None:
    """Let two minutes pass for the claims of the process that is gone."""
    with sqlite3.connect(server.store / "postroom.db") as store:
        store.execute("UPDATE message_checks SET held_until = 0 WHERE held_until IS NOT NULL")
    store.close()
