"""Something that needs an event loop, beside a test that has none: it has a thread of its own."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def running_beside(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Run what `make` gives on a loop in a thread, for as long."""
    made: queue.Queue[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        ended = asyncio.Event()
        async with make() as one:
            made.put((one, asyncio.get_running_loop(), ended))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    one, loop, ended = made.get(timeout=10)
    try:
        yield one
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
