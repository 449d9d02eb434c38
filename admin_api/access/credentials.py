"""Authentication: from a credential to the principal that calls.

- `Authorization: Bearer` and nothing else (RFC 6750 2.1); the prefix tells tokens from sessions.
- A session of the page is no Bearer credential, and one of the API no cookie: `identify` and
  `identify_page` each know their own kind only.
- Whatever is wrong with a credential, the answer is the same.
- Everything is read anew for each call: a revocation, demotion or downgrade counts immediately.
"""

from __future__ import annotations

from dataclasses import dataclass

from admin_api.http.problems import unauthorized
from storage.accounts.sessions import PREFIX as SESSION_PREFIX
from storage.accounts.sessions import (
    Kind,
    Session,
    find_session_by_secret,
    is_session_touch_due,
    touch_session,
)
from storage.accounts.tenants import Tenant, find_tenant
from storage.accounts.tokens import PREFIX as TOKEN_PREFIX
from storage.accounts.tokens import Token, find_token_by_secret, is_touch_due, touch_token
from storage.accounts.users import User
from storage.database import Tx
from storage.directory.inboxes import Inbox, find_inbox
from storage.errors import NotFound

# Ours have some 50 characters; a longer one would be hashed for nothing.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Agent:
    """A program: bound to one inbox, with the scopes of its token."""

    tenant: Tenant
    token: Token
    inbox: Inbox

    @property
    def credential_id(self) -> bytes:
        return self.token.token_id


@dataclass(frozen=True, slots=True)
class Person:
    """A user who signed in; acts for the inbox that a call names."""

    tenant: Tenant
    user: User
    session: Session

    @property
    def credential_id(self) -> bytes:
        return self.session.session_id


Principal = Agent | Person


def bearer(header: str | None) -> str:
    """Return the secret of an Authorization header. Raises Problem 401."""
    scheme, _, secret = (header or "").partition(" ")
    secret = secret.strip(" ")
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST:
        raise unauthorized()
    return secret


async def identify(tx: Tx, *, secret: str, now: int) -> Principal:
    """Return the principal with this secret. Raises Problem 401."""
    try:
        if secret.startswith(TOKEN_PREFIX):
            return await _agent(tx, secret, now)
        if secret.startswith(SESSION_PREFIX):
            return await _person(tx, secret, now)
    except NotFound:
        pass  # its tenant, user or inbox was deleted between our two statements: 401, never 404
    raise unauthorized()


async def identify_page(tx: Tx, *, secret: str, now: int) -> Person:
    """Return the person of the page's session with this secret, a cookie. Raises Problem 401."""
    try:
        return await _person(tx, secret, now, kind="page")
    except NotFound:
        raise unauthorized() from None


async def _agent(tx: Tx, secret: str, now: int) -> Agent:
    token = await find_token_by_secret(tx, secret=secret, now=now)
    if token is None:
        raise unauthorized()
    inbox = await find_inbox(tx, tenant_id=token.tenant_id, inbox_id=token.inbox_id)
    return Agent(await find_tenant(tx, tenant_id=token.tenant_id), token, inbox)


async def _person(tx: Tx, secret: str, now: int, *, kind: Kind = "api") -> Person:
    # With its kind: a cookie used as a Bearer would need no Origin and no form token.
    found = await find_session_by_secret(tx, secret=secret, now=now, kind=kind)
    if found is None:
        raise unauthorized()
    session, user = found
    return Person(await find_tenant(tx, tenant_id=session.tenant_id), user, session)


def is_use_due(principal: Principal, *, now: int) -> bool:
    """Whether this use is to be recorded."""
    if isinstance(principal, Agent):
        return is_touch_due(principal.token, now=now)
    return is_session_touch_due(principal.session, now=now)


async def record_use(tx: Tx, principal: Principal, *, now: int) -> None:
    """Record the time of this use."""
    tenant_id, credential_id = principal.tenant.tenant_id, principal.credential_id
    if isinstance(principal, Agent):
        await touch_token(tx, tenant_id=tenant_id, token_id=credential_id, now=now)
    else:
        await touch_session(tx, tenant_id=tenant_id, session_id=credential_id, now=now)
