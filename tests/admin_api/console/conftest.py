"""The page on a real socket, and a browser to open it in."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from starlette.types import ASGIApp

from config.settings import Settings
from config.values import Endpoint
from gateway.http_edge.http_server import serving
from storage.engines.opening import EMBEDDED
from tests.admin_api.console.visitor import page_session
from tests.builders import MEMBER, TENANT_OWNER, World, open_world
from tests.support.browser import Browser, Tab, open_browser
from tests.support.engines import Engine
from tests.support.fixtures import own_server, pytest_runtest_makereport, servers

T = TypeVar("T")
__all__ = ["own_server", "pytest_runtest_makereport", "servers"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of this test process."""
    with open_browser() as made:
        yield made


@dataclass(frozen=True)
class Site:
    """A world whose page is served on a port of loopback; `secrets` are cookies by e-mail."""

    world: World
    port: int
    secrets: dict[str, str]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def at_home(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what a visit wants of the world in the site's loop: a store waits for its disk there.

        A visit itself runs in the loop of the browser.
        """
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def enter(self, tab: Tab, email: str = MEMBER, *, leaves: bool = False) -> None:
        """Give the browser this user's cookie.

        A tab that `leaves` the page of another session before cannot ask for what that shows as
        this user, and be refused.
        """
        cookie, secret = f"postroom-{self.port}", self.secrets[email]
        had = [one["value"] for one in await tab.context.cookies() if one["name"] == cookie]
        if leaves and had not in ([], [secret]):
            await tab.page.goto("about:blank")
        await tab.context.add_cookies(
            [{"name": cookie, "value": secret, "url": self.url, "httpOnly": True}]
        )


@asynccontextmanager
async def served(world: World, app: ASGIApp | None = None) -> AsyncIterator[Site]:
    """Serve the world as the gateway does; its owner and a member have sessions of the page.

    `app` is asked in place of the world's own.
    """
    secrets = {email: await page_session(world, email) for email in (MEMBER, TENANT_OWNER)}
    async with serving(app or world.app, [Endpoint("127.0.0.1", 0)], Settings()) as bound:
        assert isinstance(bound[0], Endpoint)
        yield Site(world, bound[0].port, secrets)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A world on the embedded engine: a browser sees no difference between two."""
    engine = Engine("sqlite", EMBEDDED, tmp_path)
    async with open_world(engine, login_rate_per_minute=1000) as made, served(made) as site:
        yield site


@pytest.fixture
async def busy_site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that takes more calls than anybody makes."""
    engine = Engine("sqlite", EMBEDDED, tmp_path)
    limits: dict[str, Any] = {"api_rate_per_minute": 1_000_000, "api_burst": 100_000}
    async with (
        open_world(engine, **limits, console_rate_per_minute=1_000_000) as made,
        served(made) as site,
    ):
        yield site
