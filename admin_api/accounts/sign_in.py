"""Sign-in and sign-out, change of password, and the caller's own record.

- A wrong password and an unknown user get one answer at one speed.
- Logins are counted by account and by client, whatever their result, before a password is verified;
  a change of password counts too, because it verifies one.
- People type passwords into the field of the address: the log has the user if there is one, and
  otherwise a keyed digest.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from functools import lru_cache
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from admin_api.access.credentials import Agent, Person
from admin_api.access.passwords import NewPassword, hash_in_turn, verify_password
from admin_api.accounts.records import tenant_record, token_record, user_record
from admin_api.call.audit_trail import note
from admin_api.call.call import Call
from admin_api.http.client_address import client_address, client_network
from admin_api.http.payload import Payload
from admin_api.http.problems import Problem, rate_limited
from admin_api.http.responses import answer, no_content
from config.logs import event
from storage.accounts.sessions import Kind, Session, create_session, end_session
from storage.accounts.tokens import SCOPES
from storage.accounts.users import User, find_user_by_email, set_password
from storage.address import canonical_or_none
from storage.clock import rfc3339
from storage.database import Tx
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import to_text

logger = logging.getLogger("postroom.http")


class LoginIn(Payload):
    """The credentials of a login."""

    email: Annotated[str, Field(max_length=320)]
    password: Annotated[str, Field(max_length=1024)]


class PasswordChange(Payload):
    """A new password, with the present one."""

    current_password: Annotated[str, Field(max_length=1024)]
    new_password: NewPassword


async def login(call: Call) -> Response:
    """POST /auth/login/."""
    payload = call.payload(LoginIn)
    user = await user_with_password(call, payload)
    session, secret = await new_session(call, user)
    return answer(
        {
            "access_token": secret,
            "expires_at": rfc3339(session.expires_at),
            "user": user_record(user),
        }
    )


async def user_with_password(call: Call, payload: LoginIn) -> User:
    """Return the user of these credentials. Raises Problem 401, 429."""
    canonical = canonical_or_none(payload.email)
    # Before the hash is computed, or each guess would cost 46 MiB for 30 ms. Unknown addresses
    # count, too: otherwise the limit would tell which ones have an account.
    _count(call, canonical or payload.email)
    user, matched = await _match(call, canonical, payload.password)
    if user is None or not matched:
        known = to_text("usr", user.user_id) if user else None
        typed, client = _digest(payload.email), _client(call)
        event(logger, "login_refused", user=known, typed=typed, client=client)
        raise _refused()
    return user


def _count(call: Call, account: str) -> None:
    """Raises Problem 429."""
    # Two limits: one guesser may have many addresses, and one address may guess at many accounts.
    for key in (("account", account), ("client", _client(call))):
        _take(call, key, account)


def count_code(call: Call, code: str) -> None:
    """Count a wrong code of a sign-in link as a login of its client. Raises Problem 429."""
    event(logger, "code_refused", typed=_digest(code), client=_client(call))
    _take(call, ("client", _client(call)), code)


def _take(call: Call, key: tuple[str, str], typed: str) -> None:
    logins, client = call.service.logins, _client(call)
    allowance = logins.take(key)
    if not allowance.granted:
        digest = _digest(typed)
        event(logger, "login_limited", level=logging.WARNING, typed=digest, client=client)
        raise rate_limited(allowance.seconds, logins.headers(allowance, "logins"))


def _client(call: Call) -> str:
    return client_network(call.request, call.service.settings.trusted_proxies)


def _digest(typed: str) -> str:
    """Return a digest for the log that shows repetitions; the text may be a password.

    The key is this process's own: nobody finds the text by trying likely ones.
    """
    return hmac.new(_key(), typed.encode(), hashlib.sha256).hexdigest()[:12]


@lru_cache(maxsize=1)
def _key() -> bytes:
    return secrets.token_bytes(32)


async def _match(call: Call, canonical: str | None, password: str) -> tuple[User | None, bool]:
    """Return the user of an address, and whether this is the password."""

    async def find(tx: Tx) -> tuple[User, str] | None:
        return await find_user_by_email(tx, canonical=canonical) if canonical else None

    found = await call.database.read(find)
    user, password_hash = found or (None, None)
    async with call.service.password_turns:
        matched = await verify_password(password_hash, password)
    return user, matched


async def new_session(call: Call, user: User, kind: Kind = "api") -> tuple[Session, str]:
    """Make a session of the user for the client that calls. Raises Problem 401."""
    address = client_address(call.request, call.service.settings.trusted_proxies)

    async def create(tx: Tx) -> tuple[Session, str]:
        return await create_session(
            tx,
            tenant_id=user.tenant_id,
            user_id=user.user_id,
            now=call.now,
            kind=kind,
            user_agent=call.request.headers.get("user-agent", ""),
            address=str(address) if address else None,
        )

    try:
        return await call.database.write(create)
    except NotFound:  # deleted while the password was verified
        raise _refused() from None


def _refused() -> Problem:
    return Problem(
        401,
        "invalid_credentials",
        "There is no user with this address and password.",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def logout(call: Call) -> Response:
    """POST /auth/logout/."""

    async def end(tx: Tx) -> None:
        await end_session(tx, tenant_id=call.tenant_id, session_id=call.person.session.session_id)

    await call.database.write(end)
    return no_content()


async def change_password(call: Call) -> Response:
    """POST /auth/change-password/: ends the user's other sessions."""
    payload = call.payload(PasswordChange)
    user = call.person.user
    _count(call, canonical_or_none(user.email) or user.email)
    found, matched = await _match(call, canonical_or_none(user.email), payload.current_password)
    # The address may have become another user's since this call was let in.
    if found is None or not matched or found.user_id != user.user_id:
        event(logger, "password_change_refused", user=to_text("usr", user.user_id))
        # 400, not 401: the session is fine, and clients sign out at a 401.
        raise Invalid(FieldFault("current_password", "is not the current password"))
    password_hash = await hash_in_turn(call.service.password_turns, payload.new_password)

    async def work(tx: Tx) -> None:
        await set_password(
            tx,
            tenant_id=call.tenant_id,
            user_id=user.user_id,
            password_hash=password_hash,
            keep=call.person.session.session_id,
        )
        await note(tx, call, "user.password_changed", user.user_id, name=user.email)

    await call.database.write(work)
    return no_content()


async def me(call: Call) -> Response:
    """GET /v1/me/."""
    caller = call.caller
    return answer(
        {
            **(_agent(caller, call.now) if isinstance(caller, Agent) else _person(caller)),
            "tenant": tenant_record(caller.tenant),
            "plan": caller.tenant.plan,
            "governance": caller.tenant.governance,
        }
    )


def _agent(agent: Agent, now: int) -> dict[str, object]:
    inbox_id = to_text("inb", agent.inbox.inbox_id)
    return {
        "type": "token",
        "user": None,
        "session": None,
        "token": token_record(agent.token, now=now),
        "inbox": {"inbox_id": inbox_id, "address": agent.inbox.address},
        "scopes": agent.token.scopes,
    }


def _person(person: Person) -> dict[str, object]:
    return {
        "type": "session",
        "user": user_record(person.user),
        "session": {
            "session_id": to_text("ses", person.session.session_id),
            "created_at": rfc3339(person.session.created_at),
            "expires_at": rfc3339(person.session.expires_at),
        },
        "token": None,
        "inbox": None,
        "scopes": SCOPES,
    }
