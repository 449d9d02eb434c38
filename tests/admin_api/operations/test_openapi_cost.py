"""The OpenAPI document takes seconds to make: nobody else waits for it."""

from __future__ import annotations

import asyncio
import time

import pytest

import admin_api.app
from tests.builders import open_world
from tests.support.engines import Engine


async def test_others_have_their_turn_while_the_document_is_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    making: list[bool] = []

    def slow() -> bytes:
        making.append(True)
        assert len(making) == 1, "made twice at a time"
        time.sleep(0.2)
        making.pop()
        return b"{}"

    monkeypatch.setattr(admin_api.app, "_document", slow)
    async with open_world(engine) as world, world.client() as api:
        asked = [asyncio.create_task(api.get("/v1/openapi.json")) for _ in range(3)]
        turns = 0
        while not all(one.done() for one in asked):
            await asyncio.sleep(0.01)
            turns += 1
    assert [one.result().status_code for one in asked] == [200] * 3
    assert turns > 20
