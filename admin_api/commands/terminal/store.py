"""The store as a command opens it: beside a running server, for one transaction, then closed.

Only what may begin an installation makes a store; to everything else a directory without one is a
slip of the pen, and "no messages" would be the wrong answer. What storage raises becomes lines
that name the field or the setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from admin_api.commands.terminal.faults import Faults
from config.settings import Settings
from storage.clock import system_clock
from storage.database import Database
from storage.engines.opening import EMBEDDED, open_database
from storage.engines.sqlite import FILE_NAME
from storage.errors import (
    Conflict,
    Invalid,
    NotFound,
    StorageError,
    StoreDamaged,
    StoreFull,
    StoreUnavailable,
)
from storage.migrations import migrate

T = TypeVar("T")

_CONFLICTING_FIELDS = {"address_taken": "address", "domain_taken": "domain", "email_taken": "email"}


def run(settings: Settings, use: Callable[[Database], Awaitable[T]], *, make: bool = False) -> T:
    """Open the store, bring it up to this release, `use` it and close it. Raises Faults."""
    embedded = settings.store == EMBEDDED
    if embedded and not make and not (settings.data / FILE_NAME).is_file():
        raise Faults(f"data: there is no store in {settings.data}; postroom tenant create makes it")
    try:
        return asyncio.run(_opened(settings, use))
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


async def _opened(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    database = await open_database(settings.store, settings.data, system_clock)
    try:
        await migrate(database, now=system_clock())
        return await use(database)
    finally:
        await database.close()


def fault_lines(error: StorageError, settings: Settings) -> list[str]:
    """What went wrong, a line each, in the operator's words."""
    key = "data" if settings.store == EMBEDDED else "store"
    match error:
        case Invalid():
            return [f"{fault.field}: {fault.message}" for fault in error.faults]
        case Conflict():
            return [f"{_CONFLICTING_FIELDS.get(error.code, error.code)}: {error.detail}"]
        case NotFound():
            return [str(error)]
        case StoreDamaged():
            return [f"{key}: the store cannot be read: {error}"]
        case StoreFull():
            return [f"{key}: no space left for the store: {error}"]
        case StoreUnavailable():
            return [f"{key}: the store is not available: {error}"]
    return [f"data: {error}"]
