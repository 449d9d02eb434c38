"""A small post room in a store of either engine, with the parser's work done in the test itself."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from gateway.message.arrival import arrival
from gateway.message.header_scan import scan
from gateway.parser.message import parse
from storage.accounts import tenants
from storage.address import parse_address
from storage.clock import SECOND
from storage.content.message_bytes import Content
from storage.cursors import partition_of
from storage.database import Database, Store, Tx
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import Recipient, Stored
from storage.directory import domains, inboxes, lists
from storage.mailbox import parse_queue, parsed
from storage.mailbox.parse_queue import ParseClaim, Wanted
from storage.message_format.mime_parts import Parsed
from storage.outbound.bounces import record_report
from tests.support.engines import Engine

EVERYTHING = (Wanted(), Wanted(again=True))
START = 1_800_000_000 * SECOND
ANN, BEN, TEAM = "ann@example.test", "ben@example.test", "team@example.test"


@dataclass(slots=True)
class _Clock:
    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass(slots=True)
class Post:
    """A tenant with two inboxes, and a list that both are members of."""

    database: Store
    clock: _Clock
    tenant_id: bytes = b""
    raw: dict[str, bytes] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return self.clock.now

    def later(self, microseconds: int) -> None:
        self.clock.now += microseconds

    async def deliver(self, content: bytes, *recipients: str, file: str | None = None) -> bytes:
        """Store a message as the gateway does, a second after the last one; its id."""
        self.later(SECOND)
        digest = hashlib.sha256(self.now.to_bytes(8, "big")).digest()
        arrived = arrival(
            scan(content),
            Content(digest, len(content), None if file else content, file),
            tenant_id=self.tenant_id,
            recipients=[Recipient(one, *one.split("@")) for one in recipients or (TEAM,)],
            reverse_path="grace@sender.test",
            client_ip="192.0.2.7",
            helo="mx.sender.test",
            protocol="ESMTP",
            hostname="mail.example.test",
            transaction_id="t",
            now=self.now,
        )
        (outcome,) = await self.database.write(
            lambda tx: delivery.deliver(
                tx,
                [arrived],
                confirmed=(),
                owner=b"test",
                is_open=lambda digest: False,
                postmaster="",
            )
        )
        assert isinstance(outcome, Stored), outcome
        return outcome.message_id

    async def claim(self, *, limit: int = 1_000) -> list[ParseClaim]:
        return await claim_waiting(self.database, self.now, limit=limit)

    async def parse_all(self) -> None:
        """Do the work of the parser on everything that waits."""
        await parse_waiting(self.database, self.now)


async def parse_waiting(database: Database, now: int) -> None:
    """Do the work of the parser, in a store that need not be a post room's."""
    for one in await claim_waiting(database, now):
        result = parse(one.content.body or b"", lambda: True)
        await database.write(partial(_record, one, result, now))


async def _record(one: ParseClaim, result: Parsed, now: int, tx: Tx) -> None:
    await parsed.record(tx, [(one, result)])
    if one.bounce_of is not None or result.report is not None:
        await record_report(tx, message_id=one.message_id, report=result.report, now=now)


@asynccontextmanager
async def open_post(engine: Engine) -> AsyncIterator[Post]:
    """A store with the tenant and its addresses; its clock is the post room's."""
    clock = _Clock()
    database = await engine.open(clock)
    try:
        post = Post(database, clock)
        await database.write(lambda tx: _people(tx, post))
        yield post
    finally:
        await database.close()


async def _people(tx: Tx, post: Post) -> None:
    tenant = await tenants.create_tenant(tx, name="Example", now=post.now)
    post.tenant_id = tenant.tenant_id
    await domains.trust_domain(tx, tenant_id=post.tenant_id, name="example.test", now=post.now)
    for address in (ANN, BEN):
        inbox = await inboxes.create_inbox(
            tx,
            tenant_id=post.tenant_id,
            address=parse_address(address),
            display_name="",
            owner_user_id=None,
            now=post.now,
        )
        post.raw[address] = inbox.inbox_id
    team = await lists.create_list(
        tx,
        tenant_id=post.tenant_id,
        address=parse_address(TEAM),
        name="Team",
        created_by=None,
        now=post.now,
    )
    post.raw[TEAM] = team.list_id
    for address in (ANN, BEN):
        await lists.add_member(
            tx,
            tenant_id=post.tenant_id,
            list_id=team.list_id,
            inbox_id=post.raw[address],
            now=post.now,
        )


def letter(
    text: str = "Good morning.",
    *,
    sender: str = "Grace <grace@sender.test>",
    subject: str = "Hello",
) -> bytes:
    """A message of plain text."""
    head = (
        f"From: {sender}\r\nTo: {TEAM}\r\nSubject: {subject}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return (head + text).encode()


async def claim_waiting(database: Database, now: int, *, limit: int = 1_000) -> list[ParseClaim]:
    """Claim what waits for the parser, as its job does, of one partition after the other."""

    async def work(tx: Tx) -> dict[bytes, int]:
        claimed: dict[bytes, int] = {}
        while (left := limit - len(claimed)) and (
            found := await parse_queue.first_waiting(tx, EVERYTHING, now=now)
        ) is not None:
            wanted, part = found[0], partition_of(tx, found[1])
            claimed |= await parse_queue.claim(
                tx, wanted, part=part, limit=left, hold=60 * SECOND, now=now
            )
        return claimed

    claimed = await database.write(work)
    return await database.read(lambda tx: parse_queue.load(tx, claimed))
