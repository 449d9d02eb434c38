"""Kill -9 while letters are sent: none is lost; one that comes twice is equal to the byte."""

import asyncio
import contextlib
import hashlib
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.clock import DAY, SECOND
from storage.content.message_bytes import Content
from storage.database import Tx
from storage.engines.opening import EMBEDDED
from storage.outbound import letters
from tests.builders import World, open_world
from tests.storage.outbound.queued import new_letter
from tests.support.engines import Engine
from tests.support.sending_process import send_until_killed
from tests.support.smarthost import RecordingSmarthost, recording_smarthost

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.sending_process"])
KILLS_LETTERS = 3


@contextlib.contextmanager
def smarthost_in_a_thread(seed: int) -> Iterator[RecordingSmarthost]:
    """A smarthost that takes its time before it answers the dot."""
    made: list[RecordingSmarthost] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with recording_smarthost() as host:
            host.slow = random.Random(seed)
            made.append(host)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield made[0]
    finally:
        stop.set()
        thread.join(20)


async def enqueue(world: World, count: int) -> dict[bytes, bytes]:
    """Queue letters; the octets of each, by its id."""
    made: dict[bytes, bytes] = {}

    async def one(tx: Tx) -> None:
        message_id, thread_id = tx.new_id(), tx.new_id()
        body = b"Subject: %s\r\n\r\nHello\r\n" % message_id.hex().encode()
        letter = replace(
            new_letter(world, message_id, thread_id),
            header_message_id=f"{message_id.hex()}@example.test",
            references=(),
            content=Content(hashlib.sha256(body).digest(), len(body), body, None),
        )
        now = world.clock()
        await letters.enqueue(tx, letter, send_at=now, expires_at=now + DAY, now=now)
        made[message_id] = body

    for _ in range(count):
        await world.database.write(one)
    return made


async def states(world: World, ids: list[bytes]) -> Counter[str]:
    found = await world.database.read(
        lambda tx: letters.letters_of(tx, tenant_id=world.tenant_id, message_ids=ids)
    )
    return Counter(one.state for one in found.values())


async def kill_rounds(data: Path, *, rounds: int, seed: int, ask: bool) -> None:
    """Kill the process that sends, again and again, and count afterwards."""
    moments = random.Random(seed)
    engine = Engine("sqlite", EMBEDDED, data)
    async with open_world(engine) as world:
        with smarthost_in_a_thread(seed) as host:
            made = await enqueue(world, rounds * KILLS_LETTERS)
            base = world.clock()
            for number in range(rounds + 1):
                base += 4 * SECOND  # longer than a lease
                process = CONTEXT.Process(
                    target=send_until_killed, args=(str(data), host.port, base, ask)
                )
                process.start()
                try:
                    if number < rounds:
                        before = len(host.dots)
                        await first_dot(host, before)
                        await asyncio.sleep(moments.uniform(0, 0.02))
                    else:
                        await all_settled(world, [*made], ask=ask)
                finally:
                    process.kill()
                    process.join()
            found = Counter(one.octets for one in host.dots)
            assert set(found) <= set(made.values()), "a letter was changed on its way"
            after = await states(world, [*made])
            if ask:
                assert max(found.values()) == 1, "a letter came twice"
                assert set(after) <= {"accepted", "unknown"}, after
                assert after["accepted"] <= len(found)
            else:
                assert set(found) == set(made.values()), "a letter was lost"
                assert set(after) == {"accepted"}, after
                doubled = sum(found.values()) - len(found)
                assert doubled <= rounds * 3, "more came twice than were under way at a kill"


async def first_dot(host: RecordingSmarthost, before: int) -> None:
    """Wait until the process has begun to send, or has nothing to send any more."""
    deadline = time.monotonic() + 1.5
    while len(host.dots) == before and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def all_settled(world: World, ids: list[bytes], *, ask: bool) -> None:
    """Wait until each letter has come to an end; a minute without one more is too long."""
    done = {"accepted", "unknown"} if ask else {"accepted"}
    left = len(ids)
    while left:
        async with asyncio.timeout(60):
            while (now := await open_ones(world, ids, done)) == left:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        left = now


async def open_ones(world: World, ids: list[bytes], done: set[str]) -> int:
    found = await states(world, ids)
    return sum(count for state, count in found.items() if state not in done)


@pytest.mark.parametrize("ask", [False, True], ids=["retry", "ask"])
async def test_a_kill_loses_no_letter(tmp_path: Path, *, ask: bool) -> None:
    await kill_rounds(tmp_path, rounds=13, seed=1, ask=ask)


@pytest.mark.soak
@pytest.mark.parametrize("ask", [False, True], ids=["retry", "ask"])
async def test_a_thousand_kills_lose_no_letter(tmp_path: Path, *, ask: bool) -> None:
    await kill_rounds(tmp_path, rounds=500, seed=2, ask=ask)
