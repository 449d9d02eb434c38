"""A world for a test: real store, real ASGI, a real DNS server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from config.values import Endpoint
from tests.admin_api.test_routes import ids
from tests.builders import World, open_world
from tests.support.dns_server import DnsServer, open_dns_server
from tests.support.engines import Engine, Engines


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """A DNS server without any record, which the world asks."""
    async with open_dns_server() as server:
        yield server


@pytest.fixture
async def world(engine: Engine, dns: DnsServer) -> AsyncIterator[World]:
    """Two tenants with people, addresses and credentials; limits that no test reaches by chance."""
    async with _open(engine, dns) as made:
        yield made


@pytest.fixture(scope="session")
def furnished_world(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, World]]:
    """One world of this test process that has something of each kind; it is closed."""

    async def furnish(engine: Engine) -> World:
        async with open_world(engine) as made:
            made.one_of_each = {own: await ids(made, own=own) for own in (True, False)}
        return made

    with engines(tmp_path_factory.mktemp("furnished")) as engine:
        with ThreadPoolExecutor(1) as thread:  # the test's own loop may be set, and stays so
            made = thread.submit(asyncio.run, furnish(engine)).result()
        yield engine, made


@pytest.fixture
async def furnished(
    engines: Engines, furnished_world: tuple[Engine, World], tmp_path: Path, dns: DnsServer
) -> AsyncIterator[World]:
    """A world in which each kind of thing is there: a copy, as making it takes a dozen calls."""
    template, like = furnished_world
    with engines(tmp_path, template) as engine:
        async with _open(engine, dns, like) as made:
            yield made


def _open(
    engine: Engine, dns: DnsServer, like: World | None = None
) -> AbstractAsyncContextManager[World]:
    return open_world(
        engine,
        like=like,
        login_rate_per_minute=1000,
        hostname="mx.postroom.test",
        dns_server=Endpoint("127.0.0.1", dns.port),
        smarthost=Endpoint("127.0.0.1", 1),  # nothing is sent from here
    )
