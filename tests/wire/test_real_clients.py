"""Programs that people use, sending to the team: smtplib, swaks, a real Postfix."""

import random
import smtplib
import subprocess
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.programs import need
from tests.support.mailbox import Mailbox, Record
from tests.support.postfix import postfix_towards
from tests.support.server import Server
from tests.support.smtp import message


@pytest.fixture
def members(server: Server) -> Iterator[list[Mailbox]]:
    found = server.mailboxes()
    yield found
    for mailbox in found:
        mailbox.close()


def await_subject(mailbox: Mailbox, subject: str, *, seconds: float = 0.0) -> Record:
    """Return the one copy with the subject, waiting for it where a queue is in between."""
    deadline = time.monotonic() + seconds
    while True:
        found = [item for item in mailbox.newest(200) if item["subject"] == subject]
        if found or time.monotonic() > deadline:
            (copy,) = found
            return copy
        time.sleep(0.05)


def test_smtplib(server: Server, members: list[Mailbox]) -> None:
    subject = f"smtplib {random.randrange(1 << 60)}"
    sent = EmailMessage()
    sent["From"] = "Sender <sender@client.example>"
    sent["To"] = "team@example.test"
    sent["Subject"] = subject
    sent.set_content("Grüße\n.\n..\nfrom smtplib\n")
    sent.add_attachment(b"\0\1\2" * 1000, maintype="application", subtype="octet-stream")
    with smtplib.SMTP(*server.demo.smtp, local_hostname="client.example") as client:
        refused = client.send_message(sent)
        assert refused == {}
        assert client.esmtp_features.keys() == {
            "pipelining",
            "size",
            "8bitmime",
            "smtputf8",
            "enhancedstatuscodes",
            "xforward",
        }
    for mailbox in members:
        copy = await_subject(mailbox, subject)
        assert copy["from"] == {"email": "sender@client.example", "name": "Sender"}
        assert mailbox.raw(copy["message_id"]).endswith(b"--\r\n")


def test_smtplib_with_an_address_in_its_own_letters(server: Server, members: list[Mailbox]) -> None:
    subject = f"utf8 {random.randrange(1 << 60)}"
    sent = EmailMessage()
    sent["From"] = "grüße@bücher.example"
    sent["To"] = "team@example.test"
    sent["Subject"] = subject
    sent.set_content("Hello")
    with smtplib.SMTP(*server.demo.smtp, local_hostname="client.example") as client:
        client.send_message(sent)
    for mailbox in members:
        assert await_subject(mailbox, subject)["from"]["email"] == "grüße@bücher.example"


def test_swaks(server: Server, members: list[Mailbox]) -> None:
    host, port = server.demo.smtp
    subject = f"swaks {random.randrange(1 << 60)}"
    done = subprocess.run(
        [
            need("swaks", "swaks"),
            *("--server", host, "--port", str(port), "--helo", "client.example"),
            *("--from", "sender@client.example", "--to", "team@example.test,sales@example.test"),
            *("--header", f"Subject: {subject}", "--body", "line\n.\n..dots"),
            "--pipeline",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for mailbox in members:
        copy = await_subject(mailbox, subject)
        assert b"line\r\n.\r\n..dots\r\n" in mailbox.raw(copy["message_id"])


def test_swaks_hears_of_an_unknown_recipient(server: Server) -> None:
    host, port = server.demo.smtp
    done = subprocess.run(
        [
            need("swaks", "swaks"),
            *("--server", f"{host}:{port}", "--helo", "client.example"),
            *("--from", "sender@client.example", "--to", "nobody@example.test"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 24, done.stdout
    assert "550 5.1.1" in done.stdout


@pytest.mark.timeout(180)
def test_postfix_with_relayhost(server: Server, members: list[Mailbox]) -> None:
    number = random.randrange(1 << 60)
    bodies = {
        f"postfix {number} small": b"Hello.\n",
        f"postfix {number} dots": b".\n..\n...\nend\n",
        f"postfix {number} eight bits": "Grüße\n".encode() * 10,
        f"postfix {number} long line": b"x" * 5000 + b"\nend\n",
        f"postfix {number} large": b"0123456789abcdef\n" * 60_000,
    }
    with postfix_towards(server.demo.smtp) as relay:
        for subject, body in bodies.items():
            content = message(subject, body).replace(b"\r\n", b"\n")
            relay.send(content, "team@example.test", sender="sender@client.example")
        try:
            for mailbox in members:
                for subject, body in bodies.items():
                    copy = await_subject(mailbox, subject, seconds=30)
                    raw = mailbox.raw(copy["message_id"])
                    assert raw.endswith(b"\r\n\r\n" + body.replace(b"\n", b"\r\n"))
            # Its own bookkeeping may be a moment behind the copies.
            deadline = time.monotonic() + 10
            while relay.queue():
                assert time.monotonic() < deadline, relay.queue()
                time.sleep(0.1)
        except (AssertionError, ValueError) as fault:
            raise AssertionError(f"{fault}\n{relay.log()}") from fault
