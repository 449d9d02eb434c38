"""The vCard files of tests/inputs: each as a user sees it after the import, and after it again."""

from pathlib import Path
from typing import Any

import pytest

from tests.admin_api.contacts.test_phone_books import CONTACTS, exported, imported
from tests.builders import SALES, World
from tests.support.phone_books import fields_of

INPUTS = Path(__file__).parents[2] / "inputs"

Row = tuple[str, list[str], list[dict[str, Any]]]

# The file, the status of each of its cards, and what the cards in the book have.
ROWS: list[Row] = [
    ("qp-in-3.0.vcf", ["created"], [{"full_name": "河马 大", "phones": [("cell", "+10000001")]}]),
    (
        "groups-x-ablabel.vcf",
        ["created"],
        [
            {
                "full_name": "P & Q Test",
                "phones": [("P Cell", "+1.555 000 1111")],
                "emails": [("Work", "pq@outside.test")],
                "notes": "X\\, y. 2024.",
            }
        ],
    ),
    (
        "note-unescaped-newline.vcf",
        ["created"],
        [{"notes": "bla one\nbla two\n- bla three", "emails": [("", "note@outside.test")]}],
    ),
    (
        "latin1-file.vcf",
        ["created"],
        [{"full_name": "Jörg Größe", "emails": [("", "l1@outside.test")]}],
    ),
    (
        "reimport-doubles.vcf",
        ["created"],
        [{"full_name": "Phone Only", "phones": [("cell", "+4912345")]}],
    ),
    (
        "rfc6350-type-list.vcf",
        ["created"],
        [{"phones": [("work", "+1-418-555-0100;ext=102"), ("work", "+1-418-555-0101")]}],
    ),
    ("v2.1-android.vcf", ["created"], [{"full_name": "Jürg", "phones": [("", "+4200000")]}]),
    (
        "dup-version-rev.vcf",
        ["created"],
        [{"full_name": "Twice Told", "emails": [("", "twice@outside.test")]}],
    ),
    (
        "lowercase-no-fn.vcf",
        ["created", "created"],
        [
            {"full_name": "Given Surname", "emails": [("", "lc@outside.test")]},
            {"full_name": "Spaced Begin"},
        ],
    ),
    (
        "utf16-file.vcf",
        ["created"],
        [{"full_name": "Sechzehn Bit", "emails": [("", "u16@outside.test")]}],
    ),
    (
        "cr-only.vcf",
        ["created"],
        [{"full_name": "Carriage Return", "emails": [("", "cr@outside.test")]}],
    ),
    (
        "apple-bday-group.vcf",
        ["created", "created", "skipped"],
        [
            {"full_name": "Bday A", "anniversaries": [("birthday", "--04-15")]},
            {"full_name": "Bday B", "anniversaries": [("birthday", "--04-15")]},
        ],
    ),
]


def of_record(record: dict[str, Any], field: str) -> object:
    value = record[field]
    return [tuple(one.values()) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "statuses", "cards"), ROWS, ids=[row[0] for row in ROWS])
async def test_a_file_is_read_as_its_row_says_and_again_changes_nothing(
    world: World, name: str, statuses: list[str], cards: list[dict[str, Any]]
) -> None:
    file = (INPUTS / name).read_bytes()
    again = ["unchanged" if status == "created" else status for status in statuses]
    async with world.client(SALES) as api:
        report = await imported(api, file)
        assert [one["status"] for one in report["results"]] == statuses
        for _ in range(2):
            report = await imported(api, file)
            assert [one["status"] for one in report["results"]] == again
        records = (await api.get(CONTACTS)).json()["results"]
        assert len(records) == len(cards)
        for record, card in zip(records, cards, strict=True):
            assert {field: of_record(record, field) for field in card} == card


async def test_every_vcard_file_of_the_inputs_has_a_row() -> None:
    assert {row[0] for row in ROWS} == {file.name for file in INPUTS.glob("*.vcf")}


async def test_groups_of_properties_come_back_with_their_labels(world: World) -> None:
    async with world.client(SALES) as api:
        await imported(api, (INPUTS / "groups-x-ablabel.vcf").read_bytes())
        export = await exported(api)
        for label, value in (("P Cell", "+1.555 000 1111"), ("_$!<Work>!$_", "pq@outside.test")):
            (said,) = [line for line in export.split("\r\n") if line.endswith(f":{label}")]
            group = said.partition(".")[0]
            (other,) = [line for line in export.split("\r\n") if line.endswith(f":{value}")]
            assert other.startswith(f"{group}.")
        assert ("X-ABLABEL", "P Cell") in fields_of(export)[0]


async def test_a_card_is_known_by_its_uid_in_the_forms_of_both_versions(world: World) -> None:
    def card(version: str, uid: str, more: str) -> bytes:
        lines = ["BEGIN:VCARD", f"VERSION:{version}", "FN:Ada", f"UID:{uid}", more, "END:VCARD", ""]
        return "\r\n".join(lines).encode()

    bare = "4FBE8971-0bc3"
    async with world.client(SALES) as api:
        assert (await imported(api, card("3.0", bare, "TEL:1")))["created"] == 1
        for version, uid in (("4.0", f"urn:uuid:{bare}"), ("4.0", f"URN:UUID:{bare}")):
            assert (await imported(api, card(version, uid, "TEL:1")))["unchanged"] == 1
        assert (await imported(api, card("4.0", f"urn:uuid:{bare}", "TEL:2")))["merged"] == 1
        assert (await imported(api, card("3.0", "another", "TEL:1")))["created"] == 1


async def test_a_card_without_a_name_stays_without_when_its_export_is_read(world: World) -> None:
    file = b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:;;;;\r\nFN:\r\nORG:Only;Firm\r\nEND:VCARD\r\n"
    async with world.client(SALES) as api:
        assert (await imported(api, file))["created"] == 1
        for version in ("3.0", "4.0"):
            export = await exported(api, version)
            assert (await imported(api, export.encode()))["unchanged"] == 1
        (record,) = (await api.get(CONTACTS)).json()["results"]
        assert (record["full_name"], record["organization"]) == ("", "Only, Firm")
