"""What tests need to exist before they begin: a store with people, addresses and mail in it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import httpx2
import orjson
from starlette.applications import Starlette

from admin_api.access.passwords import hash_password
from admin_api.app import create_app
from admin_api.service.webhook_port import Tried, Webhooks
from config.settings import Settings
from gateway.message.arrival import arrival
from gateway.message.header_scan import scan
from gateway.webhooks.targets import why_not
from storage.accounts import sessions, tenants, tokens, users
from storage.address import parse_address
from storage.alerts.alerts import Alert
from storage.clock import SECOND
from storage.contacts import relationships
from storage.content.message_bytes import Content, ContentDirectory
from storage.content.places import open_contents
from storage.database import Store, Tx
from storage.delivery import deliver as delivery
from storage.delivery.arrivals import Arrival, Recipient, Stored
from storage.directory import domains, inboxes, lists
from storage.ids import to_text
from storage.mailbox.copies import Copy, list_copies
from storage.wakeup import WakeUp
from tests.support.documented import check_response
from tests.support.engines import Engine, Held

PASSWORD = "correct horse battery"
START = 1_800_000_000 * SECOND

TENANT_OWNER, TENANT_ADMIN, MEMBER = "olga@people.test", "adam@people.test", "mia@people.test"
STRANGER = "sam@elsewhere.test"
SALES, SUPPORT, AGENT = "Sales@example.test", "support@example.test", "agent@example.test"
TEAM = "Team@example.test"
FOREIGN_INBOX, FOREIGN_LIST = "desk@other.test", "all@other.test"


@dataclass(slots=True)
class FakeClock:
    """The time, which passes when a test says so; seconds that elapsed never go back."""

    now: int = START
    elapsed: float = 0.0

    def __call__(self) -> int:
        return self.now

    def advance(self, microseconds: int) -> None:
        self.now += microseconds
        self.elapsed += max(0, microseconds) / SECOND


async def _unreachable(alert: Alert) -> Tried:
    return Tried(None, "the connection was refused", 1)


@dataclass(slots=True)
class FakeSender:
    """What is tried out goes where a test says."""

    send: Callable[[Alert], Awaitable[Tried]] = _unreachable

    async def __call__(self, alert: Alert) -> Tried:
        return await self.send(alert)


@dataclass(slots=True)
class World:
    """Two tenants in one store, and the API over it.

    `ids` are texts by address, e-mail or tenant name; `secrets` are tokens by inbox address and
    sessions by e-mail; `one_of_each` is what a furnished world has of each kind that paths name,
    of this tenant's (True) and of the other's.
    """

    database: Store
    content: ContentDirectory
    clock: FakeClock
    app: Starlette
    tenant_id: bytes = b""
    raw: dict[str, bytes] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    one_of_each: dict[bool, dict[str, str]] = field(default_factory=dict)
    commits: WakeUp = field(default_factory=WakeUp)
    webhooks: FakeSender = field(default_factory=FakeSender)

    def client(self, who: str | None = None, *, secret: str | None = None) -> httpx2.AsyncClient:
        """The API as an inbox's token or a user's session sees it; without either, as nobody."""
        secret = self.secrets[who] if who else secret
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app),
            base_url="http://postroom.test",
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            event_hooks={"response": [check_response]},
        )

    def remember(self, name: str, prefix: str, raw: bytes) -> None:
        self.raw[name] = raw
        self.ids[name] = to_text(prefix, raw)


@asynccontextmanager
async def open_store(
    engine: Engine, clock: FakeClock | None = None, *, is_current: bool = False
) -> AsyncIterator[tuple[Store, FakeClock]]:
    """An empty store of this release, and its clock."""
    clock = clock or FakeClock()
    database = await engine.open(clock, is_current=is_current)
    try:
        yield database, clock
    finally:
        await database.close()


@asynccontextmanager
async def open_world(
    engine: Engine, *, like: World | None = None, **settings: object
) -> AsyncIterator[World]:
    """Tenant Example, with a list of two members and an inbox beside it, and a tenant Other.

    When the store is a copy of a world's, `like`, that one's names and secrets are told again. So
    they are where the store is new: a process makes these people once on each engine, and copies.
    """
    if is_first := like is None and engine.is_new:
        like, held = _peopled.get(engine.name, (None, b""))
        if like:
            engine.fill(held)
    told = FakeClock(like.clock.now) if like else None
    async with open_store(engine, told, is_current=like is not None) as (database, clock):
        content = open_contents(engine.data, keep_in="files", reader=database, store=database)
        content.prepare()
        webhooks = FakeSender()
        app = create_app(
            database=database,
            content=content,
            settings=Settings(**settings),  # type: ignore[arg-type]  # a test names real ones
            clock=clock,
            ticks=lambda: clock.elapsed,
            commits=(commits := WakeUp()),
            webhooks=Webhooks(why_not, webhooks),
        )
        world = World(database, content, clock, app, commits=commits, webhooks=webhooks)
        if like:
            world.tenant_id, world.one_of_each = like.tenant_id, like.one_of_each
            world.raw, world.ids, world.secrets = {**like.raw}, {**like.ids}, {**like.secrets}
        else:
            await database.write(lambda tx: _people_example(tx, world))
            await database.write(lambda tx: _people_other(tx, world))
            if is_first:
                _peopled[engine.name] = _copied(world), engine.held()
        yield world


_peopled: dict[str, tuple[World, Held]] = {}  # of this process


def _copied(world: World) -> World:
    """Return what is told again of a world, as it is now."""
    return replace(
        world,
        clock=FakeClock(world.clock.now),
        raw={**world.raw},
        ids={**world.ids},
        secrets={**world.secrets},
    )


async def _people_example(tx: Tx, world: World) -> None:
    tenant_id = world.tenant_id = await _tenant(tx, world, "Example", "example.test")
    for email, role in ((TENANT_OWNER, "owner"), (TENANT_ADMIN, "admin"), (MEMBER, "member")):
        await _user(tx, world, tenant_id, email, role)
    for address, owner in ((SALES, TENANT_OWNER), (SUPPORT, MEMBER), (AGENT, None)):
        await _inbox(tx, world, tenant_id, address, owner)
    await _list(tx, world, tenant_id, TEAM, (SALES, SUPPORT))


async def _people_other(tx: Tx, world: World) -> None:
    tenant_id = await _tenant(tx, world, "Other", "other.test")
    await _user(tx, world, tenant_id, STRANGER, "owner")
    await _inbox(tx, world, tenant_id, FOREIGN_INBOX, STRANGER)
    await _list(tx, world, tenant_id, FOREIGN_LIST, (FOREIGN_INBOX,))


async def _tenant(tx: Tx, world: World, name: str, domain: str) -> bytes:
    now = world.clock()
    tenant = await tenants.create_tenant(tx, name=name, now=now)
    await domains.trust_domain(tx, tenant_id=tenant.tenant_id, name=domain, now=now)
    world.remember(name, "tnt", tenant.tenant_id)
    return tenant.tenant_id


async def _user(tx: Tx, world: World, tenant_id: bytes, email: str, role: str) -> None:
    now = world.clock()
    user = await users.create_user(
        tx,
        tenant_id=tenant_id,
        email=parse_address(email),
        name=email.partition("@")[0].title(),
        role=role,
        password_hash=password_hash(),
        now=now,
    )
    world.remember(email, "usr", user.user_id)
    _, world.secrets[email] = await sessions.create_session(
        tx, tenant_id=tenant_id, user_id=user.user_id, now=now
    )


@lru_cache(maxsize=1)
def password_hash() -> str:
    return hash_password(PASSWORD)


async def _inbox(tx: Tx, world: World, tenant_id: bytes, address: str, owner: str | None) -> None:
    inbox = await inboxes.create_inbox(
        tx,
        tenant_id=tenant_id,
        address=parse_address(address),
        display_name="",
        owner_user_id=world.raw[owner] if owner else None,
        now=world.clock(),
    )
    world.remember(address, "inb", inbox.inbox_id)
    token, world.secrets[address] = await tokens.create_token(
        tx,
        tenant_id=tenant_id,
        inbox_id=inbox.inbox_id,
        label="tests",
        scopes=tokens.SCOPES,
        created_by=None,
        expires_at=None,
        now=world.clock(),
    )
    world.remember(f"token of {address}", "tok", token.token_id)


async def _list(
    tx: Tx, world: World, tenant_id: bytes, address: str, members: Iterable[str]
) -> None:
    made = await lists.create_list(
        tx,
        tenant_id=tenant_id,
        address=parse_address(address),
        name="Everybody",
        created_by=None,
        now=world.clock(),
    )
    world.remember(address, "lst", made.list_id)
    for member in members:
        await lists.add_member(
            tx,
            tenant_id=tenant_id,
            list_id=made.list_id,
            inbox_id=world.raw[member],
            now=world.clock(),
        )


async def token_with(world: World, address: str, *scopes: str) -> str:
    """The secret of a new token of an inbox of Example."""
    _, secret = await world.database.write(
        lambda tx: tokens.create_token(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[address],
            label="narrow",
            scopes=scopes,
            created_by=None,
            expires_at=None,
            now=world.clock(),
        )
    )
    return secret


MESSAGE = (
    b"From: Grace <grace@sender.test>\r\nTo: team@example.test\r\n"
    b"Subject: Hello\r\nMessage-ID: <1@sender.test>\r\n\r\nGood morning.\r\n"
)


async def copies_in(
    world: World,
    address: str,
    *,
    folder: str = "inbox",
    is_read: bool | None = None,
    before: bytes | None = None,
    limit: int = 50,
) -> list[Copy]:
    """What the inbox of tenant Example at `address` lists of a folder, newest first."""
    return await world.database.read(
        lambda tx: list_copies(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[address],
            folder=folder,
            is_read=is_read,
            before=before,
            limit=limit,
        )
    )


async def deliver(
    world: World,
    *recipients: str,
    body: bytes = MESSAGE,
    tenant: str = "Example",
    file: str | None = None,
    subject: str = "Hello",
    name: str | None = None,
    references: tuple[str, ...] = (),
    sender: str = "grace@sender.test",
    reverse_path: str | None = None,
    automatic: bool = False,
    count: bool = False,
) -> str:
    """Store a message as the gateway does, a second after the last one; its id.

    `name` is its Message-ID; `references` are the ids it refers to, the likeliest first.
    """
    world.clock.advance(SECOND)
    content = Content(hashlib.sha256(body).digest(), len(body), None if file else body, file)
    arrived = Arrival(
        tenant_id=world.raw[tenant],
        recipients=tuple(Recipient(text, *text.rpartition("@")[::2]) for text in recipients),
        reverse_path=sender if reverse_path is None else reverse_path,
        client_ip="192.0.2.7",
        helo="mx.sender.test",
        protocol="ESMTP",
        tls=None,
        received_field=b"Received: from mx.sender.test by here; now\r\n",
        received_at=world.clock(),
        header_message_id=name,
        references=references,
        from_name="Grace",
        from_email=sender,
        subject=subject,
        mailboxes=orjson.dumps({"to": [["", "team@example.test"]], "cc": []}),
        automatic=automatic,
        content=content,
    )
    (message_id,) = await _stored(world, [arrived])
    if count:
        await count_all(world)
    return message_id


async def receive(world: World, *recipients: str, body: bytes) -> str:
    """Take a message as the gateway does, with what its own header says; its id."""
    (message_id,) = await receive_all(world, *recipients, bodies=[body])
    return message_id


async def receive_all(world: World, *recipients: str, bodies: Iterable[bytes]) -> list[str]:
    """Take several messages in one transaction."""
    world.clock.advance(SECOND)
    return await _stored(
        world,
        [
            arrival(
                scan(body),
                Content(hashlib.sha256(body).digest(), len(body), body, None),
                tenant_id=world.tenant_id,
                recipients=[Recipient(text, *text.rpartition("@")[::2]) for text in recipients],
                reverse_path="bounce@sender.test",
                client_ip="192.0.2.7",
                helo="mx.sender.test",
                protocol="ESMTP",
                hostname="mail.example.test",
                transaction_id="t",
                now=world.clock(),
            )
            for body in bodies
        ],
    )


async def _stored(world: World, arrived: list[Arrival]) -> list[str]:
    outcomes = await world.database.write(
        lambda tx: delivery.deliver(
            tx,
            arrived,
            confirmed=(),
            owner=b"x" * 16,
            is_open=lambda digest: False,
            postmaster="",
        )
    )
    stored = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    assert len(stored) == len(arrived), outcomes
    for one in stored:
        await world.database.write(lambda tx, one=one: _confirm(tx, one))  # type: ignore[misc]
    return [to_text("msg", one.message_id) for one in stored]


async def _confirm(tx: Tx, stored: Stored) -> None:
    """The sender saw the reply, so the same bytes again are a new message."""
    await delivery.deliver(
        tx,
        [],
        confirmed=stored.digests,
        owner=b"x" * 16,
        is_open=lambda digest: False,
        postmaster="",
    )


async def count_all(world: World) -> None:
    """Do what the worker of relationships does after a commit."""
    while found := await world.database.read(relationships.uncounted):
        for some in found:
            await world.database.write(partial(relationships.count_some, some=some))
