"""Message content, stored once: small ones in the database, large ones in files or elsewhere.

- Bytes are stored as they came: they are never rewritten, and a file is written once.
- A large content is spooled while it arrives and becomes the content file by a rename; the file and
  its directory are on stable storage before the transaction that names it commits.
- A file is named by a content id, never by a value of the sender, and never shared between
  transactions or tenants. Its SHA-256 is stored beside its name.
- A file without a row is an orphan of a crash: it can never be a lost message.
- Every large content is spooled to a file here. Where it is to lie elsewhere, so that other
  gateways can read it (`storage.content.places`), it is copied there from the spool, as durably.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from storage.content.direct_file import DirectFile
from storage.database import Row, StoreFault, Tx
from storage.disk import sync_directory
from storage.errors import NotFound, StorageError, StoreFull, StoreUnavailable, kind_of

_CHUNK = 256 * 1024
_ABANDONED_SECONDS = 3600.0
_PUT_SECONDS = 240.0  # a sender waits ten minutes for the reply to its dot


class Content(NamedTuple):
    """Where the bytes of one message are: exactly one of `body` and `file` is there.

    `file` is the location of a large content: a file's name below the content directory, or what
    `storage.content.places` knows.
    """

    sha256: bytes
    size: int
    body: bytes | None
    file: str | None


class ContentDamaged(StorageError):
    """A content is missing, or is not what its record says, wherever it lies."""


class Elsewhere(Protocol):
    """The contents that are not in the data directory."""

    @property
    def keeps_new(self) -> bool:
        """Whether large contents that come are stored here, and not in files."""
        ...

    def is_new_place(self, location: str) -> bool:
        """Whether a content is where large ones that come are stored."""
        ...

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        """Store a content durably; its location. Raises StoreFull, StoreUnavailable."""
        ...

    def chunks(self, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `end`. Raises ContentDamaged, StoreUnavailable."""
        ...

    async def remove(self, location: str) -> None:
        """Remove a content that no row names any more. Raises StoreUnavailable."""
        ...

    async def fault(self, content: Content) -> str | None:
        """Tell the fault of a content, as far as it shows without reading it."""
        ...

    def strays(self, before: float) -> AsyncGenerator[list[str], None]:
        """The locations of contents from before that time, whether a row names them or not."""
        ...


def is_file(location: str) -> bool:
    """Whether a large content is a file in a data directory."""
    return ":" not in location


