"""The receive buffer of one connection: bytes a peer has sent and nobody has read yet.

- One reader waits at a time; `feed` has it woken, in turn (`gateway.smtp.scheduling`).
- When more than `HIGH_WATER` bytes are buffered the transport is told to stop reading, until no
  more than `LOW_WATER` are left: whatever a peer sends, we hold that much and one read.
- The end of the stream is reported only after every byte before it was read: a client that
  half-closes right behind its commands gets all its replies.
- `hang_up` makes the reader stop immediately, with the reply to give as the last one.
"""

from __future__ import annotations

import asyncio
import math

from gateway.smtp.replies import Reply
from gateway.smtp.scheduling import SessionQueue, Stage

HIGH_WATER = 128 * 1024
LOW_WATER = 32 * 1024


class HangUp(Exception):
    """The conversation is over; `reply` is the last word, if there is one."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__(reply.text if reply else "connection lost")
        self.reply = reply


class Inbound:
    """The receiving side of one connection; `stage` says how far its message has come."""

    __slots__ = (
        "_chunks",
        "_eof",
        "_hang_up",
        "_loop",
        "_paused",
        "_queue",
        "_queued",
        "_size",
        "_transport",
        "_used",
        "_waiter",
        "deadline",
        "stage",
        "total",
        "waiting_since",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: SessionQueue) -> None:
        self._loop = loop
        self._queue = queue
        self._chunks: list[bytes] = []
        self._used = 0  # so many bytes of the first chunk are no longer here
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._queued = False  # it is woken when its turn comes
        self._transport: asyncio.ReadTransport | None = None
        self._eof = False
        self._paused = False
        self._hang_up: HangUp | None = None
        self.total = 0
        self.deadline = math.inf
        self.waiting_since = 0.0
        self.stage = Stage.NOTHING

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """The transport to pause when too much lies here."""
        self._transport = transport

    def feed(self, chunk: bytes) -> None:
        """Take what the transport received."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self.total += len(chunk)
        # A peer that sends faster than the disk takes it would fill the memory.
        if self._size > HIGH_WATER:
            self._pause()
        self._wake()

    def feed_eof(self) -> None:
        """The peer will send no more."""
        self._eof = True
        self._wake()

    def hang_up(self, reply: Reply | None) -> None:
        """Stop the reader, now or when it next asks."""
        self._hang_up = HangUp(reply)
        self._wake()

    def __len__(self) -> int:
        return self._size

    @property
    def ended(self) -> bool:
        """Whether the peer has ended its stream, though bytes of it may still lie here."""
        return self._eof

    @property
    def waiting(self) -> bool:
        """Whether the reader waits for the peer, and not for its turn."""
        return self._waiter is not None and not self._queued

    def take(self) -> bytes:
        """Everything that lies here; one chunk is handed on as it came, without a copy."""
        self._join()
        taken = self._chunks.pop() if self._chunks else b""
        self._size = 0
        if self._paused:
            self._resume()
        return taken

    def take_line(self, limit: int) -> bytes | None:
        """Return the next line with its LF; None when none is complete and the limit not reached.

        A line longer than `limit` comes back cut after `limit` bytes, without an LF. The bytes
        behind the line are not copied: ten thousand lines in one chunk cost no more than in as
        many.
        """
        if not self._size:
            return None
        end = self._end_of_line(limit)
        if end is None:
            self._join()  # this also lets go of lines that were used
            end = self._end_of_line(limit)
        if end is None:
            return None
        chunk, start = self._chunks[0], self._used
        if end == len(chunk):
            del self._chunks[0]
            self._used = 0
        else:
            self._used = end
        self._size -= end - start
        if self._paused:
            self._resume()
        return chunk[start:end]

    def _end_of_line(self, limit: int) -> int | None:
        """Where the line that the first chunk begins with ends, if it does so there."""
        chunk, start = self._chunks[0], self._used
        end = chunk.find(b"\n", start, start + limit) + 1
        if end:
            return end
        return start + limit if len(chunk) - start >= limit else None

    def _join(self) -> None:
        """Make one chunk of what lies here."""
        chunks = self._chunks
        if self._used:
            chunks[0] = chunks[0][self._used :]
            self._used = 0
        if len(chunks) > 1:
            chunks[:] = [b"".join(chunks)]

    def put_back(self, leftover: bytes) -> None:
        """Return bytes that were taken and belong to whoever reads next."""
        if leftover:
            self._join()
            self._chunks.insert(0, leftover)
            self._size += len(leftover)
            if self._size > HIGH_WATER:
                self._pause()

    async def more(self, seconds: float) -> bool:
        """Wait until there is more than now; False when the peer has ended its stream.

        Raises HangUp when the conversation is over.
        """
        if self._hang_up is not None:
            raise self._hang_up
        if self._eof:
            return False
        self._waiter = self._loop.create_future()
        self._queued = False
        self.waiting_since = self._loop.time()
        self.deadline = self.waiting_since + seconds
        before = self.total
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.deadline = math.inf
        if self._hang_up is not None:
            raise self._hang_up
        # The end of the stream wakes, too: then there is no more.
        return self.total > before

    def _wake(self) -> None:
        if self._waiter is not None and not self._queued:
            self._queued = True
            self.deadline = math.inf  # the peer was in time, however long its turn takes
            self._queue.wake_in_order(self.stage, self._waiter)

    def _pause(self) -> None:
        if not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._size <= LOW_WATER and self._transport:
            self._paused = False
            self._transport.resume_reading()
