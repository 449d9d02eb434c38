import json
import os
from pathlib import Path

import pytest

from tests.commands.mail import put
from tests.commands.operator import Operator

SMALL = b"Subject: small\r\n\r\nsmall\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"large\r\n" * 100

NOWHERE = Path("/proc/postroom")  # where nobody can make a directory


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """Give a store with a small message to two inboxes and a large one to one."""
    operator.furnish()
    put(operator.data, SMALL, "team@acme.test", "a@acme.test")
    put(operator.data, LARGE, "b@acme.test", large=True)
    return operator


def test_a_backup_is_restored_into_an_empty_directory(filled: Operator, tmp_path: Path) -> None:
    made = filled.ask("backup", str(tmp_path / "backups"))
    other = Operator(tmp_path / "other")

    told = other.ask("restore", str(tmp_path / "backups"))

    assert made["faults"] == []
    assert (told["backup"], told["messages"], told["copies_present"]) == (made["backup"], 2, 3)
    assert other.ask("audit", "--deep")["faults"] == []


def test_older_backups_are_removed_when_asked_for(filled: Operator, tmp_path: Path) -> None:
    target = str(tmp_path / "backups")
    first = filled.ask("backup", target)["backup"]

    second = filled.ask("backup", target, "--keep", "1")

    assert second["removed"] == [first]
    assert not Path(first).exists()
    assert second["octets_linked"] > 0


def test_a_backup_of_a_store_with_a_damaged_content_fails_and_keeps_the_rest(
    filled: Operator, tmp_path: Path
) -> None:
    (path,) = (filled.data / "content").glob("*/*")
    path.write_bytes(b"no mail")

    told = filled.type("backup", str(tmp_path / "backups"), "--json")

    assert told.exit_code == 1
    assert json.loads(told.stdout)["faults"]
    assert "all else is in the backup" in told.stderr


def test_a_backup_says_where_it_cannot_write(filled: Operator, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    for target, cause in ((file / "in", "Not a directory"), (NOWHERE, "No such file or directory")):
        told = filled.fault("backup", str(target))
        assert told == f"backup: cannot write to {target}: {cause}\n"


def test_a_restore_says_why_it_cannot(filled: Operator, tmp_path: Path) -> None:
    none, backups = tmp_path / "none", str(tmp_path / "backups")
    none.mkdir()
    told = filled.fault("restore", str(none))
    assert told == f"backup: there is no complete backup in {none}\n"
    made = filled.ask("backup", backups)
    assert filled.fault("restore", backups) == f"data: {filled.data} is not empty\n"
    told = Operator(NOWHERE).fault("restore", backups)
    assert told.startswith(f"data: the store is not available: {NOWHERE}: No such file")
    (Path(str(made["backup"])) / "manifest.json").write_text("{}")
    assert filled.fault("restore", backups).endswith("is not a manifest\n")
    assert filled.type("restore", str(tmp_path / "nowhere")).exit_code == 2


def test_a_backup_of_no_store_is_refused(operator: Operator, tmp_path: Path) -> None:
    assert "there is no store" in operator.fault("backup", str(tmp_path / "backups"))
    assert not (tmp_path / "backups").exists()


def test_verify_removes_orphans_only_when_asked(filled: Operator) -> None:
    orphan = filled.data / "content" / "0" / "orphan"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))
    assert filled.ask("verify")["orphaned_files"] == ["0/orphan"]
    assert orphan.exists()

    assert filled.ask("verify", "--repair")["removed_files"] == 1
    assert not orphan.exists()


def test_commands_that_read_make_nothing(filled: Operator) -> None:
    before = sorted(path.name for path in filled.data.iterdir())

    filled.ask("audit")
    filled.ask("verify")
    filled.ask_all("inbox", "list", "--tenant", "Acme")

    assert sorted(path.name for path in filled.data.iterdir()) == before
