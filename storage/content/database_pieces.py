"""Large contents in the database, in pieces of 256 KiB that every gateway can read.

- A content is written a few pieces at a time, each time in a transaction of its own, before the
  transaction that names it. So no content is in memory as a whole, and none holds other writers up.
- That transaction finds all pieces there, or nothing is stored (`require_pieces`): pieces that no
  row names are removed after an hour, under the write lock (`storage.content.orphans`).
- Each piece is read in a transaction of its own: a slow reader holds nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial

from storage.content.message_bytes import Content, ContentDamaged
from storage.database import BesideWrites, Reads, Tx
from storage.errors import StoreDamaged
from storage.sql import in_list

SCHEME = "database:"
PIECE = 256 * 1024
# 2 MiB a transaction: deliveries of others wait no longer than for one of these.
_AT_ONCE = 8
_STRAYS = 10


def content_id_of(location: str) -> bytes:
    """The id of a content in the database."""
    return bytes.fromhex(location.removeprefix(SCHEME))


class DatabasePieces:
    """The contents in pieces of one store; without `store` they can only be read."""

    def __init__(self, reader: Reads, store: BesideWrites | None = None) -> None:
        self._reader = reader
        self._store = store

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        """Store a content durably; its location. Raises StoreFull, StoreUnavailable."""
        position = 0
        some: list[bytes] = []
        async for piece in recut(chunks, PIECE):
            some.append(piece)
            if len(some) == _AT_ONCE:
                await self._write(content_id, position, some)
                position, some = position + len(some), []
        if some:
            await self._write(content_id, position, some)
        return f"{SCHEME}{content_id.hex()}"

    async def _write(self, content_id: bytes, first: int, pieces: Sequence[bytes]) -> None:
        rows = [
            {"content_id": content_id, "position": position, "octets": octets}
            for position, octets in enumerate(pieces, first)
        ]
        assert self._store is not None
        await self._store.write_beside(lambda tx: tx.execute_many(_PIECE, rows))

    async def chunks(self, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `end`, a piece at a time.

        Raises ContentDamaged, StoreUnavailable.
        """
        assert content.file is not None
        content_id = content_id_of(content.file)
        while start < end:
            position, skipped = divmod(start, PIECE)
            piece = await self._reader.read(
                partial(_piece, content_id=content_id, position=position)
            )
            if len(piece) != max(0, min(PIECE, content.size - position * PIECE)):
                raise ContentDamaged("a piece of the content is missing or has another length")
            wanted = piece[skipped : skipped + end - start]
            if not wanted:
                raise ContentDamaged("the content is shorter than what is read of it")
            yield wanted
            start += len(wanted)

    async def remove(self, location: str) -> None:
        """Remove a content that no row names any more. Raises StoreUnavailable."""
        assert self._store is not None
        await self._store.write_beside(lambda tx: remove_pieces(tx, [location]))

    async def fault(self, content: Content) -> str | None:
        """See `Elsewhere.fault`."""
        assert content.file is not None
        content_id = content_id_of(content.file)
        try:
            length = await self._reader.read(lambda tx: _length(tx, content_id))
        except StoreDamaged as error:
            return f"the content in the database cannot be read: {error}"
        if length == content.size:
            return None
        return f"the content in the database has {length} bytes, not {content.size}: {content.file}"

    async def strays(self, before: bytes) -> AsyncGenerator[list[str], None]:
        """The contents whose id is below `before`, some at a time, whether a row names them or not.

        They are few at a time, because each may have many pieces.
        """
        after = b""
        while True:
            found = await self._reader.read(partial(_firsts, after=after, before=before))
            if not found:
                return
            after = found[-1]
            yield [f"{SCHEME}{content_id.hex()}" for content_id in found]


async def require_pieces(tx: Tx, content: Content) -> None:
    """Raises ContentDamaged when a content in the database is not there as a whole."""
    assert content.file is not None
    if await _length(tx, content_id_of(content.file)) != content.size:
        raise ContentDamaged("the pieces of the content are gone")


async def remove_pieces(tx: Tx, locations: Sequence[str]) -> None:
    """Remove the pieces of these contents."""
    if locations:
        chosen, names = in_list([content_id_of(location) for location in locations])
        await tx.execute(f"DELETE FROM content_pieces WHERE content_id IN ({chosen})", names)


async def recut(chunks: AsyncIterator[bytes], octets: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in chunks of this length; the last may be shorter."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= octets:
            yield bytes(held[:octets])
            del held[:octets]
    if held:
        yield bytes(held)


async def _piece(tx: Tx, *, content_id: bytes, position: int) -> bytes:
    row = await tx.fetch_one(
        """
        SELECT octets FROM content_pieces
        WHERE content_id = :content_id AND position = :position
        """,
        {"content_id": content_id, "position": position},
    )
    return b"" if row is None else bytes(row["octets"])


async def _length(tx: Tx, content_id: bytes) -> int:
    row = await tx.fetch_one(
        """
        SELECT COALESCE(SUM(LENGTH(octets)), 0) AS size FROM content_pieces
        WHERE content_id = :content_id
        """,
        {"content_id": content_id},
    )
    return int(row["size"]) if row else 0


async def _firsts(tx: Tx, *, after: bytes, before: bytes) -> list[bytes]:
    rows = await tx.fetch_all(_FIRST, {"after": after, "before": before})
    return [bytes(row["content_id"]) for row in rows]


_PIECE = """
    INSERT INTO content_pieces (content_id, position, octets)
    VALUES (:content_id, :position, :octets)
"""
_FIRST = f"""
    SELECT content_id FROM content_pieces
    WHERE position = 0 AND content_id > :after AND content_id < :before
    ORDER BY content_id LIMIT {_STRAYS}
"""
