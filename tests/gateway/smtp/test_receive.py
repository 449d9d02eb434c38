"""The content of one message: kept whole, in few pieces, and nothing left behind."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from config.settings import Settings
from gateway.reservations import Reservations
from gateway.smtp import replies
from gateway.smtp.admission import Space
from gateway.smtp.connection import Connection
from gateway.smtp.input_buffer import HangUp, Inbound
from gateway.smtp.receive import IN_MEMORY, Received, receive
from gateway.smtp.replies import Reply
from gateway.smtp.scheduling import SessionQueue
from storage.content.message_bytes import ContentDirectory
from storage.errors import StoreFull

WRITTEN_OUT = 2 * 1024 * 1024  # so much is written before the end has come

Receive = Callable[[Iterable[bytes]], Coroutine[Any, Any, Received | Reply]]


class Peer:
    """The part of a connection that content comes from; `pause` seconds before each chunk."""

    pause = 0.0

    def __init__(self, chunks: Iterable[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self.inbound = Inbound(loop, SessionQueue(loop))
        self._chunks = iter(chunks)

    async def read_chunk(self, seconds: float) -> bytes:
        await asyncio.sleep(self.pause)
        return next(self._chunks)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path, size_limit=1000, reservations=Reservations(1))


@pytest.fixture
def take(tmp_path: Path, space: Space) -> Receive:
    """Give what receives the content that is cut into these chunks."""
    contents = ContentDirectory(tmp_path)
    contents.prepare()

    def work(chunks: Iterable[bytes]) -> Coroutine[Any, Any, Received | Reply]:
        peer = cast(Connection, Peer(chunks))
        return receive(peer, Settings(), contents, space, lambda: 1_800_000_000_000_000)

    return work


def spooled(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "spool").iterdir())


async def test_content_in_thousands_of_pieces_is_kept_whole(take: Receive, tmp_path: Path) -> None:
    line = b"A line as a client without a buffer sends it: one write, one packet.\r\n"
    count = 3 * IN_MEMORY // len(line)

    received = await take([*[line] * count, b".\r\n"])

    assert isinstance(received, Received)
    assert received.spool is not None
    assert received.spool.path.read_bytes() == line * count
    received.discard()
    assert spooled(tmp_path) == []


async def test_large_contents_of_one_time_share_a_directory(
    take: Receive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("storage.content.message_bytes.sync_directory", synced.append)
    contents = ContentDirectory(tmp_path)
    for _ in range(2):
        received = await take([b"x" * (IN_MEMORY + 1), b"\r\n.\r\n"])
        assert isinstance(received, Received)
        assert received.spool is not None
        contents.place([received.spool])

    (shared,) = contents.files.iterdir()
    assert len(list(shared.iterdir())) == 2
    assert synced == [shared, contents.files, shared]


async def test_a_full_disk_is_told_after_the_end_of_data(
    take: Receive, tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", no_space)
    chunks = iter([b"x" * WRITTEN_OUT, b"y" * WRITTEN_OUT, b"\r\n.\r\n"])

    with pytest.raises(StoreFull):
        await take(chunks)

    assert list(chunks) == []
    assert spooled(tmp_path) == []
    assert space.held == 0


async def test_a_fault_within_content_ends_the_session(
    take: Receive, tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(os, "write", fault)

    with pytest.raises(HangUp) as over:
        await take([b"x" * WRITTEN_OUT, b"\r\nMAIL FROM:<>\r\n", b".\r\n"])

    assert over.value.reply is replies.FAULT_CLOSING
    assert spooled(tmp_path) == []
    assert space.held == 0


async def test_content_below_the_floor_is_given_up(
    take: Receive, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 octets a second, over a minute, which is a twentieth of a second here."""
    monkeypatch.setattr("gateway.smtp.receive._FLOOR_WINDOW", 0.05)
    monkeypatch.setattr(Peer, "pause", 0.02)

    with pytest.raises(HangUp) as over:
        await take([*[b"x"] * 100, b"\r\n.\r\n"])
    steady = await take([*[b"x" * 1000] * 5, b"\r\n.\r\n"])

    assert over.value.reply is replies.TOO_SLOW
    assert isinstance(steady, Received)
    assert space.held == 0


async def test_a_slow_disk_is_no_fault_of_the_client(
    take: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.smtp.receive._FLOOR_WINDOW", 0.05)
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        time.sleep(0.1)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)

    received = await take([b"x" * WRITTEN_OUT, b"y" * WRITTEN_OUT, b"z", b"\r\n.\r\n"])

    assert isinstance(received, Received)
    received.discard()


async def test_what_drips_for_hours_is_not_taken_for_abandoned(
    take: Receive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.smtp.receive._WRITE_SECONDS", 0.0)
    contents = ContentDirectory(tmp_path)

    def drip() -> Iterator[bytes]:
        yield b"x" * WRITTEN_OUT
        for _ in range(3):
            (spool,) = spooled(tmp_path)
            os.utime(spool, (0, 0))  # hours later
            yield b"a few bytes more"
            assert contents.abandoned(now=time.time()) == []
        yield b"\r\n.\r\n"

    received = await take(drip())

    assert isinstance(received, Received)
    received.discard()


async def test_who_is_cancelled_within_a_write_leaves_nothing_behind(
    take: Receive, tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, write = threading.Event(), threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        begun.set()
        go_on.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    taking = asyncio.create_task(take([b"x" * WRITTEN_OUT, b"\r\n.\r\n"]))
    await asyncio.to_thread(begun.wait, 10)
    taking.cancel()
    asyncio.get_running_loop().run_in_executor(None, go_on.set)

    with pytest.raises(asyncio.CancelledError):
        await taking

    assert spooled(tmp_path) == []
    assert space.held == 0