class ContentDirectory:
    """The large contents of a store, and the directory for those that are still arriving.

    Without `elsewhere` it knows of files only.
    """

    __slots__ = ("_lasting", "elsewhere", "files", "spool")

    def __init__(self, data: Path, elsewhere: Elsewhere | None = None) -> None:
        self.files = data / "content"
        self.spool = data / "spool"
        self.elsewhere = elsewhere
        self._lasting: set[Path] = set()

    @property
    def keeps_files(self) -> bool:
        """Whether large contents that come are stored in files here."""
        return self.elsewhere is None or not self.elsewhere.keeps_new

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
            # Before the commit: after a power loss no row may name a file whose name is lost.
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

    async def keep(self, spool: SpoolFile, content: Content, *, now: int) -> Content:
        """Store what is in a finished spool file where large contents are stored, durably; its
        record.

        Raises as `place` and `put`.
        """
        if not self.keeps_files:
            return await self.put(spool, content, now=now)
        await asyncio.to_thread(self.place, [spool])
        return content._replace(file=content_name(spool.path.name))

    async def put(self, spool: SpoolFile, content: Content, *, now: int) -> Content:
        """Store what is in a finished spool file elsewhere, durably; its record.

        The spool file is gone then. Raises StoreFull, StoreUnavailable, and ContentDamaged when the
        file is not what was received.
        """
        assert self.elsewhere is not None
        chunks = _read_file(spool.path, 0, content.size)
        try:
            async with asyncio.timeout(_PUT_SECONDS), contextlib.aclosing(chunks):
                location = await self.elsewhere.put(new_content_id(now), verified(chunks, content))
        except TimeoutError as error:
            raise StoreUnavailable("message content: it took too long to store") from error
        await asyncio.to_thread(spool.discard)
        return content._replace(file=location)

    def is_in_place(self, location: str) -> bool:
        """Whether a content is where large ones that come are stored."""
        if self.elsewhere is None or self.keeps_files:
            return is_file(location)
        return self.elsewhere.is_new_place(location)

    async def copy(self, content: Content, *, now: int) -> Content:
        """Copy a large content to where those that come are stored, durably; the new record.

        Raises StoreFull, StoreUnavailable, and ContentDamaged when it is not what was stored.
        """
        async with contextlib.aclosing(self.chunks(content)) as chunks:
            return await self.take(content, chunks, new_content_id(now))

    async def take(
        self, content: Content, chunks: AsyncIterator[bytes], content_id: bytes
    ) -> Content:
        """Store the chunks of a content under this id where those that come are, durably.

        Its new record. Raises StoreFull, StoreUnavailable, and ContentDamaged when they are not the
        content.
        """
        async with contextlib.aclosing(verified(chunks, content)) as found:
            if self.elsewhere is not None and self.elsewhere.keeps_new:
                return content._replace(file=await self.elsewhere.put(content_id, found))
            spool = self.new_spool(content_id)
            try:
                async for chunk in found:
                    await asyncio.to_thread(spool.write, [chunk])
                await asyncio.to_thread(spool.finish)
                await asyncio.to_thread(self.place, [spool])
            except BaseException:
                spool.discard()
                raise
        return content._replace(file=content_name(content_id.hex()))

    async def chunks(
        self, content: Content, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The content's bytes, or those from `start` to `end`, at most 256 KiB at a time.

        Raises ContentDamaged when what is stored is not what the record promises, StoreUnavailable
        when it cannot be read now.
        """
        if content.body is not None:
            yield content.body[start:end]
            return
        assert content.file is not None
        last = content.size if end is None else end
        if is_file(content.file):
            found = _read_file(self.files / content.file, start, last - start)
        else:
            found = self._others().chunks(content, start, last)
        async with contextlib.aclosing(found):
            async for chunk in found:
                yield chunk

    @contextlib.asynccontextmanager
    async def at_hand(self, content: Content) -> AsyncGenerator[Path | None, None]:
        """The path of a large content, for a process that reads files; None for a small one.

        A content that lies elsewhere is fetched for as long. Raises ContentDamaged, StoreFull,
        StoreUnavailable; a file that is missing is the reader's to find.
        """
        if content.file is None or is_file(content.file):
            yield None if content.file is None else self.files / content.file
            return
        # A name of its own: of two readers of one content none removes the other's file.
        path = self.spool / os.urandom(16).hex()
        try:
            await self._fetch(content, path)
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    async def _fetch(self, content: Content, path: Path) -> None:
        with _translating():
            file = await asyncio.to_thread(open, path, "xb", opener=_private)
        with file:
            async with contextlib.aclosing(self.chunks(content)) as chunks:
                async for chunk in chunks:
                    with _translating():
                        await asyncio.to_thread(file.write, chunk)
            with _translating():
                await asyncio.to_thread(file.flush)

    def lacks_file(self, content: Content) -> bool:
        """Whether a content is a file that is not in this directory; a look at the disk."""
        file = content.file
        return file is not None and is_file(file) and not (self.files / file).exists()

    def require_file(self, content: Content) -> None:
        """For a transaction that is about to name a content, if that is a file.

        Raises ContentDamaged when it was removed as an orphan before.
        """
        if self.lacks_file(content):
            raise ContentDamaged("the file of the content is gone")

    async def remove(self, file: str) -> None:
        """Remove a content that no row names any more; what stays behind is an orphan."""
        if is_file(file):
            await asyncio.to_thread(self.remove_files, [file])
        else:
            with contextlib.suppress(StoreUnavailable):
                await self._others().remove(file)

    def remove_files(self, files: Iterable[str]) -> None:
        """Remove files that no row names; blocks. What cannot be removed is an orphan."""
        for file in files:
            with contextlib.suppress(OSError):
                (self.files / file).unlink()

    def _others(self) -> Elsewhere:
        if self.elsewhere is None:
            raise StoreUnavailable("this content is not in a file")
        return self.elsewhere


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


async def verified(chunks: AsyncIterator[bytes], content: Content) -> AsyncGenerator[bytes, None]:
    """The same chunks. Raises ContentDamaged behind the last when they are not the content."""
    digest, size = sha256(), 0
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if size != content.size or digest.digest() != content.sha256:
        raise ContentDamaged("the content is not what was stored")


async def _read_file(path: Path, start: int, octets: int) -> AsyncGenerator[bytes, None]:
    try:
        source = await asyncio.to_thread(open, path, "rb")
    except FileNotFoundError as error:
        raise ContentDamaged("the content file is missing") from error
    except OSError as error:
        raise StoreUnavailable(f"message content: {error.strerror}") from error
    with source:
        source.seek(start)
        while octets > 0:
            chunk = await asyncio.to_thread(source.read, min(_CHUNK, octets))
            if not chunk:
                raise ContentDamaged("the content file is shorter than its record")
            octets -= len(chunk)
            yield chunk


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


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
    return content_of(row)


def content_of(row: Row) -> Content:
    """Return the content of a row with `sha256`, `size`, `body` and `file`."""
    body = None if row["body"] is None else bytes(row["body"])
    return Content(bytes(row["sha256"]), row["size"], body, row["file"])


async def content_at(tx: Tx, *, location: str) -> Content:
    """The record of the content, or the upload, that lies there. Raises NotFound."""
    row = await tx.fetch_one(
        """
        SELECT sha256, size FROM contents WHERE file IS NOT NULL AND file = :location
        UNION ALL SELECT sha256, size FROM uploads WHERE file = :location
        """,
        {"location": location},
    )
    if row is None:
        raise NotFound("no content lies there")
    return Content(bytes(row["sha256"]), row["size"], None, location)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = kind_of(error)
        full = kind is StoreFull
        text = "no space for message content" if full else f"message content: {error.strerror}"
        raise kind(text) from error
