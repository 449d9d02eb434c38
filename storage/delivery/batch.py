"""The working set of one delivery transaction: cached look-ups, and rows to write at its end.

- Nothing is looked up twice in a transaction.
- Copies are made first, and their numbers put into the rows of their messages. Then each table gets
  its rows by one statement.
- On a store across a network that would be a round trip for the numbers. There the members of lists
  are counted with the look-ups, which no writer changes meanwhile, and all goes with the COMMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class DeliveryBatch:
    """Cached look-ups, and rows still to write.

    `threads` are by tenant and reference, and `unknown` the references that have none; those that
    may be closed are in `closed`. `looked_up` are receipts by digest, None where there is none.
    `members` are numbers of members by list, where they were counted; `made` are the numbers of
    copies that the statements of `copies` make, as far as they are known before. `owed` counts the
    copies made of a message. `owner` names this process in receipts; for its own deliveries
    `is_open` tells by digest whether their session may still confirm them.
    """

    __slots__ = (
        "closed",
        "copied",
        "copies",
        "is_open",
        "joined",
        "joins",
        "looked_up",
        "made",
        "members",
        "messages",
        "owed",
        "owner",
        "postmaster",
        "receipts",
        "resolutions",
        "rows",
        "threads",
        "tx",
        "unknown",
    )

    def __init__(
        self, tx: Tx, owner: bytes, is_open: Callable[[bytes], bool], postmaster: str
    ) -> None:
        self.tx = tx
        self.owner = owner
        self.is_open = is_open
        self.postmaster = postmaster
        self.resolutions: dict[MailboxName, Resolution] = {}
        self.threads: dict[tuple[bytes, bytes], Known] = {}
        self.joined: dict[bytes, bytes] = {}
        self.joins: list[Join] = []
        self.receipts: dict[bytes, bytes] = {}
        self.looked_up: dict[bytes, Row | None] = {}
        self.unknown: set[tuple[bytes, bytes]] = set()
        self.closed: set[bytes] = set()
        self.members: dict[bytes, int] = {}
        self.copies: list[tuple[str, dict[str, object]]] = []
        self.copied: list[bytes] = []
        self.made: list[int | None] = []
        self.owed: dict[bytes, int] = {}
        self.messages: dict[bytes, dict[str, object]] = {}
        self.rows: dict[str, list[dict[str, object]]] = {}

    def add(self, statement: str, **row: object) -> None:
        """Have `statement` run for `row` after the last message."""
        self.rows.setdefault(statement, []).append(row)

    def add_message(self, statement: str, *, message_id: bytes, **row: object) -> None:
        """Have `statement` run for the row of a message, with the number of its copies: `owed`."""
        row["message_id"] = message_id
        self.messages[message_id] = row
        self.rows.setdefault(statement, []).append(row)

    def add_copies(
        self, statement: str, message_id: bytes, target: dict[str, object], *, made: int | None
    ) -> None:
        """Have `statement` run with `target` behind the last message.

        It makes `made` copies of a message; None when that is not known before.
        """
        self.copies.append((statement, target))
        self.copied.append(message_id)
        self.made.append(made)

    async def write_rows(self) -> None:
        """Make the copies, then run each added statement once with all its rows."""
        made = self.made
        if None in made:
            made = [*await self.tx.execute_each(self.copies)]
        else:
            statements: dict[str, list[dict[str, object]]] = {}
            for statement, target in self.copies:
                statements.setdefault(statement, []).append(target)
            await self.tx.execute_all(statements)
        # The row of a message holds how many it got, which `postroom audit` compares.
        owed = self.owed
        for message_id, count in zip(self.copied, made, strict=True):
            owed[message_id] = owed.get(message_id, 0) + (count or 0)
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
