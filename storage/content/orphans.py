"""Orphaned content files: files that no row names, left by a crash before their transaction.

A file counts when nobody has written to it for an hour, and is removed after a second query under
the write lock: a transaction that would have named it has done so, or never will.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import islice
from pathlib import Path

from storage.content.message_bytes import ContentDirectory
from storage.database import Database, Reads, Tx

AGE_SECONDS = 3600.0
_AT_ONCE = 250


async def orphans(
    database: Reads, contents: ContentDirectory, *, now: float
) -> AsyncGenerator[list[str], None]:
    """Return files that no row names, some at a time; `now` in seconds since 1970."""
    found = _old_files(contents.files, now - AGE_SECONDS)
    while files := await asyncio.to_thread(lambda: [*islice(found, _AT_ONCE)]):
        chosen = tuple(files)

        async def look(tx: Tx, chosen: Sequence[str] = chosen) -> list[str]:
            return await _unnamed(tx, chosen)

        if unnamed := await database.read(look):
            yield unnamed


async def remove_orphans(
    database: Database, contents: ContentDirectory, files: Sequence[str]
) -> int:
    """Remove those of `files` that no row names now either; how many."""
    left = await database.write(lambda tx: _unnamed(tx, files))
    for file in left:
        await contents.remove(file)
    return len(left)


def _old_files(directory: Path, before: float) -> Iterator[str]:
    for path in directory.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                yield str(path.relative_to(directory))


async def _unnamed(tx: Tx, files: Sequence[str]) -> list[str]:
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
