"""Garbage in circles is collected by the job, and only by it, while it runs."""

import asyncio
import contextlib
import gc
import weakref

from gateway.jobs.garbage import collecting
from storage.wakeup import WakeUp

LATER = 20.0


class Node:
    def __init__(self) -> None:
        self.itself = self


async def test_old_circles_are_collected_and_the_interpreter_goes_on_afterwards() -> None:
    before = gc.get_threshold()
    node = Node()
    gone = weakref.ref(node)
    gc.collect()  # now it is old
    job = asyncio.create_task(collecting(WakeUp(), interval=0.01, patience=0.01))
    del node
    async with asyncio.timeout(LATER):
        while gone() is not None:
            gc.collect(0)
            await asyncio.sleep(0.01)
    assert gc.get_threshold()[2] > 1000 * before[2]
    job.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await job
    assert gc.get_threshold() == before
