"""Errors of the store: not found, conflict, invalid input, and a store that cannot be used.

Expected outcomes are returned as values; these are for the rest. Each edge has one table that turns
them into a reply or a response: nothing here knows an SMTP or HTTP code.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class StorageError(Exception):
    """The root of all that this package raises on purpose."""


class NotFound(StorageError):
    """The thing named is not there, is another tenant's, or is not visible: all look alike."""


class Conflict(StorageError):
    """A state that forbids the change; `code` is stable and snake_case."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One fault of the input: the field as its sender wrote it, and what is wrong with it."""

    field: str
    message: str
    code: str | None = None


class Invalid(StorageError):
    """Input that cannot be taken; carries every fault found, not only the first."""

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


class StoreUnavailable(StorageError):
    """The store is locked, stopped or out of reach; the same call may succeed later."""


class StoreDamaged(StoreUnavailable):
    """The file is no database of ours, or pages of it are damaged."""


class StoreFull(StoreUnavailable):
    """No space is left on the device that holds the store."""


class BackupUnusable(StorageError):
    """A backup, or the directory of backups, cannot be used; the store is not concerned."""


def kind_of(error: OSError) -> type[StoreUnavailable]:
    """Map an error of the file system to the store's."""
    return StoreFull if error.errno in _NO_SPACE else StoreUnavailable


class OutcomeUnknown(StoreUnavailable):
    """The store was lost while it committed: the transaction happened, or it did not.

    Nothing that the transaction names may be thrown away.
    """
