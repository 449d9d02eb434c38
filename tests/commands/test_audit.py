import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.mail import put
from tests.commands.operator import Operator, Record

SMALL = b"Subject: small\r\n\r\nsmall\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"large\r\n" * 100


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """Give a store with a small message to two inboxes and a large one to one."""
    operator.furnish()
    put(operator.data, SMALL, "team@acme.test", "a@acme.test")
    put(operator.data, LARGE, "b@acme.test", large=True)
    return operator


def change(sql: str) -> Callable[[Path], None]:
    def apply(data: Path) -> None:
        with closing(sqlite3.connect(data / "postroom.db")) as store:
            assert store.execute(sql).rowcount == 1
            store.commit()

    return apply


def content_file(data: Path) -> Path:
    (path,) = (data / "content").glob("*/*")
    return path


def flip(data: Path) -> None:
    path = content_file(data)
    path.write_bytes(path.read_bytes()[::-1])


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_a_sound_store_is_proved(filled: Operator, deep: list[str]) -> None:
    assert filled.ask("audit", *deep) == {
        "messages": 2,
        "copies_owed": 3,
        "copies_gone": 0,
        "copies_present": 3,
        "faults": [],
    }
    assert filled.type("audit", *deep).stdout == (
        "2 messages\n3 copies owed\n0 copies gone\n3 copies present\n"
    )


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            change(
                "DELETE FROM copies WHERE message_id = (SELECT MIN(message_id) FROM messages)"
                " AND inbox_id = (SELECT MIN(inbox_id) FROM copies)"
            ),
            "2 copies due, 1 present",
        ),
        (
            change(
                "UPDATE messages SET copies_gone = 1"
                " WHERE message_id = (SELECT MIN(message_id) FROM messages)"
            ),
            "1 copies due, 2 present",
        ),
        (
            change(
                "DELETE FROM messages WHERE message_id = (SELECT MAX(message_id) FROM messages)"
            ),
            "a copy has no message",
        ),
        (
            change("DELETE FROM contents WHERE file IS NOT NULL"),
            "the content is not on record",
        ),
        (
            change("UPDATE contents SET size = size + 1 WHERE body IS NOT NULL"),
            "the content has another size than the message",
        ),
        (
            change("UPDATE contents SET body = x'00' WHERE body IS NOT NULL"),
            "the content in the database has not the size on record",
        ),
        (
            change("UPDATE filing SET message_id = (SELECT MAX(message_id) FROM copies)"),
            "a copy is not filed as it is",
        ),
        (change("DELETE FROM filing"), "it is not on record what is filed"),
        (
            change(
                "INSERT INTO filed_copies"
                " SELECT inbox_id, 1, message_id, 0, 0, 0 FROM copies LIMIT 1"
            ),
            "what is filed is no copy",
        ),
        (lambda data: content_file(data).unlink(), "the content file is missing"),
        (
            lambda data: content_file(data).write_bytes(LARGE[:-1]),
            f"the content file has {len(LARGE) - 1} bytes, not {len(LARGE)}",
        ),
    ],
)
def test_every_fault_is_named(filled: Operator, damage: Callable[[Path], None], told: str) -> None:
    damage(filled.data)

    result = filled.type("audit")

    assert result.exit_code == 1
    assert told in result.stderr
    assert all(line.startswith("msg_") for line in result.stderr.splitlines())
    assert any(fault["fault"].startswith(told) for fault in document(filled)["faults"])


def document(operator: Operator) -> Record:
    result = operator.type("audit", "--json")
    found: Record = json.loads(result.stdout)
    assert result.exit_code == 1
    return found


def test_several_faults_are_named_at_once(filled: Operator) -> None:
    content_file(filled.data).unlink()
    change("UPDATE contents SET size = size + 1 WHERE body IS NOT NULL")(filled.data)

    assert len(document(filled)["faults"]) == 3


@pytest.mark.parametrize(
    "damage", [flip, change("UPDATE contents SET body = zeroblob(size) WHERE body IS NOT NULL")]
)
def test_changed_bytes_of_the_right_size_are_found_by_looking_deep(
    filled: Operator, damage: Callable[[Path], None]
) -> None:
    damage(filled.data)

    assert filled.ask("audit")["faults"] == []
    assert "is not what was stored" in filled.type("audit", "--deep").stderr


def test_a_copy_in_another_tenants_inbox_is_found(filled: Operator) -> None:
    filled.furnish("Other", "other.test")
    change(
        "UPDATE copies SET inbox_id = (SELECT inbox_id FROM inboxes WHERE address = 'a@other.test')"
        " WHERE message_id = (SELECT MAX(message_id) FROM messages)"
    )(filled.data)

    assert [fault["fault"] for fault in document(filled)["faults"]] == [
        "a copy is in an inbox that its tenant does not have"
    ]


@pytest.mark.parametrize("damage", [flip, lambda data: content_file(data).unlink()])
def test_verify_names_a_damaged_file_and_goes_on_to_the_orphans(
    filled: Operator, damage: Callable[[Path], None]
) -> None:
    damage(filled.data)
    orphan = filled.data / "content" / "0" / "orphan"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))

    told = filled.type("verify", "--json")

    found = json.loads(told.stdout)
    assert told.exit_code == 1
    assert found["orphaned_files"] == ["0/orphan"]
    assert "content file" in found["faults"][0]["fault"]
    assert orphan.exists()


def test_verify_finds_nothing_in_a_sound_store(filled: Operator) -> None:
    found = filled.ask("verify")

    assert (found["copies_present"], found["orphaned_files"], found["faults"]) == (3, [], [])
