"""A real Postfix as smarthost: sign-in over TLS, a letter that bounces, one that comes back."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands.operator import type_alone
from tests.support.certificates import certificate
from tests.support.fixtures import Servers
from tests.support.mailbox import Api
from tests.support.postfix import Postfix, postfix_with, public_folder
from tests.support.sasl import NAME, PASSWORD, sasl_service
from tests.support.server import Server, quiet_port
from tests.support.sinks import smtp_sink

SECONDS = 60.0
TLSMGR = "tlsmgr unix - - n 1000? 1 tlsmgr\n"


@contextmanager
def smarthost(folder: Path, ours: str, friendly: int, hostile: int) -> Iterator[Postfix]:
    """Run a Postfix that takes mail by sign-in over TLS only, and brings ours back to us."""
    chain, key = certificate(folder, name="localhost")
    ports = {
        "example.test": ours.rpartition(":")[2],
        "friend.test": friendly,
        "outside.test": hostile,
    }
    transports = ", ".join(f"{name}=smtp:[127.0.0.1]:{port}" for name, port in ports.items())
    with sasl_service() as path:
        settings = f"""\
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {path}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
transport_maps = inline:{{{transports}}}
"""
        with postfix_with(settings, services=TLSMGR) as instance:
            yield instance


def wait_for(api: Api, relay: Postfix, message_id: str, inbox: str) -> dict[str, str]:
    """Wait until the letter has bounced; the states of its recipients."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = api.get(f"/v1/messages/{message_id}/", inbox_id=inbox)["delivery"]
        if found["state"] == "bounced":
            return {one["email"]: one["state"] for one in found["recipients"]}
        assert time.monotonic() < deadline, f"{found}\n{relay.log()[-4000:]}"
        time.sleep(0.1)


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(300)
def test_postfix_as_smarthost_with_sign_in_and_tls(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ours = public_folder(), quiet_port()
    with smtp_sink() as friendly, smtp_sink("-f", "RCPT") as hostile:
        try:
            with smarthost(folder, ours, friendly, hostile) as relay:
                settings = {
                    "smarthost": f"localhost:{relay.smtpd[1]}",
                    "smarthost_ca": str(folder / "certificate.pem"),
                    "smarthost_username": NAME,
                    "smarthost_password": PASSWORD,
                    "undo_seconds": "0",
                }
                _sign_in_is_checked(settings, monkeypatch)
                server = servers.new(settings, smtp=ours, http=quiet_port())
                server.start_demo()
                try:
                    _comes_back(server, relay)
                finally:
                    servers.stop(server)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sign_in_is_checked(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"POSTROOM_{name.upper()}", value)
    shown = type_alone("send-check")
    assert shown.exit_code == 0, shown.output
    assert "signed in" in shown.stdout
    assert "DSN" in shown.stdout
    monkeypatch.setenv("POSTROOM_SMARTHOST_PASSWORD", "wrong")
    refused = type_alone("send-check")
    assert "refuses the sign-in" in refused.stderr
    for name in settings:
        monkeypatch.delenv(f"POSTROOM_{name.upper()}")


def _comes_back(server: Server, relay: Postfix) -> None:
    demo = server.demo
    inbox = demo.inboxes[0]["address"]
    with Api(demo.http) as api:
        api.login(demo.owner["email"], demo.owner["password"])
        letter: dict[str, Any] = {
            "inbox_id": inbox,
            "from": demo.team,
            "to": [{"email": "gone@outside.test"}, {"email": "here@friend.test"}],
            "cc": [{"email": demo.team}],
            "subject": "By Postfix",
            "text_body": "Hello.",
        }
        answer = api.call("POST", "/v1/messages/", letter)
        assert answer.status == 201, answer
        sent = answer.json()
        states = wait_for(api, relay, sent["message_id"], inbox)
        assert states["gone@outside.test"] == "bounced"
        assert states["here@friend.test"] == "accepted"
        _await_repeated(api, relay)
        path = f"/v1/messages/threads/{sent['thread_id']}/"
        for one in demo.inboxes[:2]:
            thread = api.get(path, inbox_id=one["address"])
            kinds = [message["kind"] for message in thread["messages"]]
            assert kinds == ["sent", "bounce"], thread
        agenda: Any = api.get("/v1/agenda/", inbox_id=inbox)
        assert "[Not delivered] By Postfix" in [one["title"] for one in agenda]
    server.audit_is_clean()


def _await_repeated(api: Api, relay: Postfix) -> None:
    """Wait until the letter has come back by SMTP, which stores nothing."""
    deadline = time.monotonic() + SECONDS
    while b"postroom_messages_repeated_total 1.0" not in api.call("GET", "/metrics").body:
        assert time.monotonic() < deadline, relay.log()[-4000:]
        time.sleep(0.1)
