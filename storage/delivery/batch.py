"""What the messages of one delivery transaction share.

Answers that are known already are not asked for twice, and rows of all messages are written by one
statement for each table, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from storage.database import Tx
from storage.delivery.arrivals import Arrival
from storage.directory.resolve import Resolution


@dataclass(slots=True)
class DeliveryBatch:
    """Answers already known, rows still to write.

    `owner` names this process in receipts; of its own deliveries `is_open` tells by digest whether
    their session may still confirm them.
    """

    tx: Tx
    owner: bytes
    is_open: Callable[[bytes], bool]
    postmaster: str
    resolutions: dict[tuple[str, str], Resolution] = field(default_factory=dict)
    threads: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, statement: str, **row: object) -> None:
        """Have `statement` run for `row` when all messages are through."""
        self.rows.setdefault(statement, []).append(row)

    async def write_rows(self) -> None:
        """Run what was added, a statement at a time, in the order they were first added."""
        for statement, rows in self.rows.items():
            await self.tx.execute_many(statement, rows)

    def record_received(self, arrival: Arrival, message_id: bytes, thread_id: bytes) -> None:
        """Write the event of this message; whom it concerns is derived from the copies."""
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
