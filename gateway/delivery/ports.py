"""The ports between a session and the delivery, whichever process writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Protocol

from storage.content.message_bytes import SpoolFile
from storage.delivery.arrivals import Arrival, Outcome


class DeliveryPort(Protocol):
    """The deliverer as a session sees it, here or in the main process."""

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        """See `gateway.delivery.group_commit.Deliverer.submit`."""
        ...

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        """See `gateway.delivery.group_commit.Deliverer.withdraw`."""
        ...


class ConfirmationPort(Protocol):
    """The confirmations as a connection sees them, here or in the main process."""

    def confirm(self, digests: Iterable[bytes]) -> None:
        """See `gateway.delivery.confirmations.Confirmations.confirm`."""
        ...

    def close(self, digests: Iterable[bytes]) -> None:
        """See `gateway.delivery.confirmations.Confirmations.close`."""
        ...


class RatePort(Protocol):
    """The interface through which a session asks for a token, in this or the main process."""

    def take(self, list_id: bytes, network: str) -> bool | Awaitable[bool]:
        """See `gateway.delivery.list_rate.ListRates.take`."""
        ...


class EmptyListPort(Protocol):
    """The counter of attempts at lists without members, here or in the main process."""

    def note(self, list_id: bytes) -> None:
        """See `gateway.delivery.empty_list_attempts.Deferred.note`."""
        ...
