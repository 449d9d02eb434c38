"""A world for a test: real store, real ASGI, a real DNS server."""

from collections.abc import AsyncIterator

import pytest

from config.values import Endpoint
from tests.builders import World, open_world
from tests.support.dns_server import DnsServer, open_dns_server
from tests.support.engines import Engine


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """A DNS server without any record, which the world asks."""
    async with open_dns_server() as server:
        yield server


@pytest.fixture
async def world(engine: Engine, dns: DnsServer) -> AsyncIterator[World]:
    """Two tenants with people, addresses and credentials; limits that no test reaches by chance."""
    async with open_world(
        engine,
        login_rate_per_minute=1000,
        hostname="mx.postroom.test",
        dns_server=Endpoint("127.0.0.1", dns.port),
    ) as made:
        yield made
