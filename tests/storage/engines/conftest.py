"""What the tests of the engines share."""

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import PostgresServer


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Give a server of this test alone, not started yet."""
    server = PostgresServer()
    yield server
    server.remove()
