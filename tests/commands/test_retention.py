"""`postroom retention`: what would go, and what goes."""

import os
import sqlite3
from contextlib import closing

import pytest

from storage.clock import DAY, MINUTE, system_clock
from storage.maintenance.retention import KINDS
from tests.commands.operator import Operator


def test_reparse_has_all_messages_parsed_once_more(operator: Operator) -> None:
    operator.furnish()
    assert operator.ask("reparse") == {"messages": 0}


@pytest.fixture
def lapsed(operator: Operator) -> Operator:
    """Give a store with three receipts that are too old, and a file that nobody names."""
    operator.furnish()
    old = system_clock() - 6 * DAY
    with closing(sqlite3.connect(operator.data / "postroom.db")) as store:
        for number in range(3):
            row = (bytes([number]), b"", old, b"")
            store.execute("INSERT INTO receipts VALUES (?, ?, ?, ?)", row)
        store.commit()
    orphan = operator.data / "content" / "0" / "orphan"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))
    return operator


def counts(operator: Operator, *words: str) -> dict[str, int]:
    answer = operator.ask("retention", *words)
    assert answer["dry_run"] == ("--dry-run" in words)
    assert [one["kind"] for one in answer["kinds"]] == [
        "spools",
        *(kind.name for kind in KINDS),
        "content_files",
    ]
    return {one["kind"]: one["count"] for one in answer["kinds"] if one["count"]}


def test_a_dry_run_tells_what_a_round_then_removes(lapsed: Operator) -> None:
    over = {"receipts": 3, "content_files": 1}
    assert counts(lapsed, "--dry-run") == over
    assert counts(lapsed, "--dry-run") == over
    assert counts(lapsed) == over
    assert counts(lapsed) == counts(lapsed, "--dry-run") == {}


def test_as_text_it_is_a_line_a_kind(lapsed: Operator) -> None:
    lines = lapsed.type("retention", "--dry-run").stdout.splitlines()
    assert len(lines) == len(KINDS) + 3
    assert lines[0].split() == ["kind", "days", "count"]
    assert lines[2].split() == ["receipts", "5", "3"]


def test_while_another_process_is_at_it_nothing_goes(lapsed: Operator) -> None:
    with closing(sqlite3.connect(lapsed.data / "postroom.db")) as store:
        row = (b"another", system_clock() + MINUTE)
        store.execute(
            "INSERT INTO retention_worker (worker, owner, held_until) VALUES (0, ?, ?)", row
        )
        store.commit()
    assert lapsed.fault("retention").startswith("retention: another process is at it")
    assert counts(lapsed, "--dry-run")["receipts"] == 3


def test_without_a_store_there_is_nothing_to_remove(operator: Operator) -> None:
    assert "there is no store" in operator.fault("retention")
