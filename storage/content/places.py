"""Where the bytes of large contents lie: the location that a row has in `contents.file`.

- `0005f3aa/0005f3aa…` is a file below `content/` in the data directory of the gateway that took it.
- `database:0005f3aa…` stands in the database, in pieces (`storage.content.database_pieces`).
- A location says where its bytes are, whatever the settings say now: a changed setting counts for
  new mail.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from storage.content.database_pieces import SCHEME, DatabasePieces
from storage.content.message_bytes import Content, ContentDirectory, new_content_id
from storage.database import Reads, Store
from storage.errors import StoreDamaged


class Places:
    """All large contents of a store that are not files; see `Elsewhere` for its calls."""

    def __init__(self, pieces: DatabasePieces, *, keep_in: str) -> None:
        self._pieces = pieces
        self._keep_in = keep_in

    @property
    def keeps_new(self) -> bool:
        return self._keep_in != "files"

    def is_new_place(self, location: str) -> bool:
        return location.startswith(SCHEME) and self.keeps_new

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        return await self._pieces.put(content_id, chunks)

    def chunks(self, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        return self._pieces.chunks(content, start, end)

    async def remove(self, location: str) -> None:
        await self._pieces.remove(location)

    async def fault(self, content: Content) -> str | None:
        assert content.file is not None
        try:
            length = await self._pieces.length(content.file)
        except StoreDamaged as error:
            return f"the content in the database cannot be read: {error}"
        if length == content.size:
            return None
        return f"the content in the database has {length} bytes, not {content.size}: {content.file}"

    def strays(self, before: float) -> AsyncGenerator[list[str], None]:
        return self._pieces.strays(new_content_id(int(before * 1_000_000))[:8])


def open_contents(
    data: Path, *, keep_in: str, reader: Reads, store: Store | None = None
) -> ContentDirectory:
    """The contents of a store whose directory is `data`; without `store` they can only be read.

    `keep_in` is where large contents that come are to lie: "files" or "database".
    """
    return ContentDirectory(data, Places(DatabasePieces(reader, store), keep_in=keep_in))
