"""A client that hangs up while its call runs: long work has an end with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.types import Receive


@contextlib.asynccontextmanager
async def watching(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done when the client is gone; the body must have been read before."""
    watch = asyncio.create_task(_hang_up(receive))
    try:
        yield watch
    finally:
        watch.cancel()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
