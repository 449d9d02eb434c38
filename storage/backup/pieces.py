"""Pieces of a backup: files of about 1 MiB with their SHA-256; equal ones are linked, not copied.

- A piece is written once and never changed, so that a later backup can share it by a hard link.
- A piece is on stable storage when `add` returns; its name is when the directory is synced.
- Behind each piece the writer rests, while mail is written (`storage.backup.pace`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.backup.pace import Pace
from storage.errors import kind_of

PIECE_OCTETS = 1 << 20
_LEAST_ROWS = PIECE_OCTETS // 4
_MOST_ROWS = PIECE_OCTETS * 4
_CUT_MASK = 0x3F  # one row in 64 may end a piece, whatever stands before it
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP}


class Digest(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a backup: its name below the backup's directory, SHA-256 (hex) and octets."""

    name: str
    sha256: str
    size: int


@dataclass(slots=True)
class Written:
    """Octets of pieces that were written anew, and of those that were linked."""

    written: int = 0
    linked: int = 0


class PieceWriter:
    """Adds pieces to one backup, with the pieces of the last one to share."""

    def __init__(
        self, directory: Path, last: Path | None, pieces: Iterable[Piece], pace: Pace
    ) -> None:
        self._directory = directory
        self._pace = pace
        self._last = last
        self._by_hash: Mapping[str, Piece] = {piece.sha256: piece for piece in pieces}
        self.octets = Written()

    def add(self, name: str, data: bytes) -> Piece:
        """Keep `data` under `name`; blocks. Raises StoreFull, StoreUnavailable."""
        piece = Piece(name, hashlib.sha256(data).hexdigest(), len(data))
        if not self._link(piece):
            with translating(name):
                write_synced(self._directory / name, (data,))
            self.octets.written += piece.size
        self._pace.rest()
        return piece

    def add_file(self, name: str, source: Path, sha256: str) -> Piece | None:
        """Keep the file `source`, whose SHA-256 should be this; None when it is another one.

        Raises FileNotFoundError, StoreFull, StoreUnavailable.
        """
        size = source.stat().st_size
        if self._link(Piece(name, sha256, size)):
            return Piece(name, sha256, size)
        digest = hashlib.sha256()
        with source.open("rb") as opened, translating(name):
            write_synced(self._directory / name, self._paced(digested(opened, digest)))
        if digest.hexdigest() != sha256:
            (self._directory / name).unlink()
            return None
        self.octets.written += size
        return Piece(name, sha256, size)

    def _paced(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield block
            self._pace.rest()

    def link(self, name: str, sha256: str) -> Piece | None:
        """Share the piece of the last backup that has this SHA-256, if there is one."""
        last = self._by_hash.get(sha256)
        piece = last and Piece(name, sha256, last.size)
        return piece if piece is not None and self._link(piece) else None

    def _link(self, piece: Piece) -> bool:
        """Share an equal piece of the last backup. It is read again by every restore."""
        last = self._by_hash.get(piece.sha256)
        if self._last is None or last is None:
            return False
        target = self._directory / piece.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            if (self._last / last.name).stat().st_size != piece.size:
                return False
            os.link(self._last / last.name, target)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        self.octets.linked += piece.size
        return True


def write_synced(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and put it on stable storage; blocks. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fdatasync(descriptor)


def by_size(path: Path) -> Iterator[bytes]:
    """Cut a file into pieces of 1 MiB: page 1 begins the first, so equal pages fall together."""
    with path.open("rb") as file:
        while data := file.read(PIECE_OCTETS):
            yield data


class RowCutter:
    """Joins rows to pieces that end behind rows chosen by their own octets.

    So a row that is added or changed moves the ends of its own piece only, and the pieces behind it
    stay equal to those of the last backup.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def add(self, row: bytes) -> bytes:
        """Take a row; the octets of a piece when this row ends one, else none."""
        self._held.append(row)
        self._size += len(row)
        ends = self._size >= _LEAST_ROWS and zlib.crc32(row) & _CUT_MASK == 0
        return self.rest() if ends or self._size >= _MOST_ROWS else b""

    def rest(self) -> bytes:
        """The octets of the rows that end no piece yet."""
        piece, self._held, self._size = b"".join(self._held), [], 0
        return piece


def read_piece(directory: Path, piece: Piece) -> bytes | None:
    """The octets of a piece; None when it is missing or is not what was written."""
    try:
        data = (directory / piece.name).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == piece.sha256 else None


@contextlib.contextmanager
def translating(what: str) -> Iterator[None]:
    """Errors of the file system become ours, with the name of what was written or read."""
    try:
        yield
    except OSError as error:
        kind = kind_of(error)
        raise kind(f"{what}: {error.strerror}") from error


def digested(source: BinaryIO, digest: Digest) -> Iterator[bytes]:
    """The octets of an open file, 1 MiB at a time, each of which `digest` has seen."""
    while data := source.read(PIECE_OCTETS):
        digest.update(data)
        yield data
