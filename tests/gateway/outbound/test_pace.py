"""How letters make room for mail that streams in, and leave all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway import background
from gateway.outbound import pace
from gateway.outbound.pace import Pace
from storage.engines.opening import EMBEDDED
from storage.wakeup import WakeUp
from tests.builders import open_world
from tests.gateway.outbound.test_sending import sending, until
from tests.storage.outbound.queued import enqueued
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.smarthost import recording_smarthost


class Clock:
    """Time that passes when the test says so, in a thread that is busy with `used` of it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.used = 0.0

    def passes(self, seconds: float, *, busy: float) -> None:
        self.now += seconds
        self.used += seconds * busy


def test_mail_is_left_alone_only_while_it_streams_into_a_busy_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    times = SimpleNamespace(monotonic=lambda: clock.now, thread_time=lambda: clock.used)
    monkeypatch.setattr(background, "time", times)
    monkeypatch.setattr(pace, "time", times)
    mail = WakeUp()
    with cases() as case:
        with case("no mail: letter after letter"):
            kept = Pace(mail)
            clock.passes(1, busy=0.9)
            kept.note(8)
            assert kept.wait == 0
        with case("mail that leaves the process idle: the same"):
            clock.passes(1, busy=0.1)
            mail.last_set = clock.now
            kept.note(8)
            assert kept.wait == 0
        with case("what letters themselves use is not counted"):
            kept.note(400)
            clock.passes(1, busy=0.8)
            mail.last_set = clock.now
            kept.note(8)
            assert kept.wait == 0
        with case("a busy process: ten letters a second"):
            clock.passes(1, busy=0.9)
            mail.last_set = clock.now
            kept.note(8)
            waited = 0.0
            while (left := kept.wait) > 0:
                clock.passes(left, busy=0.9)
                mail.last_set = clock.now
                waited += left
            assert 8 / waited == pytest.approx(10, rel=0.1)
        with case("however many leave together, two seconds are the most"):
            kept.note(1000)
            clock.passes(2, busy=0.9)
            mail.last_set = clock.now
            assert kept.wait == 0
        with case("the pause ends with the mail"):
            kept = Pace(mail)
            clock.passes(1, busy=0.9)
            mail.last_set = clock.now
            kept.note(1000)
            assert kept.wait > 0
            clock.passes(1, busy=0.9)
            assert kept.wait == 0


async def test_letters_leave_however_much_mail_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_BUSY", -1e9)  # whatever the process does, it is busy
    monkeypatch.setattr(pace, "_LONGEST_PAUSE", 0.05)
    engine = Engine("sqlite", EMBEDDED, tmp_path)
    async with open_world(engine) as world, recording_smarthost() as host:
        made = [await enqueued(world) for _ in range(6)]
        mail = WakeUp()

        async def streams_in() -> None:
            while True:
                mail.set()
                await asyncio.sleep(0.01)

        streaming = asyncio.create_task(streams_in())
        async with sending(world, host, connections=2, commits=mail):
            for one in made:
                after = await until(world, one, lambda one: one.state == "accepted")
                assert after.attempts == 1
        streaming.cancel()
        assert len(host.taken) == 6
