"""`live.js` in real browsers: rows follow, and nothing moves that somebody is at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.admin_api.console.live_page import LivePage, serving
from tests.programs import chromium

# Tells the server of the rows whenever they are not what they were.
REPORT = """
let before = "";
setInterval(() => {
  const rows = [...document.querySelectorAll("#rows > li")].map((one) => one.textContent).join(" ");
  const bar = document.getElementById("live-bar")?.textContent ?? "";
  const said = document.querySelector('[aria-live]').textContent;
  const count = document.getElementById("count").textContent;
  const now = [rows, bar, said, count, document.title].join("|");
  if (now !== before) { before = now; fetch("/report", { method: "POST", body: now }); }
}, 20);
"""
FIELD = """
const field = document.createElement("input");
document.getElementById("t-b").append(field);
field.focus();
"""
SECONDS = 20


@contextlib.asynccontextmanager
async def browser(page: LivePage, directory: Path) -> AsyncIterator[None]:
    """A Chromium with its own profile, on the page."""
    process = await asyncio.create_subprocess_exec(
        chromium(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        f"--user-data-dir={directory}",
        "--remote-debugging-port=0",
        page.url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def reported(page: LivePage, expected: str, *, times: int = 1) -> None:
    """Wait until so many browsers have told that they show this."""
    async with asyncio.timeout(SECONDS):
        while times:
            times -= await page.reports.get() == expected


async def streams(page: LivePage, count: int) -> None:
    """Wait until so many streams are open."""
    async with asyncio.timeout(SECONDS):
        while len(page.streams) < count:
            page.opened.clear()
            await page.opened.wait()


async def test_two_browsers_follow_and_ask_at_most_twice_a_second(tmp_path: Path) -> None:
    async with (
        serving(LivePage(REPORT)) as page,
        browser(page, tmp_path / "a"),
        browser(page, tmp_path / "b"),
    ):
        await streams(page, 2)
        await reported(page, "one two|||2|(2) Inbox", times=2)
        page.add("c", "three")
        await reported(page, "three one two||1 new|3|(3) Inbox", times=2)
        page.change("b", "TWO")
        await reported(page, "three one TWO||1 new|3|(3) Inbox", times=2)
        clock = asyncio.get_running_loop().time
        asked, began = page.asked, clock()
        for number in range(60):
            page.change("a", f"one.{number}")
        await reported(page, "three one.59 TWO||1 new|3|(3) Inbox", times=2)
        # A browser that gets little of the processor hears of them in several parts.
        each = max(3.0, 1 + (clock() - began) / 0.43)
        assert page.asked - asked <= 2 * each, "sixty changes are few requests"


async def test_rows_that_are_all_new_take_the_place_of_those_shown(tmp_path: Path) -> None:
    async with serving(LivePage(REPORT)) as page, browser(page, tmp_path / "a"):
        await reported(page, "one two|||2|(2) Inbox")
        await streams(page, 1)
        page.rows = {}
        for name in "dc":
            page.rows[name] = name
        page.add("e", "newest")
        await reported(page, "newest d c||3 new|3|(3) Inbox")


async def test_a_row_that_somebody_writes_in_stays_and_nothing_slides_in(tmp_path: Path) -> None:
    async with serving(LivePage(FIELD + REPORT)) as page, browser(page, tmp_path / "a"):
        await reported(page, "one two|||2|(2) Inbox")
        await streams(page, 1)
        page.change("b", "other")
        page.add("c", "three")
        await reported(page, "one other|1 new: show|1 new|3|(3) Inbox")


# Plain http from another machine: no locks. The store has no room, and what is in it is not ours.
ALONE = """
Object.defineProperty(navigator, "locks", { value: undefined });
localStorage.setItem("postroom-live", "{");
for (let size = 1 << 22, at = 0; size; at += 1)
  try { localStorage[`fill${at}`] = "x".repeat(size); } catch { size >>= 1; }
"""


async def test_without_locks_and_with_a_full_store_rows_follow_too(tmp_path: Path) -> None:
    async with serving(LivePage(ALONE + REPORT)) as page, browser(page, tmp_path / "a"):
        await reported(page, "one two|||2|(2) Inbox")
        await streams(page, 1)
        page.add("c", "three")
        await reported(page, "three one two||1 new|3|(3) Inbox")
