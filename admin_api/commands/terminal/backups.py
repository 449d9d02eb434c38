"""Backups as the commands make and restore them, with faults in the operator's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.store import contents_of, fault_lines, require_store, run
from config.settings import Settings
from storage.backup.backup import (
    BackupReport,
    Progress,
    make_backup,
    record_backup,
    remove_older,
)
from storage.backup.manifest import Manifest
from storage.backup.restore import find_backup, restore_backup
from storage.clock import system_clock
from storage.content.message_bytes import content_at
from storage.database import Store
from storage.errors import NotFound, StorageError


def backed_up(
    settings: Settings, directory: Path, keep: int | None, progress: Progress
) -> tuple[BackupReport, list[Path]]:
    """Back the store up below `directory`; the report, and the older backups that were removed.

    Raises Faults.
    """
    require_store(settings)

    async def work(database: Store) -> BackupReport:
        contents = contents_of(settings, database, database)
        contents.prepare()

        @asynccontextmanager
        async def fetch(location: str) -> AsyncGenerator[Path, None]:
            try:
                content = await database.read(lambda tx: content_at(tx, location=location))
            except NotFound as error:  # it was deleted meanwhile
                raise FileNotFoundError(location) from error
            async with contents.at_hand(content) as path:
                assert path is not None
                yield path

        report = await make_backup(
            settings.store,
            settings.data,
            directory,
            clock=system_clock,
            release=version("postroom"),
            progress=progress,
            fetch=fetch,
        )
        # Only a whole backup counts: with a broken one its age would look well in the metrics.
        if not report.manifest.faults:
            await record_backup(database, now=report.manifest.began_at)
        return report

    report = run(settings, work)
    try:
        return report, remove_older(directory, keep) if keep else []
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


def restored(settings: Settings, directory: Path) -> tuple[Path, Manifest]:
    """Restore the backup that `directory` is or holds; which one it was. Raises Faults."""
    try:
        path = find_backup(directory)
        work = restore_backup(settings.store, settings.data, path, clock=system_clock)
        return path, asyncio.run(work)
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error
