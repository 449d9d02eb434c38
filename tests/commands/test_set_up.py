import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.operator import Operator, Record
from tests.support.cases import cases

NEW_TOKEN = ["token", "create", "a@acme.test", "--label", "x", "--scopes", "email:send"]
NEW_OWNER = ["user", "create", "u@acme.test", "--tenant", "Acme", "--role", "owner"]


def keys(record: Record) -> set[str]:
    return set(record)


def test_the_first_tenant_makes_the_store_and_gets_everything(operator: Operator) -> None:
    made = operator.ask("tenant", "create", "Acme")

    assert keys(made) == {"tenant_id", "name", "plan", "governance", "created_at"}
    assert made["tenant_id"].startswith("tnt_")
    assert (made["plan"], made["governance"]) == ("enterprise", "full")
    assert operator.ask_all("tenant", "list") == [made]


@pytest.mark.parametrize(
    "words",
    [
        ["tenant", "list"],
        ["domain", "add", "acme.test", "--tenant", "Acme"],
        ["inbox", "list"],
        ["messages", "list", "--inbox", "a@acme.test"],
        ["resolve", "a@acme.test"],
        ["audit"],
    ],
)
def test_nothing_else_makes_a_store(operator: Operator, words: list[str]) -> None:
    told = operator.fault(*words)

    assert told.startswith(f"data: there is no store in {operator.data}")
    assert not operator.data.exists()


def test_a_data_directory_that_cannot_be_made_is_named(operator: Operator) -> None:
    operator.data.write_text("a file")

    told = operator.fault("tenant", "create", "Acme")

    path = operator.data
    assert told == f"data: the store is not available: cannot use {path}: it is no directory\n"


def test_a_file_that_is_no_store_is_told_from_one(operator: Operator) -> None:
    operator.data.mkdir()
    (operator.data / "postroom.db").write_bytes(b"This is no database at all. " * 100)

    assert operator.fault("tenant", "list").startswith("data: the store cannot be read: ")


def test_what_a_tenant_may_use_is_set_by_id_or_name(operator: Operator) -> None:
    made = operator.ask("tenant", "create", "Acme")

    by_name = operator.ask("tenant", "set", "Acme", "--plan", "free")
    by_id = operator.ask("tenant", "set", made["tenant_id"], "--governance", "none")

    assert (by_name["plan"], by_name["governance"]) == ("free", "full")
    assert (by_id["plan"], by_id["governance"]) == ("free", "none")


