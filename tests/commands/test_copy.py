"""`postroom copy`: beside a running server, and what it says and refuses."""

import json

import pytest

from tests.commands.operator import Operator, type_alone
from tests.support.fixtures import MakeServer
from tests.support.smtp import message


@pytest.fixture(autouse=True)
def as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command lowers its priority, which would hold for all later tests."""
    monkeypatch.setattr("os.nice", lambda _: 0)


def test_a_server_on_the_old_store_goes_on_reading_and_defers_mail(own_server: MakeServer) -> None:
    server = own_server()
    with server.client() as client:
        assert client.deliver(message("before"), [server.demo.team]).code == 250
    other = Operator(server.folder / "other")

    told = server.operator("copy", "--from", str(server.store), "--to", str(other.data))

    assert (told["messages"], told["copies"], told["faults"]) == (1, 3, [])
    with server.client() as client:
        assert client.deliver(message("too late"), [server.demo.team]).code == 451
    mailbox = server.mailboxes()[0]
    with mailbox:
        assert [one["subject"] for one in mailbox.newest(5)] == ["before"]
    assert "sealed" in Operator(server.store).fault("tenant", "create", "Late")
    assert other.ask("audit", "--deep")["faults"] == []
    assert other.ask("verify")["faults"] == []
    assert server.operator("copy", "--from", str(server.store), "--release")["released"] is True
    with server.client() as client:
        assert client.deliver(message("again"), [server.demo.team]).code == 250


def test_a_copy_says_what_it_did_and_what_is_next(operator: Operator) -> None:
    operator.furnish()
    new = operator.data.with_name("new")

    done = type_alone("copy", "--from", str(operator.data), "--to", str(new))

    assert done.exit_code == 0, done.output
    assert done.stdout == f"copied to {new}\n0 messages, 0 copies, 0 large contents of 0.0 MiB\n"
    assert f"next: set `data` to {new}, start the gateways" in done.stderr
    assert f"until postroom copy --from {operator.data} --release\n" in done.stderr
    once_more = type_alone("copy", "--from", str(operator.data), "--to", str(new))
    assert once_more.exit_code == 0, once_more.output
    assert once_more.stdout.startswith(f"was copied before, all of it, to {new}\n0 messages, ")
    assert f"next: set `data` to {new}, start the gateways" in once_more.stderr
    released = type_alone("copy", "--from", str(operator.data), "--release")
    assert released.stdout == f"{operator.data} takes changes again\n"
    again = type_alone("copy", "--from", str(operator.data), "--release", "--json")
    assert json.loads(again.stdout)["released"] is False


def test_a_copy_that_cannot_be_made_says_why(operator: Operator) -> None:
    data = str(operator.data)
    here = ("copy", "--from", data, "--to", f"{data}-new")
    assert "there is no store" in type_alone(*here).stderr
    operator.furnish()
    Operator(operator.data.with_name("other")).furnish()
    faults = {
        ("--to", data): (1, "data directory of its own"),
        ("--to", str(operator.data.with_name("other"))): (1, "there is a store already"),
        ("--to", "postgresql://nobody@127.0.0.1:1/none"): (1, "store: the store is not available"),
        ("--to", "postgresql://%/"): (1, "expected postgresql://"),
        ("--to", f"{data}-new", "--to-data", data): (2, "named by its directory alone"),
        ("--to", f"{data}-new", "--release"): (2, "either --to STORE or --release"),
        (): (2, "either --to STORE or --release"),
    }
    for words, (status, expected) in faults.items():
        told = type_alone("copy", "--from", data, *words, "--data", f"{data}-gateway")
        assert (told.exit_code, told.stdout) == (status, ""), (words, told.output)
        assert expected in told.stderr, (words, told.stderr)
    assert operator.ask("tenant", "rename", "Acme", "Acme Ltd")["name"] == "Acme Ltd"
