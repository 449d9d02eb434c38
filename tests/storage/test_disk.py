"""Where work on the disk is best done, as its speed changes."""

from __future__ import annotations

import time
from functools import partial

import pytest

from storage.disk import Disk

SLOW = 0.3


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that sleeps for no time be slow, whatever runs beside it."""
    monkeypatch.setattr("storage.disk._QUICK_SECONDS", SLOW)


def test_slow_work_counts_until_enough_was_quick() -> None:
    disk = Disk()
    seen = [disk.is_quick]
    for seconds in (0.0, SLOW, 0.0, SLOW, 0.0):
        disk.timed(partial(time.sleep, seconds))
        seen.append(disk.is_quick)
    assert seen == [True, True, False, False, False, False]

    for _ in range(1000):
        if disk.is_quick:
            break
        disk.timed(partial(time.sleep, 0))
    assert disk.is_quick


def test_work_that_fails_is_timed_as_well() -> None:
    def fail() -> None:
        time.sleep(SLOW)
        raise OSError("no space")

    disk = Disk()
    with pytest.raises(OSError, match="no space"):
        disk.timed(fail)
    assert not disk.is_quick
