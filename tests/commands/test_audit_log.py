from tests.commands.operator import Operator


def test_what_the_operator_changes_is_in_the_log_of_the_tenant(operator: Operator) -> None:
    operator.furnish()
    operator.ask("tenant", "create", "Other")
    operator.ask("list", "add", "team@acme.test", "a@acme.test")  # is one already: no change
    operator.ask("user", "create", "u@acme.test", "--tenant", "Acme", "--role", "owner")
    operator.ask("token", "create", "a@acme.test", "--label", "x", "--scopes", "email:read")
    operator.ask("domain", "trust", "acme.test", "--tenant", "Acme")  # is trusted: no change
    operator.ask("tenant", "set", "Acme", "--governance", "full")  # no change either
    for _ in range(2):
        operator.ask("tenant", "set", "Acme", "--plan", "free")
        operator.ask("domain", "revoke", "acme.test", "--tenant", "Acme")
    operator.fault("user", "create", "u@acme.test", "--tenant", "Acme", "--role", "owner")

    found = operator.ask_all("audit-log", "--tenant", "Acme")

    assert [entry["action"] for entry in reversed(found)] == [
        "tenant.created",
        "domain.trusted",
        "list.created",
        "inbox.created",
        "list.member_added",
        "inbox.created",
        "list.member_added",
        "user.created",
        "token.created",
        "tenant.changed",
        "domain.revoked",
    ]
    assert {entry["actor"]["type"] for entry in found} == {"operator"}
    assert found[1]["details"] == {"plan": "free", "governance": "full"}


def test_a_domain_that_is_moved_is_in_the_log_of_both_tenants(operator: Operator) -> None:
    operator.furnish()
    operator.ask("tenant", "create", "Other")
    operator.ask("domain", "trust", "acme.test", "--tenant", "Other", "--move")

    lost = operator.ask_all("audit-log", "--tenant", "Acme", "--limit", "1")
    won = operator.ask_all("audit-log", "--tenant", "Other", "--limit", "1")

    assert [entry["action"] for entry in (*lost, *won)] == ["domain.revoked", "domain.trusted"]


def test_the_log_can_be_narrowed_and_read_by_people(operator: Operator) -> None:
    operator.furnish()

    inboxes = operator.ask_all("audit-log", "--tenant", "Acme", "--action", "inbox")
    shown = operator.type("audit-log", "--tenant", "Acme", "--limit", "1").stdout

    assert [entry["object"]["name"] for entry in inboxes] == ["b@acme.test", "a@acme.test"]
    assert shown.split()[1:] == ["operator", "-", "list.member_added", "team@acme.test"]
