"""Somebody at the page, as a browser without scripts would be: a cookie jar, and forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from storage.accounts import sessions
from storage.engines.servers.transaction import PostgresTx
from storage.engines.sqlite_transactions import SqliteTx
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


@contextmanager
def statements() -> Iterator[list[int]]:
    """Count the statements that read the store, and the rows that they find.

    But for one: the count of unassigned threads reads as far as there are any.
    """
    cost = [0, 0]
    with pytest.MonkeyPatch.context() as patch:
        for kind in (SqliteTx, PostgresTx):
            for name in ("fetch_all", "fetch_one"):
                patch.setattr(kind, name, _counted(getattr(kind, name), cost))
        yield cost


def _counted(whole: Callable[..., Any], cost: list[int]) -> Callable[..., Any]:
    async def fetch(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        found = await whole(*given, **named)
        if "DISTINCT t.thread_id" in given[1]:
            return found
        cost[0] += 1
        cost[1] += len(found) if isinstance(found, list) else 1
        return found

    return fetch


async def sign_in(who: Visitor, email: str, password: str = PASSWORD) -> httpx2.Response:
    """Send the sign-in form."""
    return await who.post("/console/sign-in/", {"email": email, "password": password})
