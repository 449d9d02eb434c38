"""`postroom content move`: what it would do, what it does, and what it names."""

import pytest

from tests.commands.mail import put
from tests.commands.operator import Operator

LARGE = b"Subject: large\r\n\r\n" + b"large\r\n" * 100


def test_large_messages_are_moved_to_where_the_setting_says(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.maintenance.content_move.LINGER_SECONDS", 0.0)
    monkeypatch.setattr("os.nice", lambda _: 0)  # it would hold for all later tests
    operator.furnish()
    sound = put(operator.data, LARGE, "b@acme.test", large=True)
    damaged = put(operator.data, LARGE + b"more", "b@acme.test", large=True)
    files = sorted((operator.data / "content").glob("*/*"))
    (changed,) = [path for path in files if path.stat().st_size == len(LARGE) + 4]
    changed.write_bytes(b"x" * (len(LARGE) + 4))

    assert operator.ask("content", "move")["moved"] == 0  # they are where sqlite has them
    monkeypatch.setenv("POSTROOM_CONTENT", "database")
    planned = operator.ask("content", "move", "--dry-run")
    assert (planned["to"], planned["moved"]) == ("database", 2)
    assert planned["octets"] == 2 * len(LARGE) + 4
    done = operator.type("content", "move")
    assert done.exit_code == 1
    assert done.stdout == "1 contents, 0.0 MiB moved to: database\n"
    assert done.stderr == f"{damaged}: the content is missing, or is not what was stored\n"
    assert [path for path in files if path.exists()] == [changed]
    shown = operator.type("messages", "show", sound, "--inbox", "b@acme.test", "--raw")
    assert shown.stdout_bytes.endswith(LARGE)
