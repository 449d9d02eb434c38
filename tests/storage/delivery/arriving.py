"""Arrivals of mail, their delivery, and the rows that it left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from storage.content.message_bytes import Content
from storage.database import Row
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    Recipient,
    Stored,
)
from tests.builders import (
    World,
)

US, THEM = b"u" * 16, b"t" * 16


def mail(world: World, *recipients: str, body: bytes = b"x", tenant: str = "Example") -> Arrival:
    return Arrival(
        tenant_id=world.raw[tenant],
        recipients=tuple(Recipient(text, *text.rpartition("@")[::2]) for text in recipients),
        reverse_path="grace@sender.test",
        client_ip="192.0.2.7",
        helo="mx.sender.test",
        protocol="ESMTP",
        tls=None,
        received_field=b"Received: by here\r\n",
        received_at=world.clock(),
        header_message_id=None,
        references=(),
        from_name="Grace",
        from_email="grace@sender.test",
        subject="Hello",
        mailboxes=b"{}",
        automatic=False,
        content=Content(hashlib.sha256(body).digest(), len(body), body, None),
    )


async def deliver(
    world: World,
    *arrivals: Arrival,
    confirmed: Iterable[bytes] = (),
    still_open: Iterable[bytes] = (),
    owner: bytes = US,
) -> list[Outcome]:
    return await world.database.write(
        lambda tx: delivery.deliver(
            tx,
            arrivals,
            confirmed=tuple(confirmed),
            owner=owner,
            is_open=set(still_open).__contains__,
            postmaster="",
        )
    )


async def stored(world: World, arrival: Arrival) -> Stored:
    """Deliver one message that must be stored, and let its sender confirm that it knows."""
    (outcome,) = await deliver(world, arrival)
    assert isinstance(outcome, Stored), outcome
    await deliver(world, confirmed=outcome.digests)
    return outcome


async def rows(world: World, sql: str, **params: object) -> list[Row]:
    return await world.database.read(lambda tx: tx.fetch_all(sql, params))


async def holders(world: World, message_id: bytes) -> list[str]:
    found = await rows(
        world,
        "SELECT i.address FROM copies c JOIN inboxes i ON i.inbox_id = c.inbox_id"
        " WHERE c.message_id = :message_id ORDER BY i.address",
        message_id=message_id,
    )
    return [row["address"] for row in found]


async def count(world: World, table: str) -> int:
    (row,) = await rows(world, f"SELECT COUNT(*) AS number FROM {table}")
    return int(row["number"])


async def nothing_of_mail(world: World) -> bool:
    tables = ("messages", "contents", "copies", "copy_routes", "routes", "threads", "receipts")
    return [await count(world, table) for table in tables] == [0] * len(tables)
