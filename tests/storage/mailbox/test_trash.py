"""Since when a copy is in the trash, also from before that was on record."""

import psycopg
import pytest

from storage import migrations
from storage.clock import system_clock
from storage.database import Tx
from storage.engines.opening import open_database
from storage.migrations import STEPS, migrate
from tests.support.engines import Databases, Engine


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_days_of_earlier_trash_begin_at_the_upgrade(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = unmigrated(kind, request)
    database = await open_database(engine.store, engine.data, system_clock)
    before = next(place for place, step in enumerate(STEPS) if step.__name__ == "m011_retention")
    monkeypatch.setattr(migrations, "STEPS", STEPS[:before])
    await migrate(database, now=1)

    async def two_copies(tx: Tx) -> int:
        for folder in (0, 3):
            await tx.execute(
                """
                INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
                VALUES (:id, :id, :folder, 0, 0, 0)
                """,
                {"id": bytes([folder]) * 16, "folder": folder},
            )
        return int.from_bytes(tx.new_id()[:8], "big")

    last = await database.write(two_copies)
    monkeypatch.setattr(migrations, "STEPS", STEPS)
    await migrate(database, now=2)

    rows = await database.read(lambda tx: tx.fetch_all("SELECT inbox_id, trashed_at FROM trashed"))
    assert [(bytes(row["inbox_id"]), row["trashed_at"]) for row in rows] == [(b"\3" * 16, last)]
    await database.close()


def unmigrated(kind: str, request: pytest.FixtureRequest) -> Engine:
    """A store without any table."""
    path = request.getfixturevalue("tmp_path")
    if kind == "sqlite":
        return Engine("sqlite", "sqlite", path)
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make()
    request.addfinalizer(lambda: databases.drop(url))
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("DROP SCHEMA public CASCADE")
        operator.execute("CREATE SCHEMA public")
    return Engine("postgresql", url, path)
