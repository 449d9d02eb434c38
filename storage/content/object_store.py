"""Large contents in an object store (S3), one object each.

- An object's key is the prefix of the setting, a number of this store's own (so that two stores may
  share a bucket), and the content's name.
- S3 shows an object when it is complete and durable. Then the SHA-256 of each of its MiBs is
  recorded, and only then a transaction may name it. All that is read is compared with them. An
  orphan's are removed before it, under the write lock: a transaction that is later yet finds none.
- Every fault of the object store is StoreUnavailable, a bucket that is not there too; an object
  that is gone, or is not what was stored, is damaged.
- Calls run in threads: the library's own event loop does not survive the end of a process. It is
  imported with the first object.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from storage.content.database_pieces import recut
from storage.content.message_bytes import Content, ContentDamaged, content_name
from storage.database import BesideWrites, Reads, Tx
from storage.errors import StoreUnavailable
from storage.sql import in_list

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

T = TypeVar("T")

SCHEME = "s3:"
PIECE = 1024 * 1024
_CHUNK = 256 * 1024
_PART = 5 * 1024 * 1024  # the least that S3 takes as a part of an upload
_SECONDS = 30.0
_REQUEST = timedelta(seconds=20)
_STRAYS = 250
_LONGER = 23 * 3600  # the clocks of gateways may differ, and an orphan costs little
_DIGEST = 32
_MOST_TOLD = 300
_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and where it is: `endpoint` and `region` of its URL."""

    name: str
    options: tuple[tuple[str, str], ...]

    def location(self, key: str) -> str:
        """The location of an object, as a row has it."""
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"s3://{self.name}/{key}{query}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the settings; they are for every bucket that a row names."""

    access: str = ""
    secret: str = ""


Opener = Callable[[Bucket, Keys], "ObjectStore"]


def split_location(url: str) -> tuple[Bucket, str]:
    """The bucket of a location, or of the setting, and the path in it."""
    found = urlsplit(url)
    return Bucket(found.netloc, tuple(parse_qsl(found.query))), found.path.strip("/")


def file_name_of(location: str) -> str:
    """The name that an object would have as a file."""
    return content_name(split_location(location)[1][-32:])


def open_bucket(bucket: Bucket, keys: Keys) -> ObjectStore:
    """Open a bucket of an S3 service; nothing is asked yet. Raises StoreUnavailable."""
    try:
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        raise StoreUnavailable("content in S3 needs: pip install 'postroom[s3]'") from error
    options = dict(bucket.options)
    config: S3Config = {
        "access_key_id": keys.access,
        "secret_access_key": keys.secret,
        "region": options.get("region", _REGION),
    }
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
    return S3Store(
        bucket.name,
        config=config,
        client_options={
            "timeout": _REQUEST,
            "connect_timeout": timedelta(seconds=5),
            "allow_http": options.get("endpoint", "").startswith("http:"),
        },
        retry_config={"max_retries": 2, "retry_timeout": _REQUEST},
    )


