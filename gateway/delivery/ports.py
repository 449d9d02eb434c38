"""The interfaces between a session and the delivery, whichever process writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from storage.content.message_bytes import SpoolFile
from storage.delivery.arrivals import Arrival, Outcome


class DeliveryPort(Protocol):
    """What a session needs of a deliverer, here or in the first process."""

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        """See `gateway.delivery.group_commit.Deliverer.submit`."""
        ...

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        """See `gateway.delivery.group_commit.Deliverer.withdraw`."""
        ...


class ConfirmationPort(Protocol):
    """What a connection needs of a ledger, here or in the first process."""

    def confirm(self, digests: Iterable[bytes]) -> None:
        """See `gateway.delivery.confirmations.Ledger.confirm`."""
        ...

    def close(self, digests: Iterable[bytes]) -> None:
        """See `gateway.delivery.confirmations.Ledger.close`."""
        ...


class EmptyListPort(Protocol):
    """What a session needs to tell of a list without members, here or in the first process."""

    def note(self, list_id: bytes) -> None:
        """See `gateway.delivery.empty_list_attempts.Deferred.note`."""
        ...
