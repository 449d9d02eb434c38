"""Who is served first, and that everybody is."""

from __future__ import annotations

import asyncio
import math
from itertools import count

from gateway.smtp.input_buffer import Inbound
from gateway.smtp.scheduling import SessionQueue, Stage


class Room:
    """Those who wait for a turn, and the order in which they got it."""

    def __init__(self, *, by_stage: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        self.turns = SessionQueue(self.loop, by_stage=by_stage)
        self.served: list[str] = []
        self._waiting: list[asyncio.Task[None]] = []

    def take(self, name: str, stage: Stage) -> asyncio.Task[None]:
        """Wait for a turn under that name."""
        waiter: asyncio.Future[None] = self.loop.create_future()

        async def wait() -> None:
            await waiter
            self.served.append(name)

        task = self.loop.create_task(wait())
        self.turns.wake_in_order(stage, waiter)
        self._waiting.append(task)
        return task

    async def until_all_are_served(self) -> None:
        await asyncio.gather(*self._waiting, return_exceptions=True)


async def test_whoever_is_nearest_to_the_end_of_its_message_goes_first() -> None:
    room = Room()
    for name, stage in (
        ("begins", Stage.NOTHING),
        ("has named its sender", Stage.SENDER_KNOWN),
        ("has named a recipient", Stage.RECIPIENT_KNOWN),
        ("sends content", Stage.CONTENT),
        ("sends content as well", Stage.CONTENT),
    ):
        room.take(name, stage)

    await room.until_all_are_served()

    assert room.served == [
        "sends content",
        "sends content as well",
        "has named a recipient",
        "has named its sender",
        "begins",
    ]


async def test_who_comes_meanwhile_may_go_before_who_waits() -> None:
    room = Room()
    first, *_ = [room.take(f"begins {number}", Stage.NOTHING) for number in range(3)]
    await first

    room.take("content", Stage.CONTENT)
    await room.until_all_are_served()

    assert room.served.index("content") < room.served.index("begins 2")


async def test_nobody_is_passed_by_for_ever() -> None:
    room = Room()
    last = room.take("begins", Stage.NOTHING)
    passed = 0
    for number in count():
        if last.done() or number > 10_000:
            break
        room.take("content", Stage.CONTENT)
        passed += 1
        await asyncio.sleep(0)

    assert last.done()
    assert 100 < passed < 1000
    await room.until_all_are_served()


async def test_who_has_gone_away_takes_no_turn() -> None:
    room = Room()
    gone = room.take("gone", Stage.CONTENT)
    room.take("begins", Stage.NOTHING)
    await asyncio.sleep(0)
    gone.cancel()

    await room.until_all_are_served()

    assert room.served == ["begins"]


async def test_where_the_process_writes_as_well_they_are_served_as_they_come() -> None:
    room = Room(by_stage=False)
    gone = room.take("gone", Stage.CONTENT)
    gone.cancel()
    room.take("begins", Stage.NOTHING)
    room.take("sends content", Stage.CONTENT)

    await room.until_all_are_served()

    assert room.served == ["begins", "sends content"]


async def test_one_who_sends_in_small_pieces_takes_no_more_turns_than_another() -> None:
    """Nor is it idle while it waits for its turn, however long that takes."""
    loop = asyncio.get_running_loop()
    turns = SessionQueue(loop)
    talkers = [Inbound(loop, turns) for _ in range(20)]
    for talker in talkers:
        talker.stage = Stage.CONTENT
    reading = [loop.create_task(talker.more(1)) for talker in talkers]
    quiet = Inbound(loop, turns)
    waiting = loop.create_task(quiet.more(1))
    await asyncio.sleep(0)
    for talker in talkers:
        for _ in range(100):
            talker.feed(b"x")
    quiet.feed(b"QUIT\r\n")
    assert quiet.deadline == math.inf
    assert not quiet.waiting

    for _ in range(2 * len(talkers)):
        await asyncio.sleep(0)

    assert waiting.done()
    assert all(await asyncio.gather(*reading))
