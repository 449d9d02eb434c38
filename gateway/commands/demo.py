"""`postroom demo`: a list with three members, served immediately, with lines to paste.

- A store that has other tenants is refused.
- On a store that had the demo before, everything stays; passwords and tokens are new ones.
- The setting `data` does not count here, only the option: a demonstration never writes into the
  store of an installation by itself.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from admin_api.access.passwords import hash_password
from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation
from admin_api.commands.terminal.store import run
from admin_api.commands.users import link_of
from config.listening import ListenAddress, reachable, url_of
from config.loading import DEMO
from config.settings import Settings
from config.sources import CONFIG
from config.values import Endpoint
from gateway.commands.startup import serve_until_told
from gateway.server.lifecycle import Running
from storage.accounts.sign_in_links import create_link
from storage.accounts.tenants import Tenant, create_tenant, list_tenants
from storage.accounts.tokens import SCOPES, create_token
from storage.accounts.users import User, create_user, find_user_by_email, set_password
from storage.address import parse_address
from storage.clock import system_clock
from storage.database import Database, Tx
from storage.directory.domains import trust_domain
from storage.directory.inboxes import Inbox, create_inbox, find_inbox_by_address
from storage.directory.lists import DistributionList, add_member, create_list, find_list_by_address
from storage.errors import NotFound
from storage.ids import to_text

TENANT = "Example"
DOMAIN = "example.test"
LIST = "team"
OWNER = "owner"
MEMBERS = ("member1", "member2", "member3")
# Who owns which member inbox; the third member has none yet.
INBOXES = {"sales": "member1", "support": OWNER, "agent": "member2"}


@dataclass(frozen=True, slots=True)
class Login:
    """A user, the password in clear, and the code of a link that signs them in."""

    user: User
    password: str
    code: str


@dataclass(frozen=True, slots=True)
class Scene:
    """The objects of the demo store. `inboxes` come with their tokens in clear."""

    tenant: Tenant
    logins: dict[str, Login]
    team: DistributionList
    inboxes: tuple[tuple[Inbox, str], ...]


def serve_demo(call: Invocation, *, smtp: str | None, http: str | None) -> int:
    """Furnish the store, serve it, print how to use it; the exit status. Raises Faults."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the store is removed even now
    if call.config is None and not os.environ.get(CONFIG):
        call.config = str(DEMO)
    with ExitStack() as cleanup:
        kept = call.data is not None
        if not kept:
            folder = tempfile.TemporaryDirectory(
                prefix="postroom-demo-", ignore_cleanup_errors=True
            )
            call.data = cleanup.enter_context(folder)
        settings = call.load_settings(smtp=smtp, http=http)
        _check_ports(settings)
        scene = run(settings, _furnish, make=True)

        def announce(running: Running) -> None:
            ends = Ends.of(running)
            call.answer(_record(scene, ends), _block(scene, ends, settings, kept=kept))

        return serve_until_told(settings, announce)


async def _furnish(database: Database) -> Scene:
    passwords = {name: secrets.token_urlsafe(12) for name in (OWNER, *MEMBERS)}
    hashes = {name: hash_password(password) for name, password in passwords.items()}

    async def work(tx: Tx) -> Scene:
        return await _scene(tx, passwords, hashes, system_clock())

    return await database.write(work)


async def _scene(tx: Tx, passwords: dict[str, str], hashes: dict[str, str], now: int) -> Scene:
    if any(one.name != TENANT for one in await list_tenants(tx)):
        raise Faults("data: this store has other tenants; give the demo a --data of its own")
    tenant = await _tenant(tx, now)
    tenant_id = tenant.tenant_id
    await trust_domain(tx, tenant_id=tenant_id, name=DOMAIN, now=now)
    logins = {
        name: await _login(tx, await _user(tx, tenant_id, name, hashes[name], now), password, now)
        for name, password in passwords.items()
    }
    team = await _list(tx, tenant_id, now)
    inboxes = []
    for name, owner in INBOXES.items():
        inbox = await _inbox(tx, tenant_id, name, logins[owner].user, now)
        await add_member(
            tx, tenant_id=tenant_id, list_id=team.list_id, inbox_id=inbox.inbox_id, now=now
        )
        _, token = await create_token(
            tx,
            tenant_id=tenant_id,
            inbox_id=inbox.inbox_id,
            label="demo",
            scopes=SCOPES,
            created_by=None,
            expires_at=None,
            now=now,
        )
        inboxes.append((inbox, token))
    return Scene(tenant, logins, team, tuple(inboxes))


async def _login(tx: Tx, user: User, password: str, now: int) -> Login:
    code = await create_link(tx, tenant_id=user.tenant_id, user_id=user.user_id, now=now)
    return Login(user, password, code)


async def _tenant(tx: Tx, now: int) -> Tenant:
    known = [tenant for tenant in await list_tenants(tx) if tenant.name == TENANT]
    return known[0] if known else await create_tenant(tx, name=TENANT, now=now)


async def _user(tx: Tx, tenant_id: bytes, name: str, password_hash: str, now: int) -> User:
    email = parse_address(f"{name}@{DOMAIN}")
    known = await find_user_by_email(tx, canonical=email.canonical)
    if known is not None:
        user = known[0]
        await set_password(
            tx, tenant_id=tenant_id, user_id=user.user_id, password_hash=password_hash
        )
        return user
    return await create_user(
        tx,
        tenant_id=tenant_id,
        email=email,
        name=name.capitalize(),
        role="owner" if name == OWNER else "member",
        password_hash=password_hash,
        now=now,
    )


