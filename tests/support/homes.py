"""Tenants with one inbox each, in a store on PostgreSQL that two gateways have open."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gateway.message.arrival import arrival
from gateway.message.header_scan import scan
from storage.accounts import tenants
from storage.address import parse_address
from storage.clock import Clock, system_clock
from storage.content.message_bytes import Content
from storage.database import Store, Tx
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import Arrival, Recipient, Stored
from storage.directory import domains, inboxes
from storage.engines.opening import open_database
from tests.support.engines import Engine
from tests.support.post_room import letter

HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Home:
    """A tenant and its inbox."""

    tenant_id: bytes
    inbox_id: bytes
    address: str


def an_hour_late() -> int:
    """A clock that was put back."""
    return system_clock() - HOUR


@asynccontextmanager
async def two_gateways(
    engine: Engine, count: int
) -> AsyncIterator[tuple[Sequence[Store], list[Home]]]:
    """A store with so many tenants, open twice; the clock of the second is late."""
    first = await engine.open()
    second = await open_database(engine.store, engine.data, an_hour_late)
    try:
        yield (
            (first, second),
            [await first.write(partial(_settle, number=number)) for number in range(count)],
        )
    finally:
        await second.close()
        await first.close()


async def _settle(tx: Tx, *, number: int) -> Home:
    now, name = system_clock(), f"home{number}.test"
    tenant = await tenants.create_tenant(tx, name=name, now=now)
    await domains.trust_domain(tx, tenant_id=tenant.tenant_id, name=name, now=now)
    inbox = await inboxes.create_inbox(
        tx,
        tenant_id=tenant.tenant_id,
        address=parse_address(f"ann@{name}"),
        display_name="",
        owner_user_id=None,
        now=now,
    )
    return Home(tenant.tenant_id, inbox.inbox_id, f"ann@{name}")


def to_home(home: Home, text: str, clock: Clock = system_clock) -> Arrival:
    """A letter that has come for a home."""
    body = letter(text)
    return arrival(
        scan(body),
        Content(hashlib.sha256(body + home.tenant_id).digest(), len(body), body, None),
        tenant_id=home.tenant_id,
        recipients=[Recipient(home.address, *home.address.split("@"))],
        reverse_path="grace@sender.test",
        client_ip="192.0.2.7",
        helo="mx.sender.test",
        protocol="ESMTP",
        hostname="mail.example.test",
        transaction_id="t",
        now=clock(),
    )


async def store_letters(tx: Tx, *, arrivals: Sequence[Arrival]) -> list[bytes]:
    """Store them as the gateway does; their ids."""
    outcomes = await delivery.deliver(
        tx,
        arrivals,
        confirmed=(),
        owner=b"test",
        is_open=lambda digest: False,
        postmaster="",
    )
    stored = [one for one in outcomes if isinstance(one, Stored)]
    assert len(stored) == len(arrivals), outcomes
    return [one.message_id for one in stored]


async def deliver_to(store: Store, home: Home, text: str) -> bytes:
    """Deliver one letter to a home, in the transaction of its partition."""
    work = partial(store_letters, arrivals=[to_home(home, text)])
    part = store.partition_of(home.tenant_id)
    (message_id,), durable = await store.commit(work, changes_routes=False, part=part)
    await durable
    return message_id
