"""Receiving the content of one message, from the wire to memory or a spool file.

- Counted first, stored after: over the limit nothing is stored, and at most the limit again is
  read.
- Up to 256 KiB stay in memory; a longer content goes to a spool file, in few and large writes, in
  threads, and is on stable storage when `receive` returns.
- SHA-256 and the header are taken on the way; the bytes are never touched again.
- The rest of a content is never read as commands: a fault before its end closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from hashlib import sha256

from config.settings import Settings
from gateway.message.data_reader import DataReader
from gateway.smtp import replies
from gateway.smtp.admission import Claim, Space
from gateway.smtp.connection import Connection
from gateway.smtp.input_buffer import HangUp
from gateway.smtp.replies import Reply
from storage.clock import Clock
from storage.content.message_bytes import (
    Content,
    ContentDirectory,
    SpoolFile,
    content_name,
    new_content_id,
)
from storage.errors import StoreUnavailable

logger = logging.getLogger(__name__)

IN_MEMORY = 256 * 1024
HEAD = 100 * 1024
_WRITE_FROM = 1536 * 1024  # most large contents are shorter: one write, one hop into a thread
_WRITE_SECONDS = 300.0  # a spool file that is not written to for an hour counts as abandoned
_FLOOR_WINDOW = 60.0
# Many tiny pieces cost far more than their bytes.
_MOST_PARTS = 512


@dataclass(frozen=True, slots=True)
class Received:
    """A whole content. `head` is its beginning, for the header scan; `spool` when it is in a file.

    The taker of a Received discards or places its spool file.
    """

    content: Content
    head: bytes
    spool: SpoolFile | None

    def discard(self) -> None:
        """Leave nothing behind of a content that will not be stored."""
        if self.spool is not None:
            self.spool.discard()


async def receive(
    connection: Connection,
    settings: Settings,
    contents: ContentDirectory,
    space: Space,
    clock: Clock,
    *,
    claim: Claim | None = None,
) -> Received | Reply:
    """Read up to the end of data; the content, or the reply that refuses it.

    `claim` is the space that was reserved for it. Raises HangUp; after the end of data StoreFull,
    StoreUnavailable. Nothing is left behind then.
    """
    keeper = _Keeper(contents, space, clock, claim)
    try:
        reply = await _read(connection, settings, keeper)
        if reply is not None:
            keeper.discard()
            return reply
        return await keeper.finish()
    except (HangUp, StoreUnavailable, asyncio.CancelledError):
        keeper.discard()
        raise
    except Exception as error:  # a bug, or no memory: the rest of the content is no command
        logger.exception("fault within content")
        keeper.discard()
        raise HangUp(replies.FAULT_CLOSING) from error
    finally:
        space.held -= keeper.held


async def _read(connection: Connection, settings: Settings, keeper: _Keeper) -> Reply | None:
    reader = DataReader(track_bare=settings.bare_newline == "reject")
    pace = _Pace(settings.data_floor)
    limit = settings.size_limit
    fault: StoreUnavailable | None = None
    while not reader.done:
        pace.wait()
        chunk = await connection.read_chunk(settings.data_timeout)
        pace.check(len(chunk))
        content = reader.feed(chunk)
        del chunk  # its raw form is not needed while the content is written
        # Up to here the 552 comes behind the dot; a client that goes on is cut off.
        if reader.received > 2 * limit:
            return replies.TOO_LARGE_CLOSING
        if reader.received <= limit and fault is None:
            try:
                await keeper.keep(content)
            except StoreUnavailable as error:
                fault = error  # answered at the end of data: before it the peer does not read
    # Commands pipelined behind the dot: they are served after its reply.
    connection.inbound.put_back(reader.leftover)
    # Before a fault of ours: no retry makes a message smaller.
    if reader.received > limit:
        return replies.TOO_LARGE_CLOSING
    if fault is not None:
        raise fault
    if reader.smuggling:
        return replies.BARE_DOT_LINE
    return replies.BARE_NEWLINE if reader.bare_newlines else None


class _Pace:
    """The least speed at which content must come, averaged over a minute of waiting for it.

    While it is our disk that is slow, the clock stands still.
    """

    __slots__ = ("_bytes", "_clock", "_floor", "_since", "_waited")

    def __init__(self, floor: int) -> None:
        self._floor = floor
        self._clock = asyncio.get_running_loop().time
        self._since = self._waited = 0.0
        self._bytes = 0

    def wait(self) -> None:
        self._since = self._clock()

    def check(self, received: int) -> None:
        self._bytes += received
        self._waited += self._clock() - self._since
        if self._waited < _FLOOR_WINDOW:
            return
        if self._bytes < self._floor * self._waited:
            raise HangUp(replies.TOO_SLOW)
        self._waited = 0.0
        self._bytes = 0


class _Keeper:
    """Keeps what arrives: in memory, then in a spool file."""

    __slots__ = ("_claim", "_clock", "_contents", "_digest", "_head", "_parts", "_pending", "_size",
                 "_space", "_spool", "_time", "_written_at", "held")  # fmt: skip

    def __init__(
        self, contents: ContentDirectory, space: Space, clock: Clock, claim: Claim | None
    ) -> None:
        self._claim = claim
        self._clock = clock
        self._contents = contents
        self._space = space
        self._digest = sha256()
        self._head = b""
        self._parts: list[bytes] = []
        self._pending = 0
        self._size = 0
        self._spool: SpoolFile | None = None
        self._time = asyncio.get_running_loop().time
        self._written_at = 0.0
        self.held = 0

    async def keep(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._claim is not None:
            self._claim.cover(self._size + len(chunk))
        self._digest.update(chunk)
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        self._size += len(chunk)
        self._parts.append(chunk)
        self._pending += len(chunk)
        self.held += len(chunk)
        self._space.held += len(chunk)
        if len(self._parts) > _MOST_PARTS:
            self._parts = [b"".join(self._parts)]
        if self._pending > _WRITE_FROM or not self._space.may_hold() or self._is_due():
            await self._write_out()

    def _is_due(self) -> bool:
        return self._spool is not None and self._time() - self._written_at > _WRITE_SECONDS

    async def _write_out(self) -> None:
        parts, self._parts = self._parts, []
        await asyncio.to_thread(self._the_spool().write, parts)
        self._written_at = self._time()
        self._note_written(self._pending)
        self._space.held -= self._pending
        self.held -= self._pending
        self._pending = 0

    def _note_written(self, octets: int) -> None:
        if self._claim is not None:
            self._claim.written(octets)

    def _the_spool(self) -> SpoolFile:
        if self._spool is None:
            self._spool = self._contents.new_spool(new_content_id(self._clock()))
        return self._spool

    async def finish(self) -> Received:
        digest = self._digest.digest()
        if self._spool is None and self._size <= IN_MEMORY:
            body = b"".join(self._parts)
            return Received(Content(digest, self._size, body, None), self._head, None)
        spool = self._the_spool()
        await asyncio.to_thread(spool.finish, self._parts)
        self._note_written(self._pending)
        content = Content(digest, self._size, None, content_name(spool.path.name))
        return Received(content, self._head, spool)

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()