class Objects:
    """The contents of one store that are objects; new ones go below the URL `root`, if it is one.

    Without `store` they can only be read.
    """

    def __init__(
        self,
        reader: Reads,
        store: BesideWrites | None,
        *,
        root: str,
        keys: Keys,
        opener: Opener = open_bucket,
    ) -> None:
        self._reader = reader
        self._store = store
        self._root = root
        self._keys = keys
        self._opener = opener
        self._buckets: dict[Bucket, ObjectStore] = {}
        self._folder: str | None = None

    @property
    def keeps_new(self) -> bool:
        """Whether large contents that come become objects."""
        return self._root.startswith(SCHEME)

    def is_new_place(self, location: str) -> bool:
        """See `Elsewhere.is_new_place`."""
        bucket, prefix = split_location(self._root)
        found, key = split_location(location)
        return found == bucket and key.rsplit("/", 3)[0] == prefix

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        """See `Elsewhere.put`."""
        from obstore import open_writer

        bucket, _ = split_location(self._root)
        key = f"{await self._own_folder()}/{content_name(content_id.hex())}"
        source = self._bucket(bucket)
        writer = open_writer(source, key, buffer_size=_PART, max_concurrency=1)
        digests = bytearray()
        async for piece in recut(chunks, PIECE):
            digests += sha256(piece).digest()
            await _store(partial(writer.write, piece))
        await _store(writer.close)
        # After the object is complete, before a row names it: no reader finds it without checksums.
        row = {"content_id": content_id, "digests": bytes(digests)}
        await self._writable().write_beside(lambda tx: tx.execute(_RECORD, row))
        return bucket.location(key)

    async def chunks(self, content: Content, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """See `Elsewhere.chunks`."""
        assert content.file is not None
        bucket, key = split_location(content.file)
        digests = await self._reader.read(partial(_digests, content_id=_content_id(key)))
        source = self._bucket(bucket)
        while start < end:
            number, skipped = divmod(start, PIECE)
            first, last = number * PIECE, min((number + 1) * PIECE, content.size)
            if last <= start:
                raise ContentDamaged("the content is shorter than what is read of it")
            found = await _ask(partial(source.get_range, key, start=first, end=last))
            piece = bytes(found)
            digest = digests[number * _DIGEST : (number + 1) * _DIGEST]
            if len(piece) != last - first or sha256(piece).digest() != digest:
                raise ContentDamaged("the object is not what was stored")
            wanted = piece[skipped : skipped + end - start]
            start += len(wanted)
            for offset in range(0, len(wanted), _CHUNK):
                yield wanted[offset : offset + _CHUNK]

    async def remove(self, location: str) -> None:
        """See `Elsewhere.remove`."""
        bucket, key = split_location(location)
        with contextlib.suppress(ContentDamaged):  # it is gone already
            await _ask(partial(self._bucket(bucket).delete, key))
        name = {"content_id": _content_id(key)}
        await self._writable().write_beside(lambda tx: tx.execute(_FORGET, name))

    async def fault(self, content: Content) -> str | None:
        """See `Elsewhere.fault`."""
        assert content.file is not None
        bucket, key = split_location(content.file)
        source = self._bucket(bucket)
        try:
            size = (await _ask(partial(source.head, key)))["size"]
        except ContentDamaged:  # the answer to HEAD does not tell whether the bucket is there
            try:
                await _ask(partial(source.get_range, key, start=0, end=1))
            except ContentDamaged as error:
                return f"{error}: {content.file}"
            return f"the object cannot be found: {content.file}"
        if size == content.size:
            return None
        return f"the object has {size} bytes, not {content.size}: {content.file}"

    async def strays(self, before: float) -> AsyncGenerator[list[str], None]:
        """See `Elsewhere.strays`: the objects of this store that are older by a day."""
        bucket, _ = split_location(self._root)
        folder = await self._own_folder()
        listing = self._bucket(bucket).list(f"{folder}/", chunk_size=_STRAYS)
        oldest = max(0, int((before - _LONGER) * 1_000_000)).to_bytes(8, "big")
        while some := await _ask(partial(next, listing, None)):
            old = [one["path"] for one in some if _content_id(one["path"]) < oldest]
            if old:
                yield [bucket.location(key) for key in old]

    async def _own_folder(self) -> str:
        """The folder of this store below the prefix; its number is made with the first object."""
        if self._folder is None:
            number = await self._reader.read(_store_number)
            # Of the store, not of the setting: two stores must not remove each other's orphans.
            if number is None and self._store is not None:
                number = await self._store.write(_new_store_number)
            _, prefix = split_location(self._root)
            self._folder = f"{prefix}/{number or 0:016x}".lstrip("/")
        return self._folder

    def _bucket(self, bucket: Bucket) -> ObjectStore:
        if bucket not in self._buckets:
            self._buckets[bucket] = self._opener(bucket, self._keys)
        return self._buckets[bucket]

    def _writable(self) -> BesideWrites:
        if self._store is None:
            raise StoreUnavailable("the store is open for reading only")
        return self._store


async def require_checksums(tx: Tx, location: str) -> None:
    """Raises ContentDamaged when an object was removed before a row named it."""
    _, key = split_location(location)
    if not await _digests(tx, content_id=_content_id(key)):
        raise ContentDamaged("the object of the content is gone")


async def forget_checksums(tx: Tx, locations: Sequence[str]) -> None:
    """Have no row name these objects from now on: they are about to be removed."""
    if locations:
        keys = [split_location(location)[1] for location in locations]
        chosen, names = in_list([_content_id(key) for key in keys])
        await tx.execute(f"DELETE FROM object_checksums WHERE content_id IN ({chosen})", names)


async def forget_store_number(tx: Tx) -> None:
    """Have the store take another folder: what is in this one may be another store's."""
    await tx.execute("DELETE FROM store_state WHERE name = 'content_store'", {})


async def _ask(call: Callable[[], T]) -> T:
    """Run a call of the library in a thread. Raises ContentDamaged, StoreUnavailable."""
    from obstore.exceptions import BaseError

    try:
        async with asyncio.timeout(_SECONDS):
            return await asyncio.to_thread(call)
    except TimeoutError as error:
        raise StoreUnavailable("the object store does not answer") from error
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise StoreUnavailable(_told(error)) from error
        raise ContentDamaged("the object is missing") from error
    except (BaseError, OSError) as error:
        raise StoreUnavailable(_told(error)) from error


async def _store(call: Callable[[], T]) -> T:
    """Run a call that stores something: nothing of ours can be missing. Raises StoreUnavailable."""
    try:
        return await _ask(call)
    except ContentDamaged as error:
        raise StoreUnavailable("the object store: not found") from error


def _told(error: Exception) -> str:
    """Tell the cause first, then the call: of a long URL the end is cut off."""
    text, _, deep = " ".join(str(error).split()).partition(" Debug source:")
    cause, called = text, ""
    if found := _CALL.search(text):
        cause, called = found["cause"], f" ({found['call']})"
    if code := _CODE.search(cause):
        cause = f"{cause[: code.start()].rstrip(': ')}: {code[1]}"
    if lowest := _LOWEST.search(deep):
        cause = f"{cause}: {lowest[1]}"
    return f"the object store: {cause.rstrip(': ')}{called}"[:_MOST_TOLD]


_NO_BUCKET = "NoSuchBucket"
# Of the library's text: the call with its URL, and the cause behind how long it took.
_CALL = re.compile(r"Error performing (?P<call>[A-Z]+ \S+) in .*? - (?P<cause>.*)")
_CODE = re.compile(r"(?:<\?xml.*?)?<Error>.*?<Code>(\w+)</Code>.*")
# Of its debug text: the error of the system below a request that was not answered.
_LOWEST = re.compile(r'(?:message|error): "([^"]+)"')


def _content_id(key: str) -> bytes:
    """The content's id, with which a key ends; above all others for what is not ours."""
    try:
        return bytes.fromhex(key[-32:])
    except ValueError:
        return b"\xff" * 16


async def _digests(tx: Tx, *, content_id: bytes) -> bytes:
    row = await tx.fetch_one(
        "SELECT digests FROM object_checksums WHERE content_id = :content_id",
        {"content_id": content_id},
    )
    return b"" if row is None else bytes(row["digests"])


async def _store_number(tx: Tx) -> int | None:
    row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'content_store'")
    return None if row is None else int(row["value"])


async def _new_store_number(tx: Tx) -> int:
    number = await _store_number(tx)
    if number is None:
        number = secrets.randbits(62)
        await tx.execute(
            "INSERT INTO store_state (name, value) VALUES ('content_store', :number)",
            {"number": number},
        )
    return number


_RECORD = "INSERT INTO object_checksums (content_id, digests) VALUES (:content_id, :digests)"
_FORGET = "DELETE FROM object_checksums WHERE content_id = :content_id"
