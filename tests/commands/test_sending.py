"""`postroom sending` and `postroom send-check`."""

import asyncio
from pathlib import Path

import pytest

from storage.engines.opening import EMBEDDED
from storage.ids import to_text
from tests.builders import open_world
from tests.commands.operator import Operator
from tests.storage.outbound.queued import enqueued
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.smarthost import recording_smarthost


def queue(operator: Operator) -> str:
    """Put a letter into the operator's store; its id."""

    async def work() -> str:
        async with open_world(Engine("sqlite", EMBEDDED, operator.data)) as world:
            return to_text("msg", (await enqueued(world, wait=10_000_000)).message_id)

    operator.data.mkdir(parents=True, exist_ok=True)
    return asyncio.run(work())


def test_letters_are_listed_and_taken_back(operator: Operator) -> None:
    message = queue(operator)
    (letter,) = operator.ask_all("sending", "list")
    assert (letter["message_id"], letter["state"], letter["attempts"]) == (message, "waiting", 0)
    assert [one["email"] for one in letter["recipients"]] == [
        *("grace@sender.test", "blind@sender.test"),
    ]
    assert message in operator.type("sending", "list").stdout
    assert "has failed or is unknown" in operator.fault("sending", "retry", message)
    assert operator.ask("sending", "cancel", message)["state"] == "cancelled"
    assert operator.ask_all("sending", "list") == []
    assert "on its way" in operator.fault("sending", "cancel", message)
    assert "message" in operator.fault("sending", "cancel", "msg_x")
    (entry,) = operator.ask_all("audit-log", "--tenant", "Example", "--action", "message")
    assert (entry["action"], entry["object"]["id"]) == ("message.cancelled", message)


def test_send_check_tells_what_the_smarthost_offers_and_sends_nothing(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is not set" in operator.fault("send-check")

    async def work() -> None:
        async with recording_smarthost() as host:
            monkeypatch.setenv("POSTROOM_SMARTHOST", f"127.0.0.1:{host.port}")
            monkeypatch.setenv("POSTROOM_SMARTHOST_TLS", "none")
            monkeypatch.setenv("POSTROOM_SMARTHOST_USERNAME", "postroom")
            monkeypatch.setenv("POSTROOM_SMARTHOST_PASSWORD", "secret")
            found = await asyncio.to_thread(operator.ask, "send-check")
            assert (found["signed_in"], "size" in found["offers"]) == (True, True)
            host.faults["AUTH"] = b"535 5.7.8 wrong\r\n"
            refused = await asyncio.to_thread(operator.fault, "send-check")
            assert "refuses the sign-in" in refused
            assert "secret" not in refused
            assert not [line for line in host.lines if line.startswith("MAIL")]

    asyncio.run(work())


def test_a_domain_gets_a_smarthost_of_its_own(operator: Operator, tmp_path: Path) -> None:
    operator.furnish()
    domain = ("domain", "smarthost", "acme.test")
    secret = tmp_path / "secret"
    signed = ("--username", "acme", "--password-file", str(secret))
    with cases() as case:
        with case("none at first"):
            assert operator.ask(*domain) == {"domain": "acme.test", "smarthost": None}
        for words, fault in {
            ("smtp.example.net",): "expected host:port",
            ("smtp.example.net:0",): "never 0",
            ("192.0.2.1:25", "--tls", "none"): "loopback",
            ("smtp.example.net:587", "--username", "acme"): "goes together",
            ("smtp.example.net:587", *signed): "is no file",
            ("smtp.example.net:587", "--none"): "exclude",
        }.items():
            with case(" ".join(words)):
                assert fault in operator.fault(*domain, *words)
        secret.write_text("open sesame\n")
        with case("set, and seen in the log"):
            made = operator.ask(*domain, "smtp.example.net:587", *signed)
            assert made == operator.ask(*domain)
            assert made == {
                "domain": "acme.test",
                "smarthost": "smtp.example.net:587",
                "host": "smtp.example.net",
                "port": 587,
                "tls": "starttls",
                "username": "acme",
                "password_file": str(secret),
            }
            (entry,) = operator.ask_all("audit-log", "--action", "domain.smarthost_set")
            assert entry["details"] == {"smarthost": "smtp.example.net:587"}
        with case("the check gives advice for its letters"):
            assert "sesame" not in operator.type(*domain).output
        with case("taken away again"):
            assert operator.ask(*domain, "--none")["smarthost"] is None
            assert operator.ask(*domain)["smarthost"] is None


def test_send_check_asks_the_smarthost_of_a_domain(operator: Operator, tmp_path: Path) -> None:
    operator.furnish()
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")

    async def work() -> None:
        async with recording_smarthost() as host:
            at = f"127.0.0.1:{host.port}"
            words = (at, "--tls", "none", "--username", "acme", "--password-file", str(secret))
            await asyncio.to_thread(operator.ask, "domain", "smarthost", "acme.test", *words)
            found = await asyncio.to_thread(operator.ask, "send-check", "--domain", "acme.test")
            assert (found["smarthost"], found["signed_in"]) == (at, True)

    asyncio.run(work())
