"""Moving large contents to where new ones are stored, beside a running server.

- One at a time: it is copied, compared with its SHA-256 on the way, and named anew by its row; then
  its old bytes are removed, some seconds later, so that whoever was reading them can end.
- It can be stopped at any moment and run again: a row says where its bytes are. A copy that no row
  names yet is an orphan.
- A file in the data directory of another gateway is counted, and can only be moved there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from storage.clock import Clock
from storage.content.message_bytes import Content, ContentDamaged, ContentDirectory
from storage.content.places import require_stored
from storage.database import Reads, Store, Tx

LINGER_SECONDS = 5.0
_PAGE = 100
_LONGEST_PAUSE = 0.25

_Large = tuple[bytes, Content]


@dataclass(slots=True)
class MoveReport:
    """Contents moved and their octets, those in files that are not here, and the damaged ones."""

    moved: int = 0
    octets: int = 0
    absent: int = 0
    damaged: list[bytes] = field(default_factory=list)


async def count_misplaced(database: Reads, contents: ContentDirectory) -> tuple[int, int]:
    """Count the large contents that are elsewhere than new ones are stored, and their octets."""
    count = octets = 0
    after = ""
    while page := await database.read(partial(large_after, after=after)):
        for _, content in page:
            after = content.file or ""
            if not contents.is_in_place(after):
                count, octets = count + 1, octets + content.size
    return count, octets


async def move_contents(
    database: Store,
    contents: ContentDirectory,
    *,
    clock: Clock,
    progress: Callable[[MoveReport], None] = lambda _: None,
    linger: float = LINGER_SECONDS,
) -> MoveReport:
    """Move all that is elsewhere than new contents are stored.

    Raises StoreFull, StoreUnavailable; what was moved before stays moved.
    """
    report = MoveReport()
    left_behind: deque[tuple[float, str]] = deque()
    after = ""
    try:
        while page := await database.read(partial(large_after, after=after)):
            for message_id, content in page:
                after = content.file or ""
                if contents.is_in_place(after):
                    continue
                began = time.monotonic()
                if await _move(database, contents, message_id, content, report, now=clock()):
                    left_behind.append((time.monotonic(), after))
                    progress(report)
                await _remove(contents, left_behind, linger)
                # A pause as long as the move: mail has the disk for half of the time.
                await asyncio.sleep(min(time.monotonic() - began, _LONGEST_PAUSE))
    finally:
        # Also when it is stopped: else the old bytes would stay for the removal of orphans.
        while left_behind:
            await asyncio.sleep(max(0.0, left_behind[0][0] + linger - time.monotonic()))
            await _remove(contents, left_behind, linger)
    return report


async def _move(
    database: Store,
    contents: ContentDirectory,
    message_id: bytes,
    content: Content,
    report: MoveReport,
    *,
    now: int,
) -> bool:
    """Copy one content and name the copy; whether its old bytes are of no use any more."""
    assert content.file is not None
    if contents.lacks_file(content):
        report.absent += 1
        return False
    try:
        copied = await contents.copy(content, now=now)
    except ContentDamaged:
        report.damaged.append(message_id)
        return False
    assert copied.file is not None
    named = await database.write(
        partial(_rename, contents, message_id=message_id, before=content.file, copied=copied)
    )
    if not named:  # it was deleted meanwhile, or another process has moved it
        await contents.remove(copied.file)
        return False
    report.moved += 1
    report.octets += content.size
    return True


async def _remove(
    contents: ContentDirectory, left_behind: deque[tuple[float, str]], linger: float
) -> None:
    while left_behind and left_behind[0][0] + linger <= time.monotonic():
        await contents.remove(left_behind.popleft()[1])


async def _rename(
    contents: ContentDirectory, tx: Tx, *, message_id: bytes, before: str, copied: Content
) -> bool:
    await require_stored(tx, copied)
    contents.require_file(copied)
    changed = await tx.execute(
        "UPDATE contents SET file = :file WHERE message_id = :message_id AND file = :before",
        {"file": copied.file, "message_id": message_id, "before": before},
    )
    return bool(changed)


async def large_after(
    tx: Tx, *, after: str, table: str = "contents", key: str = "message_id"
) -> list[_Large]:
    """The next large contents, or uploads, with the ids of their rows; in the order of `file`."""
    rows = await tx.fetch_all(
        f"""
        SELECT {key} AS id, sha256, size, file FROM {table}
        WHERE file IS NOT NULL AND file > :after ORDER BY file LIMIT {_PAGE}
        """,
        {"after": after},
    )
    return [
        (bytes(row["id"]), Content(bytes(row["sha256"]), row["size"], None, row["file"]))
        for row in rows
    ]
