"""The OpenAPI document takes seconds to make: nobody else waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

import admin_api.app
from tests.builders import open_world
from tests.support.engines import Engine
from tests.support.patience import HANG_SECONDS


async def test_others_have_their_turn_while_the_document_is_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, turns_taken = list[bool](), threading.Event()

    def slow() -> bytes:
        making.append(True)
        assert len(making) == 1, "made twice at a time"
        assert turns_taken.wait(HANG_SECONDS), "nobody else has a turn"
        making.pop()
        return b"{}"

    monkeypatch.setattr(admin_api.app, "_document", slow)
    async with open_world(engine) as world, world.client() as api:
        asked = [asyncio.create_task(api.get("/v1/openapi.json")) for _ in range(3)]
        while not making:  # noqa: ASYNC110  # it is made in a thread
            await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert making
        turns_taken.set()
        assert [(await one).status_code for one in asked] == [200] * 3
