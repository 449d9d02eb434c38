"""Every change counts from the next RCPT on, in a session that is open already."""

from collections.abc import Iterator

import pytest

from tests.support.fixtures import MakeServer
from tests.support.mailbox import Api, Record
from tests.support.server import Server
from tests.support.smtp import SmtpClient

NEW = "new@example.test"


@pytest.fixture
def desk(own_server: MakeServer) -> Iterator[tuple[Server, Api, SmtpClient]]:
    """Give a server, its owner's API, and an SMTP session in a transaction."""
    server = own_server()
    with server.owner() as owner, server.client() as client:
        client.greet()
        assert client.command("MAIL FROM:<sender@client.example>").code == 250
        yield server, owner, client


def reply(client: SmtpClient, address: str) -> str:
    return str(client.command(f"RCPT TO:<{address}>"))[:9]


def do(owner: Api, method: str, path: str, body: Record | None = None) -> Record:
    answer = owner.call(method, path, body)
    assert answer.status < 300, answer.body
    return answer.json() if answer.body else {}


def test_an_inbox_is_made_deleted_and_restored(desk: tuple[Server, Api, SmtpClient]) -> None:
    _, owner, client = desk
    assert reply(client, NEW) == "550 5.1.1"
    do(owner, "POST", "/v1/inboxes/", {"address": NEW})
    assert reply(client, NEW) == "250 2.1.5"
    do(owner, "DELETE", f"/v1/inboxes/{NEW}/")
    assert reply(client, NEW) == "550 5.1.1"
    do(owner, "POST", f"/v1/inboxes/{NEW}/restore/")
    assert reply(client, NEW) == "250 2.1.5"


def test_a_list_loses_its_last_member_with_the_inbox(
    desk: tuple[Server, Api, SmtpClient],
) -> None:
    _, owner, client = desk
    inbox = do(owner, "POST", "/v1/inboxes/", {"address": NEW})
    made = do(
        owner, "POST", "/v1/distribution-lists/", {"address": "all@example.test", "name": "x"}
    )
    members = f"/v1/distribution-lists/{made['list_id']}/members/"
    assert reply(client, "all@example.test") == "450 4.2.1"
    do(owner, "POST", members, {"inbox_id": inbox["inbox_id"]})
    assert reply(client, "all@example.test") == "250 2.1.5"
    do(owner, "DELETE", f"/v1/inboxes/{NEW}/")
    assert reply(client, "all@example.test") == "450 4.2.1"


def test_a_domain_is_revoked_trusted_again_and_moved(
    desk: tuple[Server, Api, SmtpClient],
) -> None:
    server, _, client = desk
    tenant = server.demo.tenant_id
    other = server.operator("tenant", "create", "Other")["tenant_id"]
    assert reply(client, "team@example.test") == "250 2.1.5"
    server.operator("domain", "revoke", "example.test", "--tenant", tenant)
    for name in ("team", "sales", "nobody", "postmaster"):
        assert reply(client, f"{name}@example.test")[:3] == "450"
    server.operator("domain", "trust", "example.test", "--tenant", tenant)
    assert reply(client, "team@example.test") == "250 2.1.5"
    server.operator("domain", "trust", "example.test", "--tenant", other, "--move")
    assert reply(client, "team@example.test")[:3] == "450"
    assert reply(client, "nobody@example.test") == "550 5.1.1"
    server.operator("inbox", "create", NEW, "--tenant", other)
    assert reply(client, NEW) == "452 4.5.3"  # this transaction is the first tenant's
    assert client.command("RSET").code == 250
    assert client.command("MAIL FROM:<sender@client.example>").code == 250
    assert reply(client, NEW) == "250 2.1.5"
