"""Stores that a release made (`released/`) open with the present code and read as they did then."""

import hashlib
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from admin_api.app import create_app
from config.settings import Settings
from storage.accounts.tenants import list_tenants
from storage.content.message_bytes import ContentDirectory
from storage.content.orphans import orphans
from storage.database import Store
from storage.engines.opening import open_database
from storage.maintenance.integrity import audit
from storage.migrations import STEPS, migrate, version
from tests.storage.migrations.released.make_store import shortened
from tests.storage.migrations.test_migrations import of_postgres, of_sqlite
from tests.support.engines import Databases, Engine
from tests.support.server import HOSTNAME, SETTINGS

RELEASES = {"v0_1_0": 13}  # the steps that each had
FOLDER = Path(__file__).with_name("released")
# Reading a store again moves these.
MOVING = {"last_used_at", "strength"}

Answers = dict[str, Any]


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Give the name of each release in turn."""
    return str(request.param)


@pytest.fixture(params=["sqlite", "postgresql"])
def left_behind(request: pytest.FixtureRequest, release: str, tmp_path: Path) -> Iterator[Engine]:
    """Give the store that the release left behind, on one engine and then on the other."""
    with tarfile.open(FOLDER / release / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    if request.param == "sqlite":
        yield Engine("sqlite", "sqlite", tmp_path)
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make_empty()
    with psycopg.connect(url) as operator:
        operator.execute((FOLDER / release / "postgresql.sql").read_bytes())
    yield Engine("postgresql", url, tmp_path)
    databases.drop(url)


@pytest.fixture
async def answers(left_behind: Engine, release: str) -> Answers:
    """Give what the release answered: the time, and by credential each path's document."""
    document: Answers = json.loads((FOLDER / release / f"{left_behind.name}.json").read_text())
    return document


@pytest.fixture
async def migrated(left_behind: Engine, answers: Answers) -> AsyncIterator[Store]:
    """Give that store as the present code opens it."""
    database = await left_behind.open(lambda: int(answers["now"]))
    yield database
    await database.close()


async def test_a_released_store_gets_each_later_step_once(
    left_behind: Engine, release: str, answers: Answers
) -> None:
    database = await open_database(left_behind.store, left_behind.data, lambda: 1)
    had = (await version(database)).last

    done = [await migrate(database, now=answers["now"]) for _ in range(2)]

    assert (had, done) == (RELEASES[release], [len(STEPS) - RELEASES[release], 0])
    await database.close()


async def test_a_released_store_owes_nothing_after_its_migration(
    left_behind: Engine, migrated: Store
) -> None:
    content = ContentDirectory(left_behind.data)
    content.prepare()

    report = await audit(migrated, content, deep=True)

    assert report.findings == ()
    assert (report.messages, report.copies_present) == (7, 17)
    assert [found async for page in orphans(migrated, content, now=4e9) for found in page] == []


def reader(
    engine: Engine, database: Store, answers: Answers, secret: str | None = None
) -> httpx2.AsyncClient:
    """Return the present API over the store, at the time of the answers."""
    app = create_app(
        database=database,
        content=ContentDirectory(engine.data),
        settings=Settings(hostname=HOSTNAME, api_burst=int(SETTINGS["api_burst"])),
        clock=lambda: int(answers["now"]),
    )
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://postroom.test",
        headers={"Authorization": f"Bearer {secret}"} if secret else {},
    )


async def test_a_released_store_reads_as_it_did(
    left_behind: Engine, migrated: Store, answers: Answers
) -> None:
    for asked in answers["answers"]:
        secret = asked.get("token") or asked["session"]
        async with reader(left_behind, migrated, answers, secret) as client:
            for path, then in asked["read"].items():
                now = (await client.get(path)).json()
                assert differences(then, shortened(now), path) == []
            for path, then in asked.get("raw", {}).items():
                raw = (await client.get(path + "raw/")).content
                assert hashlib.sha256(raw).hexdigest() == then, path


async def test_people_of_a_released_store_sign_in_with_their_password(
    left_behind: Engine, migrated: Store, answers: Answers
) -> None:
    person = answers["owner"]
    async with reader(left_behind, migrated, answers) as client:
        given = {"email": person["email"], "password": person["password"]}
        answer = await client.post("/auth/login/", json=given)

    assert answer.json()["user"]["user_id"] == person["user_id"]


def differences(then: object, now: object, at: str) -> list[str]:
    """Name each place where `now` does not say what `then` said; it may say more."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            fault
            for key, value in then.items()
            if key not in MOVING
            for fault in differences(value, now.get(key, "(nothing)"), f"{at} {key}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [fault for place, (a, b) in pairs for fault in differences(a, b, f"{at}[{place}]")]
    return [] if then == now else [f"{at}: {then!r} was {now!r}"]


async def test_a_migrated_store_has_the_tables_of_a_new_one(
    left_behind: Engine, migrated: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    if left_behind.name == "sqlite":
        await (await Engine("sqlite", "sqlite", new).open()).close()
        assert of_sqlite(tmp_path / "postroom.db") == of_sqlite(new / "postroom.db")
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.make()
    assert of_postgres(left_behind.store) == of_postgres(url)
    databases.drop(url)


async def test_the_later_of_two_tenants_of_one_name_is_renamed(migrated: Store) -> None:
    assert [one.name for one in await migrated.read(list_tenants)] == ["Example", "Example (2)"]
