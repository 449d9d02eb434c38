"""Commands beside a running server: both see what the other does, at once."""

import json
import socket
import time

import pytest

from tests.commands.operator import Operator, type_alone
from tests.support.server import Server
from tests.support.smtp import message


def test_a_list_made_beside_the_server_takes_mail_at_once(server: Server) -> None:
    operator = Operator(server.store)
    inbox = operator.ask("inbox", "create", "beside@example.test", "--tenant", "Example")
    operator.ask("list", "create", "new@example.test", "--tenant", "Example", "--name", "New")

    with server.client() as client:
        empty = client.deliver(message("too early"), ["new@example.test"])
        client.command("RSET")
        operator.ask("list", "add", "new@example.test", inbox["inbox_id"])
        taken = client.deliver(message("in time"), ["new@example.test"])

    assert (empty.code, taken.code) == (450, 250)
    found = operator.ask("messages", "list", "--inbox", "beside@example.test")["results"]
    assert [item["subject"] for item in found] == ["in time"]
    assert operator.ask("audit", "--deep")["faults"] == []


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("team@example.test", "route"),
        ("TEAM+x@Example.Test.", "route"),
        ("sales@example.test", "route"),
        ("postmaster@example.test", "route"),
        ("Postmaster", "route"),
        ("nobody@example.test", "unknown"),
        ("team%evil@example.test", "unknown"),
        ("team@elsewhere.test", "not_ours"),
    ],
)
def test_resolve_says_what_rcpt_is_answered(server: Server, address: str, verdict: str) -> None:
    found = Operator(server.store).ask("resolve", address)

    with server.client() as client:
        _, answered = client.begin([address])
    assert found["reply"] == str(answered)
    assert found["verdict"] == verdict


def test_resolve_names_who_would_get_a_copy(server: Server) -> None:
    operator = Operator(server.store)

    team = operator.ask("resolve", "team@example.test")
    one = operator.ask("resolve", "sales+x@example.test")

    assert team["list_id"] == server.demo.list_id
    assert team["tenant_id"] == server.demo.tenant_id
    members = {record["inbox_id"]: record["address"] for record in server.demo.inboxes}
    assert {copy["inbox_id"]: copy["address"] for copy in team["copies"]} == members
    assert (one["list_id"], one["address"]) == (None, "sales@example.test")
    assert [copy["address"] for copy in one["copies"]] == ["sales@example.test"]
    assert operator.ask("resolve", "nobody@example.test")["copies"] == []


@pytest.mark.parametrize("address", ["", "team", "team@", "a b@example.test", "a>b@example.test"])
def test_resolve_refuses_what_is_no_path_in_the_words_of_the_gateway(
    server: Server, address: str
) -> None:
    told = Operator(server.store).fault("resolve", address)

    with server.client() as client:
        _, answered = client.begin([address])
    assert told == f"address: {answered}\n"


@pytest.fixture
def addressed(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give the server, with the settings saying where it listens."""
    monkeypatch.setenv("POSTROOM_SMTP", smtp_of(server))
    monkeypatch.setenv("POSTROOM_HTTP", server.demo.http.removeprefix("http://"))
    return server


def smtp_of(server: Server) -> str:
    host, port = server.demo.smtp
    return f"{host}:{port}"


def test_ready_answers_once_all_addresses_do(addressed: Server) -> None:
    result = type_alone("ready", "--wait", "10", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "ready": True,
        "smtp": [smtp_of(addressed)],
        "lmtp": [],
        "smtps": [],
        "http": [addressed.demo.http],
    }


def test_ready_names_what_stays_silent_when_time_is_up(
    addressed: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:  # listens, and never greets
        closed = socket.create_server(("127.0.0.1", 0))
        silent = f"127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        monkeypatch.setenv("POSTROOM_SMTP", f"{smtp_of(addressed)}, {silent}")
        started = time.monotonic()

        result = type_alone("ready", "--wait", "0.3")

        assert 0.3 <= time.monotonic() - started < 15
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr == f"smtp: {silent} is not ready: Connection refused\n"
        assert other.fileno() >= 0


def test_send_shows_the_reply_and_the_mail_is_there(addressed: Server) -> None:
    result = type_alone(
        *["send", "--from", "sender@client.example", "--to", "team@example.test"],
        *["--subject", "Grüße", "--body", ".\n..dots", "--json"],
    )

    sent = json.loads(result.stdout)
    assert (result.exit_code, sent["accepted"], sent["refused"]) == (0, True, {})
    assert sent["reply"].startswith("250 2.0.0 Accepted as msg_")
    message_id = sent["reply"].rpartition(" ")[2]
    operator = Operator(addressed.store)
    for inbox in addressed.demo.inboxes:
        newest = operator.ask("messages", "list", "--inbox", inbox["address"])["results"][0]
        assert (newest["message_id"], newest["subject"]) == (message_id, "Grüße")
    shown = operator.type("messages", "show", message_id, "--inbox", "sales@example.test")
    assert shown.stdout.endswith("\n.\n..dots\n")


@pytest.mark.parametrize(
    ("recipient", "told"),
    [
        ("nobody@example.test", "RCPT TO:<nobody@example.test>: 550 5.1.1 "),
        ("team@elsewhere.test", "RCPT TO:<team@elsewhere.test>: 554 5.7.1 "),
        ("a b@example.test", "RCPT TO:<a b@example.test>: 501 5.1.3 "),
        ("", "RCPT TO:<>: 501 5.1.3 "),
    ],
)
def test_send_fails_when_it_is_refused(addressed: Server, recipient: str, told: str) -> None:
    words = ["send", "--from", "sender@client.example", "--to", recipient]

    result = type_alone(*words)

    assert result.exit_code == 1
    assert result.stderr.startswith(told)
    assert json.loads(type_alone(*words, "--json").stdout)["accepted"] is False


def test_send_names_the_one_that_was_refused(addressed: Server) -> None:
    result = type_alone(
        *["send", "--server", smtp_of(addressed), "--from", "", "--to", "team@example.test"],
        *["--to", "nobody@example.test"],
    )

    assert result.exit_code == 1
    assert result.stdout.startswith("250 2.0.0 ")
    assert result.stderr.startswith("RCPT TO:<nobody@example.test>: 550 5.1.1 ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "a@b.test", "--server", "127.0.0.1:1"], "server: 127.0.0.1:1 does not answer"),
        (["--to", "a@b.test", "--server", "nowhere"], "command line: smtp: expected host:port"),
        (["--to", "a@b.test", "--subject", "two\nlines"], "subject: "),
        (["--to", "a@b.test\r\nRCPT TO:<c@d.test>"], "to: "),
    ],
)
def test_send_names_what_it_cannot_use(words: list[str], told: str) -> None:
    result = type_alone("send", "--from", "sender@client.example", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(told)