async def _list(tx: Tx, tenant_id: bytes, now: int) -> DistributionList:
    address = parse_address(f"{LIST}@{DOMAIN}")
    try:
        return await find_list_by_address(tx, canonical=address.canonical)
    except NotFound:
        return await create_list(
            tx, tenant_id=tenant_id, address=address, name="Team", created_by=None, now=now
        )


async def _inbox(tx: Tx, tenant_id: bytes, name: str, owner: User, now: int) -> Inbox:
    address = parse_address(f"{name}@{DOMAIN}")
    try:
        return await find_inbox_by_address(tx, tenant_id=tenant_id, canonical=address.canonical)
    except NotFound:
        return await create_inbox(
            tx,
            tenant_id=tenant_id,
            address=address,
            display_name=name.capitalize(),
            owner_user_id=owner.user_id,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class Ends:
    """The addresses to connect to: `host:port`, and the API's URL."""

    smtp: str
    http: str
    lmtp: tuple[str, ...] = ()
    smtps: tuple[str, ...] = ()

    @classmethod
    def of(cls, running: Running) -> Ends:
        """Return the first address of each kind, reachable from this machine."""
        smtp, http = _port(running.smtp), _port(running.http)
        lmtp, smtps = (tuple(map(str, bound)) for bound in (running.lmtp, running.smtps))
        return cls(str(reachable(smtp)), url_of(reachable(http)), lmtp, smtps)


def _check_ports(settings: Settings) -> None:
    """Raises Faults where the lines to paste would have no address to name."""
    missing = [
        f"{key}: the demo needs a host:port too, for the browser and the lines that it shows"
        for key, bound in (("smtp", settings.smtp), ("http", settings.http))
        if not isinstance(_port(bound), Endpoint)
    ]
    if missing:
        raise Faults(*missing)


def _port(addresses: Sequence[ListenAddress]) -> ListenAddress:
    """Return the first that a browser can open; else the first of all."""
    return next((one for one in addresses if isinstance(one, Endpoint)), addresses[0])


def _record(scene: Scene, ends: Ends) -> dict[str, object]:
    owner = scene.logins[OWNER]
    return {
        "smtp": ends.smtp,
        "lmtp": [*ends.lmtp],
        "smtps": [*ends.smtps],
        "http": ends.http,
        "tenant_id": to_text("tnt", scene.tenant.tenant_id),
        "owner": {
            "email": owner.user.email,
            "password": owner.password,
            "user_id": to_text("usr", owner.user.user_id),
        },
        "links": {
            login.user.email: link_of(ends.http, login.code) for login in scene.logins.values()
        },
        "list": {"list_id": to_text("lst", scene.team.list_id), "address": scene.team.address},
        "inboxes": [
            {
                "inbox_id": to_text("inb", inbox.inbox_id),
                "address": inbox.address,
                "token": token,
            }
            for inbox, token in scene.inboxes
        ],
        "domain": DOMAIN,
    }


def _block(scene: Scene, ends: Ends, settings: Settings, *, kept: bool) -> str:
    team, sender = scene.team.address, "customer@client.example"
    python = shlex.quote(str(Path(sys.executable).with_name("python")))
    data = shlex.quote(str(settings.data.absolute()))
    first, token = scene.inboxes[0][0].address, scene.inboxes[0][1]
    lines = [
        f"Postroom demo: tenant {scene.tenant.name}, domain {DOMAIN}",
        f"  SMTP    {ends.smtp}",
        f"  HTTP    {ends.http}",
        f"  store   {data}{'' if kept else '  (removed at the end)'}",
        f"  list    {team}, with a copy for each of",
        *(f"  inbox   {inbox.address:<22} token {token}" for inbox, token in scene.inboxes),
        *(
            f"  {'owner ' if name == OWNER else 'member'}  {login.user.email:<22} "
            f"password {login.password}"
            for name, login in scene.logins.items()
        ),
        "",
        *_links(scene, ends, settings),
        "Send a mail, with swaks or with what is here already:",
        f"  swaks --server {ends.smtp} --from {sender} --to {team} --header 'Subject: Hello'",
        f"  {python} -m gateway send --server {ends.smtp} --from {sender} --to {team}"
        " --subject Hello",
        "",
        "Read each member's copy:",
        *(
            f"  curl -sS -H 'Authorization: Bearer {token}' {ends.http}/v1/messages/"
            for _, token in scene.inboxes
        ),
        f"  {python} -m gateway messages list --data {data} --inbox {first}",
        "",
        f"Watch what happens to {first}:",
        f"  curl -sSN -H 'Authorization: Bearer {token}' {ends.http}/v1/events/stream/",
        "",
        "For the examples of the documentation, in another terminal:",
        f"  {_exports(scene, ends, settings)}",
        "",
        "Ctrl-C ends the demo.",
    ]
    return "\n".join(lines)


def _links(scene: Scene, ends: Ends, settings: Settings) -> list[str]:
    """Build the lines that open the page, where there is one."""
    if settings.console == "off":
        return []
    return [
        "Work the mail in a browser; a link is good once, for 10 minutes:",
        *(
            f"  Open {link_of(ends.http, login.code)}  ({login.user.email})"
            for login in scene.logins.values()
        ),
        "",
    ]


def _exports(scene: Scene, ends: Ends, settings: Settings) -> str:
    """Build the line that sets the variables of README and docs, and finds `postroom`."""
    values = {
        "API": ends.http,
        "TOKEN": scene.inboxes[0][1],
        "PASSWORD": scene.logins[OWNER].password,
        "POSTROOM_DATA": str(settings.data.absolute()),
        "POSTROOM_SMTP": ends.smtp,
        "POSTROOM_HTTP": ends.http.removeprefix("http://"),
    }
    words = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    programs = shlex.quote(str(Path(sys.executable).parent))
    return " ".join(["export", *words, f'PATH={programs}:"$PATH"'])
