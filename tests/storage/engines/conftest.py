"""What the tests of the engines share."""

from collections.abc import AsyncIterator, Iterator

import pytest

from storage.clock import system_clock
from storage.database import Store
from storage.engines.postgres import open_postgres
from tests.support.engines import Databases
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """Give an empty database of this test alone."""
    made = databases.make()
    yield made
    databases.drop(made)


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Store]:
    """Give it as an open store."""
    database = await open_postgres(url, system_clock)
    yield database
    await database.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Give a server of this test alone, not started yet."""
    server = PostgresServer()
    yield server
    server.remove()
