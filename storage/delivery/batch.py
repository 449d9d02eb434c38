"""The working set of one delivery transaction: cached look-ups, and rows to write at its end.

- Nothing is looked up twice in a transaction.
- Copies are made first, and their numbers put into the rows of their messages. Then each table gets
  its rows by one statement.
- On a store across a network that would be a round trip for the numbers. There the members of lists
  are counted with the look-ups, which no writer changes meanwhile, and all goes with the COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.database import Params, Row, Tx
from storage.delivery.arrivals import Arrival
from storage.directory.resolve import MailboxName, Resolution


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


class LookUp(NamedTuple):
    """A query, and who takes its rows."""

    sql: str
    params: Params
    take: Callable[[list[Row]], None]


async def look_up_together(tx: Tx, look_ups: Sequence[LookUp]) -> None:
    """Ask all of these queries in one round trip."""
    answers = await tx.fetch_each([(one.sql, one.params) for one in look_ups])
    for one, rows in zip(look_ups, answers, strict=True):
        one.take(rows)


class CopiesToMake(NamedTuple):
    """A statement that makes copies of a message for the inboxes of `target`.

    `made` is how many; None when that is not known before.
    """

    statement: str
    target: dict[str, object]
    message_id: bytes
    made: int | None


@dataclass(slots=True)
class DeliveryBatch:
    """Cached look-ups, and rows still to write.

    `threads` are by tenant and reference, and `unknown` the references that have none; those that
    may be closed are in `closed`. `looked_up` are receipts by digest, None where there is none.
    `members` are numbers of members by list, where they were counted. `owed` counts the copies made
    of a message. `owner` names this process in receipts; for its own deliveries `is_open` tells by
    digest whether their session may still confirm them.
    """

    tx: Tx
    owner: bytes
    is_open: Callable[[bytes], bool]
    postmaster: str
    resolutions: dict[MailboxName, Resolution] = field(default_factory=dict)
    threads: dict[tuple[bytes, bytes], Known] = field(default_factory=dict)
    joined: dict[bytes, bytes] = field(default_factory=dict)
    joins: list[Join] = field(default_factory=list)
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    looked_up: dict[bytes, Row | None] = field(default_factory=dict)
    unknown: set[tuple[bytes, bytes]] = field(default_factory=set)
    closed: set[bytes] = field(default_factory=set)
    members: dict[bytes, int] = field(default_factory=dict)
    copies: list[CopiesToMake] = field(default_factory=list)
    owed: dict[bytes, int] = field(default_factory=dict)
    messages: dict[bytes, dict[str, object]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, statement: str, **row: object) -> None:
        """Have `statement` run for `row` after the last message."""
        self.rows.setdefault(statement, []).append(row)

    def add_message(self, statement: str, *, message_id: bytes, **row: object) -> None:
        """Have `statement` run for the row of a message, with the number of its copies: `owed`."""
        row["message_id"] = message_id
        self.messages[message_id] = row
        self.rows.setdefault(statement, []).append(row)

    async def write_rows(self) -> None:
        """Make the copies, then run each added statement once with all its rows."""
        made = [one.made for one in self.copies]
        if None in made:
            each = [(one.statement, one.target) for one in self.copies]
            made = [*await self.tx.execute_each(each)]
        else:
            statements: dict[str, list[dict[str, object]]] = {}
            for one in self.copies:
                statements.setdefault(one.statement, []).append(one.target)
            await self.tx.execute_all(statements)
        # The row of a message holds how many it got, which `postroom audit` compares.
        owed = self.owed
        for copies, count in zip(self.copies, made, strict=True):
            owed[copies.message_id] = owed.get(copies.message_id, 0) + (count or 0)
        for message_id, row in self.messages.items():
            row["owed"] = owed.get(message_id, 0)
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
