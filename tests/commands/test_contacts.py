"""Contacts on the command line."""

from pathlib import Path

from tests.commands.operator import Operator

CARDS = """BEGIN:VCARD
VERSION:4.0
FN:Grace Hopper
EMAIL:grace@navy.test
X-ODD:kept
END:VCARD
BEGIN:VCARD
VERSION:2.0
FN:Too old
END:VCARD
"""


def test_cards_are_imported_listed_shown_and_exported(operator: Operator, tmp_path: Path) -> None:
    operator.furnish()
    file = tmp_path / "cards.vcf"
    file.write_text(CARDS)

    result = operator.type("contacts", "import", str(file), "--inbox", "a@acme.test", "--json")

    assert result.exit_code == 1
    assert '"created": 1' in result.stdout
    assert "1 of the cards could not be taken" in result.stderr
    (card,) = operator.ask_all("contacts", "list", "--inbox", "a@acme.test", "--search", "hopp")
    assert card["emails"] == [{"label": "", "address": "grace@navy.test"}]
    assert operator.ask("contacts", "show", card["id"], "--inbox", "a@acme.test") == card
    assert operator.ask_all("contacts", "list", "--inbox", "b@acme.test") == []
    fault = operator.fault("contacts", "show", card["id"], "--inbox", "b@acme.test")
    assert fault.startswith("contact: ")
    exported = operator.type("contacts", "export", "--inbox", "a@acme.test")
    assert "FN:Grace Hopper" in exported.stdout
    assert "X-ODD:kept" in exported.stdout
    assert operator.fault("contacts", "delete", card["id"], "--inbox", "b@acme.test") == fault
    assert operator.ask("contacts", "delete", card["id"], "--inbox", "a@acme.test") == card
    assert operator.ask_all("contacts", "list", "--inbox", "a@acme.test") == []


def test_who_wants_an_address_and_one_team(operator: Operator) -> None:
    operator.furnish()
    assert operator.ask_all("who", "grace@navy.test") == []
    assert operator.fault("who", "nonsense").startswith("address: ")
    operator.ask("tenant", "create", "Beta")
    assert operator.fault("who", "grace@navy.test").startswith("tenant: ")
    assert operator.ask_all("who", "grace@navy.test", "--tenant", "Acme") == []
