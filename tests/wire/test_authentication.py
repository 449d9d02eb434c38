"""Who wrote a message, through a whole server: SMTP in, the DNS on loopback, the API out.

`authentication.md`: checks come after the 250, cost no message, and survive a kill at any moment.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.support.dns_server import DnsServer, dns_server_beside
from tests.support.fixtures import MakeServer, Servers
from tests.support.mailbox import Mailbox, Record
from tests.support.postfix import postfix_with
from tests.support.server import Server
from tests.support.signing import MESSAGE, rsa_key, seal, sign
from tests.support.smtp import HostPort, Reply, SmtpClient

KEY = "s1._domainkey.sender.test"
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
    dns.publish(KEY, "TXT", _halves())


def _halves() -> str:
    key = rsa_key().record
    return " ".join(f'"{key[at : at + 200]}"' for at in range(0, len(key), 200))


def send(server: Server, content: bytes, *recipients: str, xforward: str | None = XFORWARD) -> str:
    """Hand a message over as a relay does; the reply to the dot."""
    with server.client() as client:
        return str(handed(client, content, recipients or (server.demo.team,), xforward))


def handed(
    client: SmtpClient, content: bytes, recipients: tuple[str, ...], xforward: str | None
) -> Reply:
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
        shown = server.operator("messages", "check", true["message_id"])
        stored = {key: value for key, value in told.items() if key != "checked_at"}
        assert shown["authentication"] == stored and not shown["temporary"]
        assert shown["hashed"][0]["header"].startswith("from:Ann <ann@sender.test>\r\n")
        assert {one["name"] for one in shown["dns"]} >= {KEY, "sender.test", "_dmarc.sender.test"}
        text = server.postroom("messages", "check", false["message_id"]).stdout
        assert "verdict  failed" in text and "mech_match" in text and "v=spf1 ip4:" in text
        assert server.postroom("messages", "check", "msg_none").returncode == 1
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


def that_rejects(own_server: MakeServer, dns: DnsServer) -> Server:
    """A server that carries policies out; the senders' are in the DNS."""
    dns.publish("lists.test", "TXT", '"v=spf1 -all"')
    for name, policy in (("quarantine", "p=quarantine"), ("testing", "p=reject; t=y")):
        dns.publish(f"_dmarc.{name}.test", "TXT", f'"v=DMARC1; {policy}"')
    dns.publish("s1._domainkey.lists.test", "TXT", _halves())
    return own_server(
        {
            "authentication": "on",
            "dmarc": "reject",
            "dns_server": dns.endpoint,
            "lmtp": "127.0.0.1:0, proxy:127.0.0.1:0",
            "trusted_proxies": "127.0.0.0/8",
            "arc_trusted_sealers": "lists.test",
        }
    )


