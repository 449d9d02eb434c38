"""A world for a test: real store, real ASGI."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two tenants with people, addresses and credentials; limits that no test reaches by chance."""
    async with open_world(tmp_path, login_rate_per_minute=1000) as made:
        yield made
