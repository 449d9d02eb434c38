"""How long work leaves the store to the mail: while it streams in, and no longer."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.background import leave_to_mail, streams_in
from storage.wakeup import WakeUp

STREAMING = 0.1


@pytest.fixture(autouse=True)
def soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.background._STREAMING_SECONDS", STREAMING)


async def waited(commits: WakeUp, seconds: float) -> float:
    began = time.monotonic()
    await leave_to_mail(commits, seconds)
    return time.monotonic() - began


async def test_without_mail_nothing_is_left_to_it() -> None:
    commits = WakeUp()
    assert not streams_in(commits)
    assert await waited(commits, 60) < 30


async def test_while_mail_streams_in_the_whole_time_is_left_to_it() -> None:
    commits = WakeUp()

    async def stream() -> None:
        while True:
            commits.set()
            await asyncio.sleep(STREAMING / 10)

    streaming = asyncio.create_task(stream())
    try:
        await asyncio.sleep(0)
        assert streams_in(commits)
        assert await waited(commits, 3.5 * STREAMING) >= 3.5 * STREAMING
    finally:
        streaming.cancel()


async def test_the_rest_of_the_time_is_not_waited_for_when_the_mail_ends() -> None:
    commits = WakeUp()
    commits.set()
    assert STREAMING / 2 < await waited(commits, 60) < 30
