"""Where the bytes of large contents lie: the location that a row has in `contents.file`.

- `0005f3aa/0005f3aa…` is a file below `content/` in the data directory of the gateway that took it.
- `database:0005f3aa…` stands in the database, in pieces (`storage.content.database_pieces`).
- `s3://bucket/…/0005f3aa/0005f3aa…?…` is an object (`storage.content.object_store`).
- A location says where its bytes are, whatever the settings say now: a changed setting counts for
  new mail.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from storage.content.database_pieces import SCHEME, DatabasePieces, require_pieces
from storage.content.message_bytes import Content, ContentDirectory, is_file, new_content_id
from storage.content.object_store import (
    Keys,
    Objects,
    Opener,
    open_bucket,
    require_checksums,
)
from storage.database import BesideWrites, Reads, Tx

NO_KEYS = Keys()


class Places:
    """All large contents of a store that are not files; see `Elsewhere` for its calls."""

    def __init__(self, pieces: DatabasePieces, objects: Objects, *, keep_in: str) -> None:
        self._pieces = pieces
        self._objects = objects
        self._keep_in = keep_in

    def _of(self, location: str) -> DatabasePieces | Objects:
        return self._pieces if location.startswith(SCHEME) else self._objects

    @property
    def keeps_new(self) -> bool:
        return self._keep_in != "files"

    def is_new_place(self, location: str) -> bool:
        if self._objects.keeps_new:
            return not location.startswith(SCHEME) and self._objects.is_new_place(location)
        return location.startswith(SCHEME) and self.keeps_new

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        place = self._objects if self._objects.keeps_new else self._pieces
        return await place.put(content_id, chunks)

    def chunks(self, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        return self._of(content.file or "").chunks(content, start, end)

    async def remove(self, location: str) -> None:
        await self._of(location).remove(location)

    async def fault(self, content: Content) -> str | None:
        return await self._of(content.file or "").fault(content)

    async def strays(self, before: float) -> AsyncGenerator[list[str], None]:
        async for some in self._pieces.strays(new_content_id(int(before * 1_000_000))[:8]):
            yield some
        # Only the setting names a bucket to list: orphans in a former bucket stay there.
        if self._objects.keeps_new:
            async for some in self._objects.strays(before):
                yield some


async def require_stored(tx: Tx, content: Content) -> None:
    """Raises ContentDamaged when a large content was removed as an orphan before a row named it."""
    if content.file is None or is_file(content.file):
        return
    if content.file.startswith(SCHEME):
        await require_pieces(tx, content)
    else:
        await require_checksums(tx, content.file)


def open_contents(
    data: Path,
    *,
    keep_in: str,
    reader: Reads,
    store: BesideWrites | None = None,
    keys: Keys = NO_KEYS,
    opener: Opener = open_bucket,
) -> ContentDirectory:
    """The contents of a store whose directory is `data`; without `store` they can only be read.

    `keep_in` is where large contents that come are to lie: "files", "database", or the URL of a
    bucket, to which `keys` belong.
    """
    objects = Objects(reader, store, root=keep_in, keys=keys, opener=opener)
    return ContentDirectory(data, Places(DatabasePieces(reader, store), objects, keep_in=keep_in))
