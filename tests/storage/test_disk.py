"""Where work on the disk is done, as its speed changes."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from storage.disk import Disk

SLOW = 0.3


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that sleeps for no time be slow, whatever runs beside it."""
    monkeypatch.setattr("storage.disk._QUICK_SECONDS", SLOW)


async def test_slow_work_is_followed_by_work_in_a_thread_until_enough_is_quick() -> None:
    disk, here = Disk(), threading.get_ident()

    def work(seconds: float) -> bool:
        time.sleep(seconds)
        return threading.get_ident() == here

    lasts = (0.0, SLOW, 0.0, SLOW, 0.0)
    done_here = [await disk.run(partial(work, seconds)) for seconds in lasts]
    assert done_here == [True, True, False, False, False]

    for _ in range(1000):
        if disk.is_quick:
            break
        await disk.run(partial(work, 0))
    assert await disk.run(partial(work, 0))


@pytest.mark.parametrize("quick", [True, False])
async def test_a_fault_comes_to_who_asked_for_the_work(quick: bool) -> None:
    disk = Disk()
    if not quick:
        disk.timed(partial(time.sleep, SLOW))
    assert disk.is_quick is quick

    def fail() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await disk.run(fail)
