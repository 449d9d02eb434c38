"""What the watch of the storage tells, and when it ends the process."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import pytest

from gateway.jobs.storage_watch import watch_storage
from gateway.server.lifecycle import Stopping
from storage.content.message_bytes import ContentDirectory
from storage.database import Store, StoreFault

AWAY = StoreFault("the data directory is not where it was", lasting=False)
BROKEN = StoreFault("the log could not be synced", lasting=True)


@dataclass
class FailingStore:
    """A store with these faults, one after the other, then none."""

    faults: Iterator[StoreFault | None]
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def fault(self) -> StoreFault | None:
        try:
            return next(self.faults)
        except StopIteration:
            self.asked.set()
            return None


async def told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *faults: StoreFault | None
) -> tuple[list[tuple[str, str]], int]:
    """Watch through these faults; level and word of each line, and how often it had failed."""
    contents = ContentDirectory(tmp_path)
    contents.prepare()
    store, failures = FailingStore(iter(faults)), []
    with caplog.at_level(logging.WARNING):
        watching = asyncio.create_task(
            watch_storage(cast(Store, store), contents, lambda: failures.append(1), interval=0.001)
        )
        async with asyncio.timeout(10):
            await store.asked.wait()
        watching.cancel()
    lines = [
        (record.levelname, record.getMessage().split()[0])
        for record in caplog.records
        if "storage_" in record.getMessage()
    ]
    return lines, len(failures)


async def test_a_fault_that_passes_is_told_once_and_so_is_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines, failures = await told(tmp_path, caplog, None, AWAY, AWAY, None, None)

    assert lines == [("ERROR", "storage_away"), ("WARNING", "storage_back")]
    assert failures == 0


async def test_a_lasting_fault_ends_the_process_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines, failures = await told(tmp_path, caplog, BROKEN, BROKEN)

    assert lines[0] == ("ERROR", "storage_failed")
    assert failures == 1


async def test_a_failure_forces_the_end_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: SimpleQueue[int] = SimpleQueue()
    monkeypatch.setattr("gateway.server.lifecycle._FORCE_SECONDS", 0.01)
    monkeypatch.setattr("gateway.server.lifecycle._END_SECONDS", 0.05)
    monkeypatch.setattr("gateway.server.lifecycle.end_process", ends.put)
    stopping, forced = Stopping(), asyncio.Event()
    stopping.on_force = forced.set

    stopping.fail()

    assert stopping.requested.is_set() and stopping.failed
    async with asyncio.timeout(5):
        await forced.wait()
    assert await asyncio.to_thread(ends.get, timeout=5) == 1
