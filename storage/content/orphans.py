"""Orphaned contents: large ones that no row names, left by a crash before their transaction.

- A file counts when nobody has written to it for an hour, what lies elsewhere when its id is an
  hour old. It is removed after a second query under the write lock: a transaction that would have
  named it has done so, or never will.
- Files, pieces in the database, and the checksums of an object are removed in the transaction of
  that query: a delivery that is later yet finds them gone, and stores nothing. Clocks may jump.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from storage.content.database_pieces import SCHEME, remove_pieces
from storage.content.message_bytes import ContentDirectory, is_file
from storage.content.object_store import forget_checksums
from storage.database import Database, Reads, Tx

AGE_SECONDS = 3600.0
_AT_ONCE = 250
_AT_ONCE_IN_DATABASE = 10


async def orphans(
    database: Reads, contents: ContentDirectory, *, now: float
) -> AsyncGenerator[list[str], None]:
    """Return contents that no row names, some at a time; `now` in seconds since 1970."""
    async with contextlib.aclosing(_candidates(contents, now - AGE_SECONDS)) as candidates:
        async for chosen in candidates:
            if unnamed := await database.read(partial(_unnamed, files=chosen)):
                yield unnamed


async def _candidates(contents: ContentDirectory, before: float) -> AsyncGenerator[list[str], None]:
    found = _old_files(contents.files, before)
    while files := await asyncio.to_thread(lambda: [*islice(found, _AT_ONCE)]):
        yield files
    if contents.elsewhere is not None:
        async with contextlib.aclosing(contents.elsewhere.strays(before)) as strays:
            async for some in strays:
                yield some


async def remove_orphans(
    database: Database, contents: ContentDirectory, files: Sequence[str]
) -> int:
    """Remove those of `files` that no row names now either; how many."""
    pieces = [file for file in files if file.startswith(SCHEME)]
    others = [file for file in files if not file.startswith(SCHEME)]
    removed = 0
    for start in range(0, len(pieces), _AT_ONCE_IN_DATABASE):
        some = pieces[start : start + _AT_ONCE_IN_DATABASE]
        removed += await database.write(partial(_remove_unnamed_pieces, locations=some))
    # A look in a write transaction: no delivery that would name one of them can be half done.
    forget = partial(_forget_unnamed, contents=contents, files=others)
    left = await database.write(forget) if others else []
    for file in left:
        if not is_file(file):
            await contents.remove(file)
    return removed + len(left)


async def _remove_unnamed_pieces(tx: Tx, *, locations: Sequence[str]) -> int:
    left = await _unnamed(tx, files=locations)
    await remove_pieces(tx, left)
    return len(left)


async def _forget_unnamed(tx: Tx, *, contents: ContentDirectory, files: Sequence[str]) -> list[str]:
    left = await _unnamed(tx, files=files)
    await forget_checksums(tx, [file for file in left if not is_file(file)])
    contents.remove_files(file for file in left if is_file(file))  # some milliseconds
    return left


def _old_files(directory: Path, before: float) -> Iterator[str]:
    for path in directory.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            # A younger one may belong to a transaction that is still to come.
            if path.stat().st_mtime < before:
                yield str(path.relative_to(directory))


async def _unnamed(tx: Tx, *, files: Sequence[str]) -> list[str]:
    names = {f"f{number}": file for number, file in enumerate(files)}
    chosen = ", ".join(f":{name}" for name in names)
    rows = await tx.fetch_all(
        f"""
        SELECT file FROM contents WHERE file IS NOT NULL AND file IN ({chosen})
        UNION ALL SELECT file FROM uploads WHERE file IN ({chosen})
        """,
        names,
    )
    named = {row["file"] for row in rows}
    return [file for file in files if file not in named]
