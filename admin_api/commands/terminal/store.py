"""The store as a command opens it: beside a running server, for one transaction, then closed.

Only what may begin an installation makes a store; to everything else a directory without one is a
slip of the pen, and "no messages" would be the wrong answer. Faults of the store become
lines that name the field or the setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from admin_api.commands.terminal.faults import Faults
from config.settings import Settings
from storage.clock import system_clock
from storage.database import BesideWrites, Reads, Store
from storage.engines.opening import EMBEDDED, open_database, open_to_read
from storage.engines.sqlite import FILE_NAME
from storage.errors import (
    BackupUnusable,
    Conflict,
    Invalid,
    NotFound,
    StorageError,
    StoreDamaged,
    StoreFull,
    StoreUnavailable,
)
from storage.migrations import migrate, require_current

if TYPE_CHECKING:
    from storage.content.message_bytes import ContentDirectory
    from storage.maintenance.verification import Verification

T = TypeVar("T")

_TAKEN = {"address_taken", "domain_taken", "email_taken", "name_taken"}
_CONFLICTING_FIELDS = {
    "address_taken": "address",
    "domain_in_use": "domain",
    "domain_taken": "domain",
    "email_taken": "email",
    "last_owner": "user",
    "name_taken": "name",
    "not_deleted": "inbox",
    "backup_running": "backup",
    "other_engine": "backup",
    "other_release": "from",
    "released": "from",
}
# Of the place that a whole store is restored or copied into.
_OF_THE_PLACE = {"copy_begun", "copy_running", "not_empty", "other_tables"}
_NEXT = {"domain_not_verified": "; postroom domain list shows those that are"}


def run(settings: Settings, use: Callable[[Store], Awaitable[T]], *, make: bool = False) -> T:
    """Open the store, bring it up to this release, `use` it and close it. Raises Faults."""
    if not make:
        require_store(settings)
    try:
        return asyncio.run(_opened(settings, use))
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


def run_reading(settings: Settings, use: Callable[[Reads], Awaitable[T]]) -> T:
    """Open the store read-only, `use` it and close it; nothing is made or changed. Raises Faults.

    A store of an older release is refused: only what may write can upgrade it.
    """
    require_store(settings)
    try:
        return asyncio.run(_opened_to_read(settings, use))
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


def require_store(settings: Settings) -> None:
    """Raises Faults when the data directory holds no store, as after a slip of the pen."""
    if settings.store == EMBEDDED and not (settings.data / FILE_NAME).is_file():
        raise Faults(f"data: there is no store in {settings.data}; postroom tenant create makes it")


async def _opened_to_read(settings: Settings, use: Callable[[Reads], Awaitable[T]]) -> T:
    database = await open_to_read(settings.store, settings.data)
    try:
        await require_current(database)
        return await use(database)
    finally:
        await database.close()


async def _opened(settings: Settings, use: Callable[[Store], Awaitable[T]]) -> T:
    database = await open_database(settings.store, settings.data, system_clock)
    try:
        await migrate(database, now=system_clock())
        return await use(database)
    finally:
        await database.close()


def contents_of(
    settings: Settings, reader: Reads, store: BesideWrites | None = None
) -> ContentDirectory:
    """The contents of the store, wherever they lie; without `store` they can only be read."""
    from storage.content.object_store import Keys
    from storage.content.places import open_contents

    return open_contents(
        settings.data,
        keep_in=settings.content_place,
        reader=reader,
        store=store,
        keys=Keys(settings.content_access_key, settings.content_secret_key),
    )


def verified(settings: Settings) -> Verification:
    """Read all that the store keeps. Raises Faults when it is out of reach."""
    from storage.maintenance.verification import verify  # loads far more than other commands need

    try:
        return asyncio.run(
            verify(
                settings.store,
                settings.data,
                clock=system_clock,
                contents=partial(contents_of, settings),
            )
        )
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


def fault_lines(error: StorageError, settings: Settings) -> list[str]:
    """Return the lines of an error, in the operator's words."""
    key = "data" if settings.store == EMBEDDED else "store"
    match error:
        case Invalid():
            return [
                f"{fault.field}: {fault.message}{_NEXT.get(fault.code or '', '')}"
                for fault in error.faults
            ]
        case Conflict():
            detail = "already taken" if error.code in _TAKEN else error.detail
            field = key if error.code in _OF_THE_PLACE else _CONFLICTING_FIELDS.get(error.code)
            return [f"{field or error.code}: {detail}"]
        case NotFound():
            return [_not_found(str(error))]
        case BackupUnusable():
            return [f"backup: {error}"]
        case StoreDamaged():
            return [f"{key}: the store cannot be read: {error}"]
        case StoreFull():
            return [f"{key}: no space left for the store: {error}"]
        case StoreUnavailable():
            # Some say by themselves what it is with the store.
            said = str(error).startswith("the store ")
            return [f"{key}: {error}" if said else f"{key}: the store is not available: {error}"]
    return [f"data: {error}"]


def _not_found(text: str) -> str:
    """Name the field where the text is `no such message` and the like."""
    noun = text.removeprefix("no such ").partition(" ")[0]
    return f"{noun}: there is {text}" if text.startswith("no such ") else text