def test_a_reject_policy_is_carried_out_only_where_it_is_certain(
    own_server: MakeServer, dns: DnsServer
) -> None:
    server = that_rejects(own_server, dns)
    postmaster = f"postmaster@{server.demo.domain}"
    forged = MESSAGE.replace(b"the offer", b"a forgery")
    vouched = seal(
        b"Authentication-Results: mx.test; dmarc=pass header.from=sender.test\r\n" + forged,
        domain="lists.test",
    )
    long = forged + b"A long line of a forgery.\r\n" * 20_000
    failing = forged.replace(b"sender.test", b"failing.test")

    said = {
        "forged": send(server, forged, xforward=LIES),
        "long": send(server, long, xforward=LIES),
        "true": send(server, sign(), xforward=LIES),
        "spf": send(server, forged),
        "quarantine": send(server, forged.replace(b"sender.", b"quarantine."), xforward=LIES),
        "testing": send(server, forged.replace(b"sender.", b"testing."), xforward=LIES),
        "arc": send(server, vouched, xforward=LIES),
        "to postmaster": send(
            server, forged + b"z\r\n", server.demo.team, postmaster, xforward=LIES
        ),
        "exempt": send(server, forged + b"x\r\n", xforward=None),
    }
    dns.mood = "refuses"
    said["dns"] = send(server, failing, xforward=LIES)
    dns.mood = "answers"
    assert {case for case, reply in said.items() if not reply.startswith("250 ")} == {
        "forged",
        "long",
    }, said
    assert said["forged"].startswith("550 5.7.26 ") and said["long"] == said["forged"]

    with SmtpClient(server.address("lmtp")) as client:
        assert client.command("LHLO mx.example").code == 250
        both = (server.demo.team, postmaster)
        first = handed(client, forged + b"y\r\n", both, LIES)
        assert [str(one)[:10] for one in (first, client.reply())] == ["550 5.7.26", "250 2.0.0 "]
        first = handed(client, sign(forged), both, LIES)
        assert [one.code for one in (first, client.reply())] == [250, 250]
    for address, reply in (("198.51.100.9", "550 5.7.26"), ("192.0.2.7", "250 2.0.0 ")):
        with SmtpClient(server.address("proxy"), greet=False) as client:
            client.send(f"PROXY TCP4 {address} 127.0.0.1 4711 24\r\n".encode())
            assert client.reply().code == 220
            assert client.command("LHLO mx.evil.test").code == 250
            content = forged + address.encode() + b"\r\n"
            assert str(handed(client, content, (server.demo.team,), None))[:10] == reply
    server.await_log("reason=dmarc")
    with server.mailboxes()[0] as box:
        found = checked(box, 10)
        shown = [(one["verdict"], detail(box, one)["override"]) for one in reversed(found)]
    assert shown == [
        ("verified", None),
        ("verified", None),
        ("failed", None),
        ("unverified", "testing"),
        ("failed", "arc"),
        ("failed", "postmaster"),
        ("unknown", None),
        (shown[7][0], None),
        ("verified", None),
        ("verified", None),
    ]
    server.audit_is_clean()


@pytest.mark.xdist_group("heavy")
def test_behind_a_real_postfix_results_are_the_direct_ones_or_none(
    servers: Servers, dns: DnsServer
) -> None:
    """`client` is no relay, Postfix on 127.0.0.1 is: by XFORWARD it says who it had it from."""
    client, sender = "127.0.0.9", "ann@sender.test"
    dns.publish("sender.test", "TXT", '"v=spf1 ip4:127.0.0.8 -all"')
    server = servers.new(
        {"authentication": "on", "dns_server": dns.endpoint, "exempt_networks": "127.0.0.1/32"}
    )
    server.start_demo()
    forged = MESSAGE.replace(b"the offer", b"a forgery")
    relays = "mynetworks = 127.0.0.0/8\nsmtp_send_xforward_command = {}\nrelayhost = [{}]:{}\n"
    try:
        with server.mailboxes()[0] as box:
            found = []
            for way in ("direct", "yes", "no"):
                content = forged + way.encode() + b"\r\n"
                before = len(box.newest())
                if way == "direct":
                    _deliver(server.demo.smtp, client, content, server.demo.team, sender)
                else:
                    with postfix_with(relays.format(way, *server.demo.smtp)) as postfix:
                        _deliver(postfix.smtpd, client, content, server.demo.team, sender)
                        checked(box, before + 1)
                record = detail(box, checked(box, before + 1)[0])
                found.append({key: one for key, one in record.items() if key != "checked_at"})
    finally:
        servers.stop(server)
    direct, forwarded, silent = found
    assert (direct["verdict"], direct["spf"]["result"]) == ("failed", "fail")
    assert forwarded == direct
    assert (silent["verdict"], silent["spf"]["result"]) == ("unknown", "none")
    assert silent["spf"]["reason"] == silent["dmarc"]["reason"] == "behind_relay"


def _deliver(server: HostPort, source: str, content: bytes, recipient: str, sender: str) -> None:
    with SmtpClient(server, source=source) as client:
        assert client.greet(name="mx.sender.test").code == 250
        assert client.deliver(content, [recipient], sender=sender).code == 250
