"""The working set of one delivery transaction: cached look-ups, and rows to write at its end.

Nothing is looked up twice in a transaction, and each table gets the rows of all messages by one
statement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.database import Tx
from storage.delivery.arrivals import Arrival
from storage.directory.resolve import Resolution


class Known(NamedTuple):
    """The thread of a reference, and whether a message of that id came already."""

    thread_id: bytes
    is_message: bool


class Join(NamedTuple):
    """Two threads to be joined; the message that showed it has an id after `since`."""

    tenant_id: bytes
    older: bytes
    younger: bytes
    since: bytes


@dataclass(slots=True)
class DeliveryBatch:
    """Cached look-ups, and rows still to write.

    `owner` names this process in receipts; for its own deliveries `is_open` tells by digest whether
    their session may still confirm them.
    """

    tx: Tx
    owner: bytes
    is_open: Callable[[bytes], bool]
    postmaster: str
    resolutions: dict[tuple[str, str], Resolution] = field(default_factory=dict)
    threads: dict[tuple[bytes, bytes], Known] = field(default_factory=dict)
    joined: dict[bytes, bytes] = field(default_factory=dict)
    joins: list[Join] = field(default_factory=list)
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, statement: str, **row: object) -> None:
        """Have `statement` run for `row` after the last message."""
        self.rows.setdefault(statement, []).append(row)

    async def write_rows(self) -> None:
        """Run each added statement once with all its rows, in the order of their first use."""
        for statement, rows in self.rows.items():
            await self.tx.execute_many(statement, rows)

    def record_received(self, arrival: Arrival, message_id: bytes, thread_id: bytes) -> None:
        """Write the event of this message; its inboxes are derived from the copies."""
        self.add(
            _RECEIVED,
            event_id=self.tx.new_id(),
            tenant_id=arrival.tenant_id,
            message_id=message_id,
            thread_id=thread_id,
            now=arrival.received_at,
        )


_RECEIVED = """
    INSERT INTO events (event_id, tenant_id, type, message_id, thread_id, created_at)
    VALUES (:event_id, :tenant_id, 'message.received', :message_id, :thread_id, :now)
"""
