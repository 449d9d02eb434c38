"""Whatever the command line makes it lists, changes and removes; on both engines."""

import asyncio

import pytest

from tests.commands.operator import Operator, Record
from tests.support.dns_server import open_dns_server
from tests.support.engines import Engine, Held

BOSS, CLERK = "boss@acme.test", "clerk@acme.test"
LIST, A, B = "team@acme.test", "a@acme.test", "b@acme.test"
NO_INBOX = "inbox: there is no such inbox; postroom inbox list shows all\n"
NO_TOKEN = "token: there is no such token; postroom token list shows all\n"
NO_USER = "user: there is no such user; postroom user list shows all\n"


@pytest.fixture
def operator(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Give an operator with tenant Acme, a list of two inboxes and two users.

    A process has them typed once on each engine, and copies the store.
    """
    monkeypatch.setenv("POSTROOM_STORE", engine.store)
    operator = Operator(engine.data)
    if engine.name in _furnished:
        engine.fill(_furnished[engine.name])
        return operator
    operator.furnish()
    for email, role in ((BOSS, "owner"), (CLERK, "member")):
        operator.ask("user", "create", email, "--tenant", "Acme", "--role", role)
    _furnished[engine.name] = engine.held()
    return operator


_furnished: dict[str, Held] = {}  # of this process


def actions(operator: Operator) -> list[str]:
    """Return what the audit log has of the last command that changed something, and before."""
    return [entry["action"] for entry in operator.ask_all("audit-log", "--tenant", "Acme")]


def only(records: list[Record], field: str, value: str) -> Record:
    (found,) = [record for record in records if record[field] == value]
    return found


def test_a_tenant_is_renamed_to_a_name_that_is_free(operator: Operator) -> None:
    operator.ask("tenant", "create", "Other")

    renamed = operator.ask("tenant", "rename", "Acme", "Emca")

    assert renamed["name"] == "Emca"
    assert operator.ask("tenant", "rename", "Emca", "Emca") == renamed
    assert operator.fault("tenant", "rename", "Emca", "Other") == ("name: already taken\n")
    operator.ask("tenant", "rename", "Emca", "Acme")
    assert actions(operator)[:2] == ["tenant.changed", "tenant.changed"]


def test_an_empty_tenant_is_deleted_when_that_is_confirmed(operator: Operator) -> None:
    operator.ask("tenant", "create", "Slip")

    refused = operator.type("tenant", "delete", "Slip", stdin="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert len(operator.ask_all("tenant", "list")) == 2
    agreed = operator.type("tenant", "delete", "Slip", stdin="y\n")

    assert agreed.exit_code == 0
    assert "Delete the tenant Slip with nothing in it, for good?" in agreed.stderr
    assert [one["name"] for one in operator.ask_all("tenant", "list")] == ["Acme"]


def test_a_tenant_goes_with_everything_only_when_that_is_said(operator: Operator) -> None:
    told = operator.fault("tenant", "delete", "Acme", "--yes")
    assert told == (
        "tenant: has 1 domains, 2 users, 2 inboxes, 1 lists; "
        "add --with-everything to delete them and all mail, too\n"
    )

    gone = operator.ask("tenant", "delete", "Acme", "--with-everything", "--yes")

    assert gone["name"] == "Acme"
    assert operator.ask_all("tenant", "list") == []
    operator.furnish()  # every address and domain is free again
    assert operator.ask("audit")["faults"] == []


def test_users_are_listed_and_change_their_role(operator: Operator) -> None:
    changed = operator.ask("user", "set-role", CLERK, "admin")

    assert changed["role"] == "admin"
    assert only(operator.ask_all("user", "list"), "email", CLERK) == changed
    assert operator.ask_all("user", "list", "--tenant", "Acme")[0]["email"] == BOSS
    assert actions(operator)[0] == "user.changed"
    assert operator.fault("user", "set-role", BOSS, "member") == (
        "user: A tenant keeps at least one owner.\n"
    )
    assert operator.fault("user", "set-role", CLERK, "king").startswith("role: must be one of")
    assert operator.fault("user", "set-role", "x@acme.test", "owner") == (NO_USER)


def test_a_lost_password_is_replaced(operator: Operator) -> None:
    made = operator.ask("user", "set-password", BOSS)
    given = operator.ask("user", "set-password", BOSS, "--password-stdin", stdin="long enough\n")

    assert len(made["password"]) >= 20
    assert "password" not in given
    assert operator.fault("user", "set-password", BOSS, "--password", "short").startswith(
        "password: "
    )
    both = ["--password", "long enough", "--password-stdin"]
    assert "exclude" in operator.fault("user", "set-password", BOSS, *both, status=2)
    assert actions(operator)[:2] == ["user.changed", "user.changed"]


def test_a_user_is_deleted_and_their_inbox_stays(operator: Operator) -> None:
    operator.ask("inbox", "set", A, "--owner", CLERK)

    operator.ask("user", "delete", CLERK)

    assert [one["email"] for one in operator.ask_all("user", "list")] == [BOSS]
    assert only(operator.ask_all("inbox", "list"), "address", A)["owner_user_id"] is None
    assert operator.fault("user", "delete", BOSS).startswith("user: A tenant keeps")
    assert actions(operator)[0] == "user.deleted"


def test_an_inbox_is_changed_field_by_field(operator: Operator) -> None:
    clerk = only(operator.ask_all("user", "list"), "email", CLERK)["user_id"]

    owned = operator.ask("inbox", "set", A, "--owner", CLERK, "--name", "Sales")
    zoned = operator.ask("inbox", "set", A, "--timezone", "Europe/Berlin", "--hide-relationships")
    freed = operator.ask("inbox", "set", A, "--no-owner", "--name", "")

    assert (owned["owner_user_id"], owned["display_name"]) == (clerk, "Sales")
    assert (zoned["default_timezone"], zoned["share_relationships"]) == ("Europe/Berlin", False)
    assert (freed["owner_user_id"], freed["display_name"]) == (None, "")
    assert freed["default_timezone"] == "Europe/Berlin"
    assert [one["list_id"] for one in freed["aliases"]] != []
    assert operator.fault("inbox", "set", A, "--timezone", "Mars").startswith("timezone: ")
    assert operator.fault("inbox", "set", A, "--owner", "x@acme.test").startswith("owner: ")
    assert "Say what" in operator.fault("inbox", "set", A, status=2)


def test_a_deleted_inbox_is_listed_until_it_is_restored(operator: Operator) -> None:
    operator.ask("inbox", "delete", A)

    (deleted,) = operator.ask_all("inbox", "list", "--deleted")
    assert (deleted["address"], deleted["purge_at"] > deleted["deleted_at"]) == (A, True)
    assert [one["address"] for one in operator.ask_all("inbox", "list")] == [B]
    assert operator.fault("inbox", "delete", A) == NO_INBOX

    restored = operator.ask("inbox", "restore", A)

    assert (restored["address"], restored["aliases"]) == (A, [])
    assert operator.ask_all("inbox", "list", "--deleted") == []
    assert operator.fault("inbox", "restore", A) == "inbox: This inbox is not deleted.\n"
    assert operator.fault("inbox", "restore", "x@acme.test") == NO_INBOX
    assert actions(operator)[:2] == ["inbox.restored", "inbox.deleted"]


def test_a_list_is_renamed_loses_a_member_and_goes(operator: Operator) -> None:
    assert operator.ask("list", "rename", LIST, "Crew")["name"] == "Crew"
    assert operator.ask("list", "remove", LIST, B)["member_count"] == 1
    (listed,) = operator.ask_all("list", "list")
    assert (listed["address"], listed["name"], listed["member_count"]) == (LIST, "Crew", 1)
    assert operator.fault("list", "remove", LIST, B) == "member: there is no such member\n"

    operator.ask("list", "delete", LIST)

    assert operator.ask_all("list", "list", "--tenant", "Acme") == []
    assert operator.ask("resolve", LIST)["reply"].startswith("550 ")
    expected = ["list.deleted", "list.member_removed", "list.renamed"]
    assert actions(operator)[:3] == expected


def test_a_token_is_paused_resumed_rotated_and_revoked(operator: Operator) -> None:
    words = ["--label", "agent", "--scopes", "email:read"]
    made = operator.ask("token", "create", A, *words)
    key = made["token_id"]

    assert operator.ask("token", "pause", key)["status"] == "paused"
    assert operator.ask_all("token", "list", "--inbox", A)[0]["status"] == "paused"
    assert operator.ask("token", "resume", key)["status"] == "active"
    assert operator.ask("token", "rotate", key)["token"] not in (None, made["token"])
    assert operator.ask_all("token", "list", "--inbox", B) == []
    assert operator.ask("token", "revoke", key)["status"] == "revoked"

    assert operator.ask_all("token", "list") == []
    assert operator.fault("token", "pause", key) == NO_TOKEN
    assert operator.fault("token", "revoke", "agent") == NO_TOKEN
    done = ["token.revoked", "token.rotated", "token.resumed", "token.paused", "token.created"]
    assert actions(operator)[:5] == done


def test_the_records_of_a_domain_can_be_pasted_into_a_zone(operator: Operator) -> None:
    shown = operator.type("domain", "add", "new.test", "--tenant", "Acme")

    state, ownership, mail = shown.stdout.splitlines()
    assert state == "; new.test is pending"
    assert ownership.startswith('_postroom-verify.new.test. IN TXT "')
    assert mail.startswith("new.test. IN MX 10 ")
    assert mail.endswith(".")
    assert "postroom domain verify new.test" in shown.stderr


def test_a_domain_is_deleted_once_nothing_is_on_it(operator: Operator) -> None:
    operator.ask("domain", "add", "new.test", "--tenant", "Acme")

    operator.ask("domain", "delete", "new.test", "--tenant", "Acme")

    assert [one["name"] for one in operator.ask_all("domain", "list", "--tenant", "Acme")] == [
        "acme.test"
    ]
    assert operator.fault("domain", "delete", "acme.test", "--tenant", "Acme").startswith(
        "domain: Inboxes or lists"
    )
    assert actions(operator)[0] == "domain.deleted"


async def test_a_domain_is_checked_and_verified_by_what_the_dns_has(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ["new.test", "--tenant", "Acme"]
    async with open_dns_server() as dns:
        monkeypatch.setenv("POSTROOM_DNS_SERVER", dns.endpoint)
        added = await asyncio.to_thread(operator.ask, "domain", "add", *new)
        ownership, mail = added["dns_records"]
        early = await asyncio.to_thread(operator.type, "domain", "verify", *new)
        dns.publish(ownership["name"], "TXT", ownership["value"])
        dns.publish("new.test", "MX", "5 elsewhere.test.")

        checked = await asyncio.to_thread(operator.ask, "domain", "check", *new)
        verified = await asyncio.to_thread(operator.ask, "domain", "verify", *new)
        dns.mood = "refuses"
        silent = await asyncio.to_thread(operator.fault, "domain", "check", *new)

    assert (early.exit_code, early.stderr) == (
        1,
        "domain: the DNS does not have the ownership record of new.test yet\n",
    )
    assert early.stdout.startswith("new.test is pending\nmissing  TXT")
    assert [one["status"] for one in checked["records"]] == ["ok", "wrong"]
    assert checked["records"][1]["expected"] == mail["value"]
    assert (verified["status"], verified["records"]) == ("verified", checked["records"])
    assert silent.startswith("dns_server: the DNS gives no answer now")
    assert await asyncio.to_thread(lambda: actions(operator)[0]) == "domain.verified"
