"""Reading all that is kept: every page of the database, every row that promises, every content.

- Read access is enough, a server may run beside it, and nothing is made or changed.
- Every fault is listed; a damaged page does not end the check of what can still be read.
- A store of another release is a fault, because `postroom serve` would refuse or upgrade it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.content.orphans import orphans
from storage.content.places import open_contents
from storage.database import Reads
from storage.engines.opening import damage, open_to_read
from storage.errors import StorageError, StoreDamaged, StoreUnavailable
from storage.maintenance.integrity import Finding, Report, audit
from storage.migrations import require_current

_NO_REPORT = Report(messages=0, copies_owed=0, copies_gone=0, copies_present=0, findings=())


@dataclass(frozen=True, slots=True)
class Verification:
    """The faults of the database itself, the findings in its rows and contents, and orphans.

    Orphaned content files are no fault: a crash left them behind. `unread` tells why not all was
    read, where something was out of reach.
    """

    database: tuple[str, ...]
    report: Report
    orphans: tuple[str, ...] = field(default=())
    unread: str | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong, the database first."""
        unread = [Finding(None, self.unread, unread=True)] if self.unread else []
        faults = [Finding(None, fault) for fault in self.database]
        return (*faults, *self.report.findings, *unread)


async def verify(
    store: str,
    data: Path,
    *,
    clock: Clock,
    contents: Callable[[Reads], ContentDirectory] | None = None,
) -> Verification:
    """Read the whole store. Raises StoreUnavailable when it is out of reach.

    `contents` opens what is not in the data directory, with the settings of the server.
    """
    try:
        faults = await damage(store, data)
        reader = await open_to_read(store, data)
    except StoreDamaged as error:
        return Verification((str(error),), _NO_REPORT)
    try:
        found = (contents or partial(_files_and_pieces, data))(reader)
        return await _verified(reader, found, faults, clock)
    finally:
        await reader.close()


def _files_and_pieces(data: Path, reader: Reads) -> ContentDirectory:
    return open_contents(data, keep_in="files", reader=reader)


async def _verified(
    reader: Reads, contents: ContentDirectory, faults: list[str], clock: Clock
) -> Verification:
    report, stray, unread = _NO_REPORT, list[str](), None
    try:
        await require_current(reader)
        report = await audit(reader, contents, deep=True)
        async for files in orphans(reader, contents, now=clock() / 1_000_000):
            stray += files
    except StorageError as error:
        if isinstance(error, StoreDamaged) or not isinstance(error, StoreUnavailable):
            faults.append(str(error))
        elif report is _NO_REPORT and not faults:
            raise
        else:
            unread = str(error)
    return Verification(tuple(faults), report, tuple(sorted(stray)), unread)
