"""Somebody at the page, as a browser without scripts would be: a cookie jar, and forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx2

from storage.accounts import sessions
from tests.builders import PASSWORD, STRANGER, World

BASE = "http://127.0.0.1:8025"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}
COOKIE = "postroom-8025"
Fields = dict[str, str] | list[tuple[str, str]]


@dataclass
class Visitor:
    """One browser; `secret` is the session in its cookie."""

    http: httpx2.AsyncClient
    secret: str = ""
    token: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Ask for a page; its form token is remembered."""
        response = await self.http.get(path, headers=_named(headers))
        found = re.search(r'name="form-token" content="([^"]+)"', response.text)
        self.token = found[1] if found else self.token
        return response

    async def post(
        self, path: str, fields: Fields | None = None, **headers: str
    ) -> httpx2.Response:
        """Send a form as a page of ours would; the token is in it, but if `fields` have another."""
        given = [*fields.items()] if isinstance(fields, dict) else fields or []
        body = [("form_token", self.token), *given]
        if isinstance(fields, dict) and "form_token" in fields:
            body = given
        return await self.http.post(
            path, content=urlencode(body), headers=FORM | SAME | _named(headers)
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def visitor(world: World, secret: str = "", *, base: str = BASE, **headers: str) -> Visitor:
    """A browser, with a session's secret in its cookie."""
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(world.app),
        base_url=base,
        headers=_named(headers),
        cookies={COOKIE: secret} if secret else {},
    )
    return Visitor(http, secret)


async def page_session(world: World, email: str) -> str:
    """The secret of a new session of the page."""
    _, secret = await world.database.write(
        lambda tx: sessions.create_session(
            tx,
            tenant_id=world.raw["Other" if email == STRANGER else "Example"],
            user_id=world.raw[email],
            now=world.clock(),
            kind="page",
        )
    )
    return secret


async def signed_in(world: World, email: str) -> Visitor:
    """A browser in which this user signed in, with a form token."""
    made = visitor(world, await page_session(world, email))
    assert (await made.get("/console/settings/")).status_code == 200
    return made


async def sign_in(who: Visitor, email: str, password: str = PASSWORD) -> httpx2.Response:
    """Send the sign-in form."""
    return await who.post("/console/sign-in/", {"email": email, "password": password})
