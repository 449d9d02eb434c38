"""The working set of one delivery transaction: cached look-ups, and rows to write at its end.

- Nothing is looked up twice in a transaction.
- The copies of all messages that came by one route are made together, and their numbers put into
  the rows of their messages. Then each table gets its rows by one statement, and all tables
  together: on a store across a network each of these two steps is a round trip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.database import Row, Tx
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

    `threads` are by tenant and reference, and `unknown` the references that have none; those that
    may be closed are in `closed`. `looked_up` are receipts by digest, None where there is none.
    `owed` counts the copies made of a message. `owner` names this process in receipts; for its own
    deliveries `is_open` tells by digest whether their session may still confirm them.
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
    looked_up: dict[bytes, Row | None] = field(default_factory=dict)
    unknown: set[tuple[bytes, bytes]] = field(default_factory=set)
    closed: set[bytes] = field(default_factory=set)
    copies: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    owed: Counter[bytes] = field(default_factory=Counter)
    messages: list[dict[str, object]] = field(default_factory=list)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, statement: str, **row: object) -> None:
        """Have `statement` run for `row` after the last message."""
        self.rows.setdefault(statement, []).append(row)

    def add_message(self, statement: str, **row: object) -> None:
        """Have `statement` run for the row of a message, with the number of its copies: `owed`."""
        self.messages.append(row)
        self.rows.setdefault(statement, []).append(row)

    def add_copies(self, statement: str, message_id: bytes, **target: object) -> None:
        """Have `statement` make copies of a message behind the last message."""
        self.copies.setdefault(statement, []).append({"message_id": message_id, **target})

    async def write_rows(self) -> None:
        """Make the copies, then run each added statement once with all its rows."""
        # Copies first: the row of a message holds how many it got, which `postroom audit` compares.
        for statement, targets in self.copies.items():
            made = await self.tx.execute_each(statement, targets)
            for target, count in zip(targets, made, strict=True):
                message_id = target["message_id"]
                assert isinstance(message_id, bytes)
                self.owed[message_id] += count
        for row in self.messages:
            message_id = row["message_id"]
            assert isinstance(message_id, bytes)
            row["owed"] = self.owed[message_id]
        await self.tx.execute_all(self.rows)

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
