"""Message content, stored once: small ones in the database, large ones in files.

- Bytes are stored as they came: they are never rewritten, and a file is written once.
- A large content is spooled while it arrives and becomes the content file by a rename; the file and
  its directory are on stable storage before the transaction that names it commits.
- A file is named by a content id, never by a value of the sender, and never shared between
  transactions or tenants. Its SHA-256 is stored beside its name.
- A file without a row is an orphan of a crash: it can never be a lost message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from storage.content.direct_file import DirectFile
from storage.database import StoreFault, Tx
from storage.disk import sync_directory
from storage.errors import NotFound, StorageError, StoreFull, StoreUnavailable, kind_of

_CHUNK = 256 * 1024
_ABANDONED_SECONDS = 3600.0


class Content(NamedTuple):
    """Where the bytes of one message are: exactly one of `body` and `file` is there."""

    sha256: bytes
    size: int
    body: bytes | None
    file: str | None


class ContentDamaged(StorageError):
    """The file of a content is missing or shorter than its record says."""


class ContentDirectory:
    """The part of the data directory that holds large contents and what is still arriving."""

    __slots__ = ("_lasting", "files", "spool")

    def __init__(self, data: Path) -> None:
        self.files = data / "content"
        self.spool = data / "spool"
        self._lasting: set[Path] = set()

    def prepare(self) -> None:
        """Make the directories, on stable storage. Raises StoreUnavailable."""
        with _translating():
            for directory in (self.files, self.spool):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self.files.parent)

    def fault(self) -> StoreFault | None:
        """The present fault of the directories; on PostgreSQL the store itself cannot tell."""
        if self.files.is_dir() and self.spool.is_dir():
            return None
        return StoreFault("the data directory is not where it was", lasting=False)

    def new_spool(self, content_id: bytes) -> SpoolFile:
        """A file for a content that is arriving; the first write makes it."""
        path = self.spool / content_id.hex()
        return SpoolFile(path, DirectFile(path))

    def finished_spool(self, name: str) -> SpoolFile:
        """The file of a content that another process has received and finished."""
        return SpoolFile(self.spool / name)

    def place(self, spools: Iterable[SpoolFile]) -> None:
        """Make finished spool files content files, and their names durable; blocks.

        Raises StoreFull, StoreUnavailable, and ContentDamaged when a spool file is gone; what was
        placed before the fault stays an orphan.
        """
        used: set[Path] = set()
        with _translating():
            for spool in spools:
                target = self.files / content_name(spool.path.name)
                target.parent.mkdir(mode=0o700, exist_ok=True)
                try:
                    spool.path.rename(target)
                except FileNotFoundError as error:
                    raise ContentDamaged("a spool file is gone") from error
                spool.path = target
                used.add(target.parent)
            for directory in used:
                sync_directory(directory)
            if not used <= self._lasting:  # another process may have made it and not synced yet
                sync_directory(self.files)
        self._lasting = used

    def remove_abandoned(self, *, now: float, age: float = _ABANDONED_SECONDS) -> int:
        """Remove spool files nobody has written to for `age` seconds; blocks. How many there were.

        They are what a killed process was receiving. A live one writes to its own every few minutes
        (`gateway.smtp.receive`).
        """
        removed = 0
        with _translating():
            for path in self.abandoned(now=now, age=age):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    removed += 1
        return removed

    def abandoned(self, *, now: float, age: float = _ABANDONED_SECONDS) -> list[Path]:
        """The spool files nobody has written to for `age` seconds; blocks."""
        found = []
        with _translating():
            for path in self.spool.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < now - age:
                        found.append(path)
        return found

    async def chunks(
        self, content: Content, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The content's bytes, or those from `start` to `end`, at most 256 KiB at a time.

        Raises ContentDamaged when the file does not hold what the record promises,
        StoreUnavailable when it cannot be opened now.
        """
        if content.body is not None:
            yield content.body[start:end]
            return
        assert content.file is not None
        try:
            source = await asyncio.to_thread(open, self.files / content.file, "rb")
        except FileNotFoundError as error:
            raise ContentDamaged("the content file is missing") from error
        except OSError as error:
            raise StoreUnavailable(f"message content: {error.strerror}") from error
        left = content.size - start if end is None else end - start
        with source:
            source.seek(start)
            while left > 0:
                chunk = await asyncio.to_thread(source.read, min(_CHUNK, left))
                if not chunk:
                    raise ContentDamaged("the content file is shorter than its record")
                left -= len(chunk)
                yield chunk

    async def remove(self, file: str) -> None:
        """Remove a content file that no row names any more; what stays behind is an orphan."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread((self.files / file).unlink)


class SpoolFile:
    """A content on its way in: written in order, synced once, then placed or discarded.

    Without `file` it is one that another process has written and finished.
    """

    __slots__ = ("_file", "path")

    def __init__(self, path: Path, file: DirectFile | None = None) -> None:
        self.path = path
        self._file = file

    def write(self, parts: Sequence[bytes]) -> None:
        """Append `parts`; blocks. Raises StoreFull, StoreUnavailable."""
        assert self._file is not None
        with _translating():
            self._file.write(parts)

    def finish(self, parts: Sequence[bytes] = ()) -> None:
        """Append the last `parts`, put it all on stable storage and close; blocks.

        Raises StoreFull, StoreUnavailable.
        """
        assert self._file is not None
        with _translating():
            self._file.finish(parts)

    def discard(self) -> None:
        """Close and remove, wherever the file is by now; what cannot be removed is an orphan."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def new_content_id(now: int) -> bytes:
    """Make a name for a content that begins to arrive `now` (microseconds since 1970)."""
    return now.to_bytes(8, "big") + os.urandom(8)


def content_name(content_id: str) -> str:
    """The file's path below the content directory: one directory for about 70 minutes of mail."""
    return f"{content_id[:8]}/{content_id}"


async def find_content(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> Content:
    """Raises NotFound."""
    row = await tx.fetch_one(
        """
        SELECT c.sha256, c.size, c.body, c.file FROM contents c
        JOIN messages m ON m.message_id = c.message_id
        WHERE m.tenant_id = :tenant_id AND c.message_id = :message_id
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    if row is None:
        raise NotFound("no such content")
    body = None if row["body"] is None else bytes(row["body"])
    return Content(bytes(row["sha256"]), row["size"], body, row["file"])


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = kind_of(error)
        full = kind is StoreFull
        text = "no space for message content" if full else f"message content: {error.strerror}"
        raise kind(text) from error
