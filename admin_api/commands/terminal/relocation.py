"""Copies of whole stores as the command makes them, with faults in the operator's words."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.store import contents_of, fault_lines, require_store
from config.settings import Settings
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.engines.snapshots.tables import RowTarget
from storage.errors import StorageError
from storage.relocation.place import Place
from storage.relocation.relocate import CopyReport, copy_store
from storage.relocation.rows import Progress
from storage.relocation.seal import release

T = TypeVar("T")


def copied(source: Settings, target: Settings, progress: Progress) -> CopyReport:
    """Copy a store, or go on with that. Raises Faults."""
    require_store(source)
    _require_apart(source, target)

    def new_contents(rows: RowTarget) -> ContentDirectory:
        return contents_of(target, rows, rows)

    return _run(
        target,
        copy_store(
            _place(source),
            _place(target),
            clock=system_clock,
            old_contents=partial(contents_of, source),
            new_contents=new_contents,
            progress=progress,
        ),
    )


def released(source: Settings) -> bool:
    """Let a store take changes again; whether it was sealed. Raises Faults."""
    require_store(source)
    return _run(source, release(_place(source)))


def _require_apart(source: Settings, target: Settings) -> None:
    """Raises Faults: a server removes the files of its data directory that its store names not."""
    if source.data.resolve() == target.data.resolve():
        raise Faults(f"data: the new store needs a data directory of its own, not {target.data}")


def _place(settings: Settings) -> Place:
    return Place(settings.store, settings.data)


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error
