"""The page's session in a cookie, and the token that its forms carry.

- The cookie holds a session's secret of the kind `page`. By https it is `__Host-postroom`, which
  the browser sends to this very host by https only. On plain http it names the port: browsers give
  cookies to all ports of a host, and two servers on one machine would sign each other out.
- SameSite=Lax: a link in a mail or chat opens the page signed in, and a form of another site comes
  without the cookie. HttpOnly: no script reads it.
- The token of a form is a keyed hash with the session's secret: nothing is stored for it. Each page
  shows it masked anew, so that its length in a compressed page tells nothing (BREACH).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from starlette.requests import Request

from admin_api.access.credentials import Person
from admin_api.accounts import sign_in
from admin_api.call.call import Call
from admin_api.console.origin import host_of
from admin_api.http.problems import Problem
from config.settings import Settings
from storage.accounts import sessions, sign_in_links, users
from storage.accounts.users import User
from storage.database import Tx

TOKEN_HEADER = "x-postroom-form"
TOKEN_FIELD = "form_token"
_SECRET_LENGTH = 200


def name_of(settings: Settings, request: Request) -> str:
    """Return the cookie's name for this request."""
    if settings.public_url.startswith("https:"):
        return "__Host-postroom"
    host = request.headers.get("host", "")
    _, _, port = host.rpartition(":")
    # The name goes into Set-Cookie: it takes nothing of a Host header that is none.
    return f"postroom-{port if port.isdigit() and host_of(host) else 80}"


def secret_of(settings: Settings, request: Request) -> str:
    """Return the secret in the request's cookie; empty for none."""
    secret = request.cookies.get(name_of(settings, request), "")
    return secret if len(secret) <= _SECRET_LENGTH and secret.isascii() else ""


def set_cookie(settings: Settings, request: Request, secret: str) -> str:
    """Build the Set-Cookie header; without a secret it removes the cookie."""
    secure = "; Secure" if settings.public_url.startswith("https:") else ""
    age = sessions.LIFETIME // 1_000_000 if secret else 0
    name = name_of(settings, request)
    return f"{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


# ---- the token of a form


def token_for(secret: str) -> str:
    """Return the token for the forms of a page; another text each time."""
    mask = secrets.token_bytes(32)
    return base64.urlsafe_b64encode(mask + _xor(mask, _token(secret))).decode()


def is_token(text: str, secret: str) -> bool:
    """Whether a form's token is one for this session."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        return False
    # In constant time: `==` would tell how many octets of a guess are right.
    return len(raw) == 64 and hmac.compare_digest(_xor(raw[:32], raw[32:]), _token(secret))


def _token(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"form", hashlib.sha256)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


# ---- signing in and out


async def enter_by_password(call: Call, email: str, password: str) -> str:
    """Return the secret of a new session of the page. Raises Problem 401, 429."""
    given = {"email": email, "password": password}
    # `LoginIn` has the same limits, but its error would be a 500 here: nobody validates it for us.
    if len(email) > 320 or len(password) > 1024:
        raise Problem(400, "invalid_fields", "No address or password is that long.")
    user = await sign_in.user_with_password(call, sign_in.LoginIn.model_validate(given))
    return await _enter(call, user)


async def enter_by_code(call: Call, code: str) -> str:
    """Return the secret of a new session, and end the link. Raises Problem 404, 429."""
    return await _enter(call, await user_of_code(call, code, is_used=True))


async def user_of_code(call: Call, code: str, *, is_used: bool = False) -> User:
    """Return the user whom a link signs in; `is_used` ends it. Raises Problem 404, 429."""
    database, find = call.service.database, sign_in_links.find_user_of_link
    run, find = (database.write, sign_in_links.use_link) if is_used else (database.read, find)
    user = await run(lambda tx: find(tx, code=code, now=call.now)) if code else None
    if user is None:
        sign_in.count_code(call, code)
        text = "This link was used already, or is older than 10 minutes. Ask for a new one."
        raise Problem(404, "link_expired", text)
    return user


async def _enter(call: Call, user: User) -> str:
    """A new session; the one of the request's cookie ends."""
    # A new secret at each sign-in: a cookie that somebody planted before is worth nothing after it.
    _, secret = await sign_in.new_session(call, user, "page")
    if isinstance(call.principal, Person):
        await end_session(call)
    return secret


async def renew(call: Call) -> str:
    """Return the secret of a new session of the caller, whose present one ends."""
    return await _enter(call, call.person.user)


async def end_session(call: Call) -> None:
    """End the caller's session."""

    async def end(tx: Tx) -> None:
        await sessions.end_session(
            tx, tenant_id=call.tenant_id, session_id=call.person.session.session_id
        )

    await call.service.database.write(end)


async def has_users(call: Call) -> bool:
    """Whether anybody could sign in."""
    return await call.service.database.read(users.has_users)
