"""Mail put into a store without a gateway, through the delivery transaction itself."""

import asyncio
import hashlib
import os
from pathlib import Path

from storage.clock import system_clock
from storage.content.message_bytes import Content, ContentDirectory, content_name
from storage.database import Tx
from storage.delivery.arrivals import Arrival, Outcome, Recipient, Stored
from storage.delivery.deliver import deliver
from storage.directory.resolve import resolve
from storage.engines.sqlite import open_sqlite
from storage.ids import to_text


def put(
    data: Path, content: bytes, *recipients: str, subject: str = "", large: bool = False
) -> str:
    """Deliver one message; its id. With `large` its content is kept in a file."""
    return to_text("msg", asyncio.run(_put(data, content, recipients, subject, large)).message_id)


async def _put(
    data: Path, content: bytes, recipients: tuple[str, ...], subject: str, large: bool
) -> Stored:
    kept = _in_file(data, content) if large else _in_database(content)
    split = [recipient.rpartition("@") for recipient in recipients]
    database = await open_sqlite(data, system_clock)

    async def work(tx: Tx) -> list[Outcome]:
        route = await resolve(tx, local_part=split[0][0], domain=split[0][2])
        arrival = Arrival(
            tenant_id=route.tenant_id,
            recipients=tuple(Recipient(f"{name}@{host}", name, host) for name, _, host in split),
            reverse_path="sender@client.example",
            client_ip="192.0.2.1",
            helo="client.example",
            protocol="ESMTP",
            tls=None,
            received_field=b"Received: from client.example\r\n",
            received_at=system_clock(),
            header_message_id=None,
            references=(),
            from_name="",
            from_email="sender@client.example",
            subject=subject,
            mailboxes=b"{}",
            automatic=False,
            content=kept,
        )
        return await deliver(
            tx,
            [arrival],
            confirmed=[],
            owner=bytes(16),
            is_open=lambda _: False,
            postmaster="",
        )

    try:
        (outcome,) = await database.write(work)
    finally:
        await database.close()
    assert isinstance(outcome, Stored)
    return outcome


def _in_database(content: bytes) -> Content:
    return Content(hashlib.sha256(content).digest(), len(content), content, None)


def _in_file(data: Path, content: bytes) -> Content:
    directory = ContentDirectory(data)
    directory.prepare()
    spool = directory.new_spool(os.urandom(16))
    name = content_name(spool.path.name)
    spool.write([content])
    spool.finish()
    directory.place([spool])
    return Content(hashlib.sha256(content).digest(), len(content), None, name)