def test_a_name_is_used_once(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")

    told = operator.fault("tenant", "create", "Acme")

    assert told == "name: already taken\n"
    assert len(operator.ask_all("tenant", "list")) == 1


FAULTS: list[tuple[list[str], str]] = [
    (["tenant", "create", " "], "name: must not be empty\n"),
    (["tenant", "create", "a\nb"], "name: must be one line without control characters\n"),
    (["tenant", "create", "x" * 201], "name: must have at most 200 characters\n"),
    (
        ["tenant", "set", "Nobody", "--plan", "free"],
        "tenant: there is no such tenant; postroom tenant list shows",
    ),
    (
        ["tenant", "set", "Acme", "--plan", "gold", "--governance", "some"],
        "plan: must be one of free, startup, business, enterprise\n"
        "governance: must be one of none, token_controls, full\n",
    ),
    (["domain", "add", "no_domain!", "--tenant", "Acme"], "domain: This is not a valid domain"),
    (["domain", "add", "co.uk", "--tenant", "Acme"], "domain: is a public suffix, under which"),
    (["domain", "add", "xn--a.test", "--tenant", "Acme"], "domain: This is not a valid domain"),
    (["domain", "trust", "xn--a.test", "--tenant", "Acme"], "domain: This is not a valid domain"),
    (["domain", "trust", "acme.test", "--tenant", "Nobody"], "tenant: there is no such tenant"),
    (["domain", "add", "acme.test", "--tenant", "Acme"], "domain: already taken"),
    (["domain", "revoke", "other.test", "--tenant", "Acme"], "domain: there is no such domain\n"),
    (["inbox", "create", "c+d@acme.test", "--tenant", "Acme"], "address: The part before"),
    (["inbox", "create", "c@other.test", "--tenant", "Acme"], "address: must be on a domain"),
    (["inbox", "create", "A@Acme.test", "--tenant", "Acme"], "address: already taken"),
    (
        ["inbox", "create", "c@acme.test", "--tenant", "Acme", "--owner", "no@acme.test"],
        "owner: there is no such user of this tenant\n",
    ),
    (
        ["list", "create", "all@other.test", "--tenant", "Acme", "--name", "All"],
        "address: must be on a domain that is verified for this tenant; postroom domain list",
    ),
    (
        ["list", "create", "a@acme.test", "--tenant", "Acme", "--name", "All"],
        "address: already",
    ),
    (
        ["list", "add", "no@acme.test", "a@acme.test"],
        "list: there is no such list; postroom list list",
    ),
    (
        ["list", "add", "team@acme.test", "no@acme.test"],
        "inbox: there is no such inbox; postroom inbox list",
    ),
    (["list", "show", "a@acme.test"], "list: there is no such list; postroom"),
    (["token", "create", "no@acme.test", "--label", "x", "--scopes", "email:read"], "inbox: "),
    (["token", "create", "a@acme.test", "--label", "x", "--scopes", "mail"], "scopes: must be"),
    (["token", "create", "a@acme.test", "--label", "x", "--scopes", ","], "scopes: must be"),
    (["token", "create", "a@acme.test", "--label", "", "--scopes", "email:read"], "label: "),
    ([*NEW_TOKEN, "--send-to", "all"], "send_to: must be one of participants"),
    ([*NEW_TOKEN, "--requires-approval", "x"], "requires_approval: must be some of"),
    (["list", "set", "team@acme.test", "--signature", "x" * 2001], "signature: must have"),
    (["user", "create", "nobody", "--tenant", "Acme", "--role", "owner"], "email: "),
    (["user", "create", "u@acme.test", "--tenant", "Acme", "--role", "king"], "role: must be"),
    (
        [*NEW_OWNER, "--password", "short"],
        "password: must have 8 to 256 characters\n",
    ),
]


def test_a_fault_names_its_field_and_changes_nothing(operator: Operator) -> None:
    operator.furnish()
    before = everything(operator)

    with cases() as case:
        for words, told in FAULTS:
            with case(" ".join(words)):
                assert operator.fault(*words).startswith(told)
                assert everything(operator) == before


def everything(operator: Operator) -> list[object]:
    return [
        operator.ask_all("tenant", "list"),
        operator.ask_all("domain", "list", "--tenant", "Acme"),
        operator.ask_all("inbox", "list"),
        operator.ask("list", "show", "team@acme.test"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["tenant", "set", "Acme"],
        ["tenant", "create"],
        ["user", "create", "u@acme.test", "--tenant", "Acme"],
        [*NEW_OWNER, "--password", "long enough", "--password-stdin"],
        ["list", "create", "all@acme.test", "--tenant", "Acme"],
        ["messages", "list"],
        ["messages", "list", "--inbox", "a@acme.test", "--limit", "201"],
        ["ready", "--wait", "-1"],
        ["tenant", "sell", "Acme"],
        ["sell"],
        ["--dta", "x", "tenant", "list"],
    ],
)
def test_wrong_usage_is_status_2(operator: Operator, words: list[str]) -> None:
    assert "Usage: postroom" in operator.fault(*words, status=2)


def test_a_domain_shows_the_records_it_needs(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")

    made = operator.ask("domain", "add", "Mail.Acme.Test.", "--tenant", "Acme")

    assert keys(made) == {
        "domain_id", "name", "status", "verified_at", "dns_records", "created_at",
    }  # fmt: skip
    assert (made["name"], made["status"], made["verified_at"]) == (
        "mail.acme.test",
        "pending",
        None,
    )
    text, exchange = made["dns_records"]
    assert (text["type"], text["name"]) == ("TXT", "_postroom-verify.mail.acme.test")
    assert (exchange["type"], exchange["name"]) == ("MX", "mail.acme.test")


def test_the_name_of_the_mx_record_is_told_when_it_is_none(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.ask("tenant", "create", "Acme")
    for hostname, is_told in (("vm", True), ("mx.acme.test", False)):
        monkeypatch.setenv("POSTROOM_HOSTNAME", hostname)
        told = operator.type("domain", "add", f"{len(hostname)}.acme.test")
        assert f"MX 10 {hostname}." in told.stdout
        assert ("set `hostname`" in told.stderr) == is_told


def test_a_store_of_a_newer_release_is_told_from_one_that_is_away(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")
    with closing(sqlite3.connect(operator.data / "postroom.db")) as store, store:
        store.execute("INSERT INTO migrations VALUES (900, 'm900_later', 0)")
        store.execute("UPDATE store_state SET value = 900 WHERE name = 'oldest_step'")

    for words in (("tenant", "list"), ("tenant", "create", "Other")):
        told = operator.fault(*words)
        assert told.startswith("data: the store was written by a newer release of Postroom, ")
        assert told.endswith("; install that release, or restore a backup from before it\n")


def test_trusting_a_domain_verifies_it_for_one_tenant_only(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")
    operator.ask("tenant", "create", "Other")

    trusted = operator.ask("domain", "trust", "bücher.test", "--tenant", "Acme")

    assert (trusted["name"], trusted["status"]) == ("xn--bcher-kva.test", "verified")
    assert trusted["verified_at"] is not None
    told = operator.fault("domain", "trust", "xn--bcher-kva.test", "--tenant", "Other")
    assert told == "domain: already taken\n"
    assert operator.ask_all("domain", "list", "--tenant", "Acme") == [trusted]
    assert operator.ask_all("domain", "list", "BÜCHER.test", "--tenant", "Acme") == [trusted]
    assert operator.ask_all("domain", "list", "acme.test", "--tenant", "Acme") == []
    assert operator.ask_all("domain", "list", "--tenant", "Other") == []


def test_the_only_tenant_need_not_be_named(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")

    operator.ask("domain", "trust", "acme.test")
    operator.ask("inbox", "create", "a@acme.test")
    operator.ask("list", "create", "team@acme.test", "--name", "Team")
    assert [one["name"] for one in operator.ask_all("domain", "list")] == ["acme.test"]
    assert len(operator.ask_all("audit-log")) == 4
    assert operator.ask_all("who", "ann@people.test") == []

    operator.ask("tenant", "create", "Other")
    for words in (("domain", "list"), ("audit-log",), ("inbox", "create", "b@acme.test")):
        told = operator.fault(*words)
        assert told == "tenant: must be named, as there are several: --tenant NAME\n"


def test_a_revoked_domain_keeps_its_addresses_and_takes_no_mail(operator: Operator) -> None:
    operator.furnish()
    before = operator.ask_all("domain", "list", "--tenant", "Acme")

    revoked = operator.ask("domain", "revoke", "ACME.test", "--tenant", "Acme")

    assert (revoked["status"], revoked["verified_at"]) == ("revoked", None)
    assert revoked["dns_records"][0]["value"] != before[0]["dns_records"][0]["value"]
    assert operator.ask("domain", "revoke", "acme.test", "--tenant", "Acme") == revoked
    assert operator.ask("resolve", "team@acme.test")["verdict"] == "domain_revoked"
    assert operator.ask("resolve", "nobody@acme.test")["verdict"] == "domain_revoked"
    told = operator.fault("inbox", "create", "c@acme.test", "--tenant", "Acme")
    assert told.startswith(
        "address: must be on a domain that is verified for this tenant; postroom"
    )

    operator.ask("domain", "trust", "acme.test", "--tenant", "Acme")
    assert operator.ask("resolve", "team@acme.test")["verdict"] == "route"


def test_a_domain_moves_to_another_tenant_only_when_told_to(operator: Operator) -> None:
    operator.furnish()
    operator.ask("tenant", "create", "Other")
    words = ["domain", "trust", "acme.test", "--tenant", "Other"]
    assert operator.fault(*words) == "domain: already taken\n"

    moved = operator.ask(*words, "--move")

    (left,) = operator.ask_all("domain", "list", "--tenant", "Acme")
    assert (moved["status"], left["status"]) == ("verified", "revoked")
    assert operator.ask("resolve", "team@acme.test")["verdict"] == "domain_revoked"
    assert operator.ask("resolve", "nobody@acme.test")["verdict"] == "unknown"
    told = operator.fault("domain", "trust", "acme.test", "--tenant", "Acme")
    assert told == "domain: already taken\n"
    operator.ask("inbox", "create", "c@acme.test", "--tenant", "Other")
    assert (
        operator.ask("resolve", "c@acme.test")["tenant_id"]
        == operator.ask_all("tenant", "list")[1]["tenant_id"]
    )


def test_a_password_is_shown_only_when_it_was_made(operator: Operator) -> None:
    operator.ask("tenant", "create", "Acme")
    words = ["--tenant", "Acme", "--role", "member"]

    made = operator.ask("user", "create", "a@acme.test", *words, "--name", "A")
    given = operator.ask("user", "create", "b@acme.test", *words, "--password", "long enough")
    read = operator.ask(
        "user", "create", "c@acme.test", *words, "--password-stdin", stdin="long enough\n"
    )

    assert keys(made) >= {"user_id", "email", "name", "role", "tenant_id", "password"}
    assert (made["name"], made["role"], given["name"]) == ("A", "member", "")
    assert len(made["password"]) >= 16
    assert "password" not in keys(given) | keys(read)


def test_an_inbox_may_have_an_owner_of_its_tenant(operator: Operator) -> None:
    operator.furnish()
    user = operator.ask("user", "create", "U@acme.test", "--tenant", "Acme", "--role", "owner")

    made = operator.ask(
        "inbox", "create", "C@acme.test", "--tenant", "Acme", "--owner", "u@Acme.test"
    )

    assert made["owner_user_id"] == user["user_id"]
    assert made["address"] == "C@acme.test"
    assert made in operator.ask_all("inbox", "list")


def test_inboxes_are_listed_with_the_lists_they_are_on(operator: Operator) -> None:
    operator.furnish()
    operator.furnish("Other", "other.test")

    found = operator.ask_all("inbox", "list")

    assert [record["address"] for record in found] == [
        "a@acme.test", "b@acme.test", "a@other.test", "b@other.test",
    ]  # fmt: skip
    assert [alias["address"] for alias in found[0]["aliases"]] == ["team@acme.test"]
    assert operator.ask_all("inbox", "list", "--tenant", "Other") == found[2:]


def test_a_list_shows_its_members_and_takes_each_once(operator: Operator) -> None:
    operator.furnish()

    again = operator.ask("list", "add", "TEAM@acme.test", "B@acme.test")
    shown = operator.ask("list", "show", "team@ACME.test")

    assert keys(shown) == {
        "list_id", "address", "name", "created_by", "created_at", "member_count", "members",
        "share_read_state", "reply_as", "reply_name", "signature",
    }  # fmt: skip
    assert (shown["created_by"], shown["member_count"]) == (None, 2)
    assert [member["inbox_address"] for member in shown["members"]] == [
        "a@acme.test",
        "b@acme.test",
    ]
    assert shown["members"][1] == again
    assert keys(again) == {"member_id", "inbox_id", "inbox_address", "added_at"}


def test_how_letters_are_sent_can_be_set(operator: Operator) -> None:
    operator.furnish()

    changed = operator.ask("list", "set", "team@acme.test", "--reply-as", "member")
    signed = operator.ask("inbox", "set", "a@acme.test", "--signature", "Ann")
    token = operator.ask(*NEW_TOKEN, "--requires-approval", "email:send", "--send-rate", "5")

    assert (changed["reply_as"], changed["reply_name"]) == ("member", "both")
    assert signed["signature"] == "Ann"
    sending = ("requires_approval", "send_to", "send_rate")
    assert [token[name] for name in sending] == [["email:send"], "participants", 5]


def test_another_tenants_inbox_is_no_member(operator: Operator) -> None:
    operator.furnish()
    operator.furnish("Other", "other.test")

    told = operator.fault("list", "add", "team@acme.test", "a@other.test")

    assert told == "inbox: is another tenant's than the list\n"
    assert operator.ask("list", "show", "team@acme.test")["member_count"] == 2


def test_a_token_is_shown_once_with_its_record(operator: Operator) -> None:
    operator.furnish()

    made = operator.ask(
        "token", "create", "a@acme.test", "--label", "agent", "--scopes", "email:write, email:read"
    )

    assert made["token"].startswith("prt_")
    assert made["scopes"] == ["email:read", "email:write"]
    assert (made["label"], made["status"], made["created_by"]) == ("agent", "active", None)


def test_no_secret_is_kept_in_clear(operator: Operator) -> None:
    operator.furnish()
    words = ["--tenant", "Acme", "--role", "owner"]
    user = operator.ask("user", "create", "u@acme.test", *words)
    token = operator.ask("token", "create", "a@acme.test", "--label", "x", "--scopes", "email:read")

    kept = b"".join(path.read_bytes() for path in sorted(Path(operator.data).glob("postroom.db*")))

    assert user["password"].encode() not in kept
    assert token["token"].encode() not in kept


def test_a_link_signs_a_user_in_and_names_the_page(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.ask("tenant", "create", "Acme")
    operator.ask(*NEW_OWNER)

    made = operator.ask("user", "link", "u@acme.test")
    nobody = operator.fault("user", "link", "v@acme.test")

    assert made["email"] == "u@acme.test"
    assert made["link"].startswith("http://127.0.0.1:8025/console/enter/?code=prl_")
    assert "there is no such user" in nobody
    monkeypatch.setenv("POSTROOM_PUBLIC_URL", "https://mail.acme.test")
    behind = operator.ask("user", "link", "u@acme.test")
    assert behind["link"].startswith("https://mail.acme.test/console/enter/?code=prl_")
    monkeypatch.setenv("POSTROOM_CONSOLE", "off")
    assert operator.fault("user", "link", "u@acme.test").startswith("console: the page is off")
