"""Debian's Chromium through playwright: one browser a test process, one profile a test.

- Playwright has a loop and a thread of its own, so that tests of any kind use it.
- Each visit logs its requests, console messages, errors and violations of the page's policy.
- Nothing is reached but loopback.
- The second of two keys may come as late as a busy machine presses it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.programs import chromium

T = TypeVar("T")
SECONDS = 30.0
_WATCH = """
window.violations = [];
{
  const later = window.setTimeout;  // 1500: how long the page waits for a second key
  window.setTimeout = (work, after, ...given) =>
    later(work, after === 1500 ? 60000 : after, ...given);
}
document.addEventListener("securitypolicyviolation",
  (one) => console.error(`policy: ${one.violatedDirective} ${one.blockedURI}`));
"""
# Half the work of axe is to tell of what passed.
_VIOLATIONS = {"resultTypes": ["violations"]}
_ARGUMENTS = (
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)


@dataclass
class Log:
    """What happened in a visit."""

    urls: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def foreign(self, origin: str) -> list[str]:
        """The requests that left the origin."""
        own = urlsplit(origin)[:2]
        return [url for url in self.urls if urlsplit(url)[:2] != own and url[:5] != "data:"]


@dataclass(frozen=True)
class Tab:
    """A page in a profile of its own, and its log."""

    page: Page
    context: BrowserContext
    log: Log

    async def beside(self) -> Tab:
        """Another browser, of somebody else, with the same log; it is closed with this one."""
        chromium = self.context.browser
        assert chromium
        context = await chromium.new_context(viewport=self.page.viewport_size)
        self.context.on("close", lambda _: asyncio.ensure_future(context.close()))
        return await _tab(context, self.log)

    async def faults(self) -> list[str]:
        """What axe finds wrong with the page as it is shown now."""
        found = (await Axe().run(self.page, options=_VIOLATIONS)).response["violations"]
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found
            for node in one["nodes"]
        ]


class Browser:
    """The running browser."""

    def __init__(self, chromium: Chromium, loop: asyncio.AbstractEventLoop) -> None:
        self._chromium = chromium
        self._loop = loop

    async def visit(
        self,
        work: Callable[[Tab], Coroutine[Any, Any, T]],
        **options: Any,  # noqa: ANN401
    ) -> T:
        """Run `work` with a new profile, made with playwright's `options`."""

        async def whole() -> T:
            context = await self._chromium.new_context(**options)
            context.set_default_timeout(SECONDS * 1000)
            try:
                return await work(await _tab(context))
            finally:
                await context.close()

        running = asyncio.run_coroutine_threadsafe(whole(), self._loop)
        return await asyncio.wrap_future(running)


async def _tab(context: BrowserContext, log: Log | None = None) -> Tab:
    page, log = await context.new_page(), log or Log()
    await page.add_init_script(_WATCH)
    page.on("request", lambda request: log.urls.append(request.url))
    page.on("console", lambda one: _note(log, one.type, one.text, one.location["url"]))
    page.on("pageerror", lambda error: log.told.append(f"error: {error}"))
    page.on("dialog", lambda dialog: log.told.append(f"dialog: {dialog.message}"))
    return Tab(page, context, log)


def _note(log: Log, kind: str, text: str, url: str) -> None:
    """Note a message; what Chromium says of storage that a page had cleared is none.

    Nor is it that somebody was at a field before the page, of which all has come, chose one.
    """
    if kind != "info" or not any(
        one in text for one in ("Clear-Site-Data", "Autofocus processing")
    ):
        where = f" ({url})" if "Failed to load" in text else ""
        log.told.append(f"{kind}: {text}{where}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a browser. Skips the test where there is no Chromium; in CI it fails."""
    path = chromium()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), loop).result(SECONDS)

    try:
        playwright = run(async_playwright().start())
        try:
            running = run(
                playwright.chromium.launch(
                    executable_path=path, args=list(_ARGUMENTS), chromium_sandbox=False
                )
            )
            yield Browser(running, loop)
            run(running.close())
        finally:
            run(playwright.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
