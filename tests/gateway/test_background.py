"""How long work leaves the store to the mail: while it streams in, and no longer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateway import background
from gateway.background import leave_to_mail, streams_in
from storage.wakeup import WakeUp

STREAMING = background._STREAMING_SECONDS


class Stream:
    """A clock that passes while others sleep, and mail that comes until `ends`."""

    def __init__(self, ends: float) -> None:
        self.now = 1000.0
        self.ends = self.now + ends
        self.commits = WakeUp()
        self.pass_by(0)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.commits.last_set = min(self.now, self.ends)

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)


async def waited(stream: Stream, seconds: float, patch: pytest.MonkeyPatch) -> float:
    patch.setattr(background, "time", SimpleNamespace(monotonic=lambda: stream.now))
    patch.setattr(background, "asyncio", SimpleNamespace(sleep=stream.sleep))
    began = stream.now
    await leave_to_mail(stream.commits, seconds)
    return stream.now - began


async def test_without_mail_nothing_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not streams_in(WakeUp())
    assert await waited(Stream(ends=-1.0), 60, monkeypatch) == 0


async def test_while_mail_streams_in_the_whole_time_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = 3.5 * STREAMING
    assert await waited(Stream(ends=60), seconds, monkeypatch) == pytest.approx(seconds)


async def test_the_rest_of_the_time_is_not_waited_for_when_the_mail_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    took = await waited(Stream(ends=STREAMING), 60, monkeypatch)
    assert STREAMING <= took <= 3 * STREAMING
