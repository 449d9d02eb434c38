"""The page: its bytes, the server's time for it, a browser's, and what it costs mail and memory.

Rules kept here:
- The list is that of an inbox full of mail. Times of the server are those of a client that waits
  for each answer; those of the browser come from Chromium itself, without a cache.
- Every session stays within the page's own limit on calls; there are several.
- Live: mail comes at 50 a second while one browser and 19 tabs' worth of streams follow one list.
- Whatever leaves the origin, any message in the browser's console, and any violation of the policy
  is counted over all of it.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import full_store, load, proc, reading, wire
from benchmarks.calls import UNLIMITED
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.latency import percentile
from benchmarks.page_visitor import Visitor, sign_in, streaming, watching
from benchmarks.plan import KIB, MIB, Plan
from benchmarks.postroom_server import (
    PostroomServer,
    copy_store,
    give_inbox,
    make_admin,
    make_token,
    run_postroom,
)
from benchmarks.servers import DOMAIN, list_address, member_address

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

_SETTINGS = {
    "POSTROOM_LOGIN_RATE_PER_MINUTE": "1000",
    **UNLIMITED,
}
_INBOX = member_address(1)
_LIST = f"/console/{_INBOX}/"
_SESSIONS = 25
_STREAMS = 20  # as many as one session may hold
_CALLS_OF_A_SESSION = 20
_A_SECOND = 50
_AN_HOUR = 10_000 / 3600  # a second
_BROWSERS = 20
_WIDE: Any = {"width": 1280, "height": 900}
_WATCH = """
window.shift = 0; window.longest = 0; window.shownAt = {};
const each = (type, work) => new PerformanceObserver((list) => list.getEntries().forEach(work))
  .observe({ type, buffered: true });
each("layout-shift", (one) => { if (!one.hadRecentInput) shift += one.value; });
each("longtask", (one) => { longest = Math.max(longest, one.duration); });
document.addEventListener("securitypolicyviolation",
  (one) => console.error("policy", one.violatedDirective));
document.addEventListener("DOMContentLoaded", () => {
  const look = () => requestAnimationFrame(() => {
    const now = performance.timeOrigin + performance.now();
    for (const one of document.querySelectorAll("#rows .subject"))
      if (/^(Live|Hourly|Many) /.test(one.textContent)) shownAt[one.textContent] ??= now;
  });
  const rows = document.getElementById("rows");
  if (rows) new MutationObserver(look).observe(rows, { childList: true, subtree: true });
});
"""
_BARE = (
    "data:text/html,<style>body{font:15px system-ui}</style><ol id=rows>" + "<li class=row>row" * 50
)
_PAINTED = """
() => new Promise((done) => new PerformanceObserver((list) => {
  const seen = list.getEntriesByName("first-contentful-paint");
  if (seen.length) done([seen[0].startTime, document.querySelectorAll("#rows > .row").length]);
}).observe({ type: "paint", buffered: true }))
"""


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Fill an inbox, and take every figure of the page."""
    data = copy_store(prepared, directory / "console")
    full_store.fill(data, plan.stored, tell=tell)
    password, token = make_admin(data), make_token(data, _INBOX, "email:read")
    give_inbox(data, _INBOX, f"admin@{DOMAIN}")
    label = f"{plan.stored:,} messages"
    with run_postroom(data, settings=_SETTINGS) as server:
        tell("console: waiting for the parser")
        reading.wait_parsed(server, token)
        visitors = [sign_in(server, f"admin@{DOMAIN}", password) for _ in range(_SESSIONS)]
        found = re.search(rb'name="inbox" content="([^"]+)"', visitors[0].get(_LIST))
        if found is None:
            raise BenchmarkFault("the page is not live")
        inbox_id = found[1].decode()
        tell("console: the server's time")
        thread = _thread(server, visitors[0])
        figures = [
            _server_time(f"page: list of 50 of {label}, p99", visitors, _LIST, at_most=25),
            _server_time("page: thread of 20 messages and 10 notes, p99", visitors, thread, 40),
        ]
        figures += _in_a_browser(server, visitors, inbox_id, thread, plan, tell=tell)
        tell("console: mail beside open tabs")
        figures += _mail_beside(server, visitors, inbox_id, plan)
        tell("console: 500 streams")
        figures.append(_streams(server, visitors, inbox_id))
    tell("console: memory")
    figures.append(_memory(data, password, thread))
    return figures


def _thread(server: PostroomServer, visitor: Visitor) -> str:
    """Make a thread of 20 messages and 10 notes; return its path."""
    with wire.Client(server.smtp, timeout=60) as client:
        for number in range(20):
            client.send(_INBOX, _letter("The thread", number))
    path = _until(lambda: _path_of(visitor, b"The thread", 20))
    for number in range(10):
        visitor.get(path)
        visitor.post(f"{path}note/", {"body": f"Note {number} of a thread.", "key": f"k{number}"})
    return path


def _letter(subject: str, number: int) -> bytes:
    name = f"{subject.replace(' ', '-')}@client.test"
    answers = f"In-Reply-To: <{name}>\r\n" if number else ""
    head = (
        "From: Grace <grace@client.test>\r\nTo: Team <list@client.test>\r\n"
        f"Subject: {subject}\r\nMessage-Id: <{number or ''}{name}>\r\n{answers}\r\n"
    )
    return head.encode() + wire.lines(KIB)


def _path_of(visitor: Visitor, subject: bytes, messages: int) -> str | None:
    """The path of a thread in the list, once it has all its messages there."""
    page = visitor.get(_LIST)
    for row in page.split(b'<li id="t-')[1:]:
        if subject in row and f'title="{messages} messages"'.encode() in row:
            thread_id = row.partition(b'"')[0].decode()
            return f"{_LIST}threads/{thread_id}/"
    return None


def _until(work: Callable[[], str | None], seconds: float = 60.0) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := work():
            return found
        time.sleep(0.5)
    raise BenchmarkFault("the page does not show what was sent")


def _server_time(what: str, visitors: Sequence[Visitor], path: str, at_most: float) -> Figure:
    for one in visitors[:2]:
        one.time(path)
    seconds = [one.time(path) for _ in range(_CALLS_OF_A_SESSION) for one in visitors]
    note = f"p50 {percentile(seconds, 50) * 1000:.1f} ms, {len(seconds)} calls"
    return Figure(what, percentile(seconds, 99) * 1000, "ms", at_most=at_most, note=note)


# ---- in a browser


class _Tab:
    """A page of the browser in a profile of its own; `octets` it got, `told` its complaints."""

    def __init__(self, context: BrowserContext, told: list[str], origin: str) -> None:
        self.context, self.octets = context, 0
        self.page: Page = context.new_page()
        self.page.add_init_script(_WATCH)
        self.page.on("console", lambda one: told.append(f"console: {one.text}"))
        self.page.on("pageerror", lambda one: told.append(f"error: {one}"))
        self.page.on(
            "request",
            lambda one: None if one.url.startswith((origin, "data:")) else told.append(one.url),
        )
        self.cdp: CDPSession = context.new_cdp_session(self.page)
        self.cdp.send("Network.enable")
        self.cdp.send("Performance.enable")
        self.cdp.on("Network.loadingFinished", self._count)

    def _count(self, event: Mapping[str, Any]) -> None:
        self.octets += int(event["encodedDataLength"])

    def metric(self, name: str) -> float:
        found = self.cdp.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in found if one["name"] == name))


def _in_a_browser(
    server: PostroomServer,
    visitors: Sequence[Visitor],
    inbox_id: str,
    thread: str,
    plan: Plan,
    *,
    tell: Callable[[str], None],
) -> list[Figure]:
    told: list[str] = []
    with _chromium() as chromium:

        @contextlib.contextmanager
        def tab(visitor: Visitor) -> Iterator[_Tab]:
            context = chromium.new_context(viewport=_WIDE)
            context.set_default_timeout(120_000)
            cookie = {"name": visitor.cookie, "value": visitor.secret, "url": visitor.origin}
            context.add_cookies([cookie])  # type: ignore[list-item]
            try:
                yield _Tab(context, told, visitor.origin)
            finally:
                context.close()

        tell("console: first load")
        figures = _loads(tab, visitors, thread, 3 if plan.runs == 1 else 10)
        tell("console: from 250 to the row")
        figures += _live(tab, server, visitors, inbox_id, 4 if plan.runs == 1 else 20)
        tell("console: 500 rows")
        with tab(visitors[-1]) as opened:
            figures += _worked(opened, visitors[-1].origin)
    seen = "; ".join(sorted(set(told)))[:200]
    what = "page: requests elsewhere, console messages, violations, in all of it"
    return [*figures, Figure(what, len(told), "", at_most=0, note=seen)]


@contextlib.contextmanager
def _chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise BenchmarkFault("chromium is missing; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            chromium_sandbox=False,
            args=["--disable-dev-shm-usage", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


_Open = Callable[[Visitor], contextlib.AbstractContextManager[_Tab]]


def _loads(tab: _Open, visitors: Sequence[Visitor], thread: str, runs: int) -> list[Figure]:
    first, later, painted, bare, slowed, shift = [0], [0], [0.0], [0.0], [0.0], 0.0
    for number in range(runs):
        visitor = visitors[number]
        # First: the very first page of a browser waits for its fonts and its processes, too.
        with tab(visitor) as opened:
            opened.page.goto(_BARE)
            bare.append(opened.page.evaluate(_PAINTED)[0])
        with tab(visitor) as opened:
            opened.page.goto(visitor.origin + _LIST, wait_until="networkidle")
            milliseconds, rows = opened.page.evaluate(_PAINTED)
            if rows != 50:
                raise BenchmarkFault(f"{rows} rows were painted")
            painted.append(milliseconds)
            shift = max(shift, opened.page.evaluate("shift"))
            first.append(opened.octets)
            opened.octets = 0
            opened.page.goto(visitor.origin + thread, wait_until="networkidle")
            later.append(opened.octets)
        with tab(visitor) as opened:
            opened.cdp.send("Emulation.setCPUThrottlingRate", {"rate": 4})
            opened.page.goto(visitor.origin + _LIST)
            slowed.append(opened.page.evaluate(_PAINTED)[0])
    note = f"worst of {runs}; Chromium, no cache"
    return [
        Figure("page: octets of the first load, all files", max(first) / KIB, "KiB", 45, note),
        Figure("page: octets of a later page", max(later) / KIB, "KiB", 8, "the thread of 20"),
        Figure("page: navigation to 50 rows painted", max(painted), "ms", 250, note),
        Figure("browser: the same of 50 bare lines without a server", max(bare), "ms", note=note),
        Figure("page: the same, processor slowed four times", max(slowed), "ms", 800, note),
        Figure("page: layout shift after it", shift, "", at_most=0),
    ]


def _live(
    tab: _Open, server: PostroomServer, visitors: Sequence[Visitor], inbox_id: str, seconds: int
) -> list[Figure]:
    """Time from the 250 to the row in a browser that follows with 19 others."""
    waits = {"one mail a second": (1, seconds), f"{_A_SECOND} mails a second": (_A_SECOND, seconds)}
    figures = []
    with tab(visitors[0]) as opened, watching(visitors[1:_BROWSERS], inbox_id, _LIST):
        opened.page.goto(visitors[0].origin + _LIST, wait_until="load")
        time.sleep(1.0)  # the stream opens
        for what, (rate, wanted) in waits.items():
            sent = _send_paced(server, rate, max(rate, 5) * wanted, what)
            last = list(sent)[-1]
            opened.page.wait_for_function("(name) => shownAt[name]", arg=last)
            shown = opened.page.evaluate("shownAt")
            delays = [shown[name] - at for name, at in sent.items() if name in shown]
            note = f"p50 {percentile(delays, 50):.0f} ms, {len(delays)} of {len(sent)} rows seen"
            name = f"page: 250 to the row, {what}, {_BROWSERS} browsers, p99"
            figures.append(Figure(name, percentile(delays, 99), "ms", 500, note))
        figures += _followed(opened, server, 1_000 if seconds < 20 else 10_000)
    return figures


def _followed(opened: _Tab, server: PostroomServer, count: int) -> list[Figure]:
    """What a tab asks for and holds, while mail comes as 10,000 in an hour do, and far faster."""
    asked: list[str] = []
    refused: list[str] = []
    page = opened.page
    page.on("request", lambda one: asked.append(one.url) if "follow=" in one.url else None)
    page.on("response", lambda one: refused.append(one.url) if one.status == 429 else None)
    began, chance = time.monotonic(), random.Random(18)
    pauses = [chance.expovariate(_AN_HOUR) for _ in range(100)]
    _send_after(server, pauses, "Hourly")
    page.wait_for_function("(name) => shownAt[name]", arg=f"Hourly {len(pauses) - 1}")
    a_second = len(asked) / (time.monotonic() - began)
    _send_after(server, [1 / _A_SECOND] * count, "Many")
    page.wait_for_function("(name) => shownAt[name]", arg=f"Many {count - 1}")
    rows = page.evaluate("document.querySelectorAll('#rows > .row').length")
    opened.cdp.send("HeapProfiler.collectGarbage")
    heap = opened.metric("JSHeapUsedSize") / MIB
    return [
        Figure("page: asked for rows, 10,000 mails an hour", a_second, "a second", 2),
        Figure(f"page: rows after {count:,} live mails", rows, "", 500),
        Figure(f"page: JavaScript heap after {count:,} live mails", heap, "MiB", 30),
        Figure("page: refused as too many requests", len(refused), "", at_most=0),
    ]


def _send_after(server: PostroomServer, pauses: Sequence[float], what: str) -> None:
    """Send a mail after each of these pauses."""
    due = time.monotonic()
    with wire.Client(server.smtp, timeout=60) as client:
        for number, pause in enumerate(pauses):
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))
            client.send(_INBOX, _letter(f"{what} {number}", 0))


def _send_paced(server: PostroomServer, rate: int, count: int, what: str) -> dict[str, float]:
    """Send mail at this rate; the milliseconds of each 250, by subject."""
    sent: dict[str, float] = {}
    begun = time.monotonic()
    with wire.Client(server.smtp, timeout=60) as client:
        for number in range(count):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            subject = f"Live {what} {number}"
            client.send(_INBOX, _letter(subject, 0))
            sent[subject] = time.time() * 1000
    return sent


def _worked(opened: _Tab, origin: str) -> list[Figure]:
    """j five hundred times, a search, an act on five hundred threads, and its undo."""
    page = opened.page
    page.goto(origin + _LIST, wait_until="load")
    time.sleep(1.0)
    loaded = page.evaluate("longest")
    page.evaluate("longest = 0")
    for place in range(10):
        for _ in range(50):
            page.keyboard.press("j")
        wanted = min(500, 50 * (place + 2))
        page.wait_for_function(
            "(count) => document.querySelectorAll('#rows > .row').length >= count", arg=wanted
        )
    walked = page.evaluate("longest")
    for key in ("*", "a", "e"):
        page.keyboard.press(key)
    page.wait_for_selector("#done")
    page.keyboard.press("z")
    page.wait_for_selector("#done >> text=/ndone|back|moved/i")
    rows = page.evaluate("document.querySelectorAll('#rows > .row').length")
    acted = page.evaluate("longest")
    opened.cdp.send("HeapProfiler.collectGarbage")
    heap = opened.metric("JSHeapUsedSize") / MIB
    page.fill("#q", "from:sender")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=from**")
    return [
        Figure("page: longest task, until the list is shown", loaded, "ms"),
        Figure("page: longest task, j 500 times over 10 pages", walked, "ms", 50),
        Figure("page: longest task, 500 threads archived and back", acted, "ms", note="of htmx"),
        Figure("page: rows in the page after it", rows, "", 500),
        Figure("page: JavaScript heap after it", heap, "MiB", 30),
    ]


# ---- mail and memory


def _mail_beside(
    server: PostroomServer, visitors: Sequence[Visitor], inbox_id: str, plan: Plan
) -> list[Figure]:
    """The rate of mail to five members with and without 20 tabs that follow one of them."""
    count = 5000  # for two seconds: fewer are there before the tabs have asked once
    mail = load.Load(list_address(5), count, 10 * KIB)
    load.send(server.smtp, mail, timeout=300)
    alone, beside = [], []
    for _ in range(2 if plan.runs == 1 else 3):
        alone.append(load.send(server.smtp, mail, timeout=300))
        with watching(visitors[:_BROWSERS], inbox_id, _LIST):
            beside.append(load.send(server.smtp, mail, timeout=300))
    without, with_tabs = min(alone), min(beside)
    return [
        Figure(
            f"time per message (10 KB, N=5), {_BROWSERS} tabs open",
            with_tabs / without,
            "times that without",
            at_most=1 / 0.95,
            note=f"{count / with_tabs:.0f} and {count / without:.0f} msg/s",
        )
    ]


def _streams(server: PostroomServer, visitors: Sequence[Visitor], inbox_id: str) -> Figure:
    before = proc.pss_bytes(server.pid)
    with contextlib.ExitStack() as opened:
        for one in visitors:
            opened.enter_context(streaming(one, inbox_id, _STREAMS))
        time.sleep(1.0)
        grown = proc.pss_bytes(server.pid) - before
    count = len(visitors) * _STREAMS
    return Figure(f"growth: {count} open tabs", grown / MIB, "MiB", at_most=25)


def _memory(data: Path, password: str, thread: str) -> Figure:
    """The memory that the page and its templates add to a server that has answered the API."""
    used = {}
    for console in ("off", "on"):
        with run_postroom(data, settings=_SETTINGS | {"POSTROOM_CONSOLE": console}) as server:
            token = make_token(data, _INBOX, "email:read")
            reading.wait_parsed(server, token)
            if console == "on":
                visitor = sign_in(server, f"admin@{DOMAIN}", password)
                for path in (_LIST, thread, "/console/settings/", "/console/keys/") * 5:
                    visitor.get(path)
            time.sleep(2.0)
            used[console] = proc.pss_bytes(server.pid)
    note = f"{used['on'] / MIB:.1f} and {used['off'] / MIB:.1f} MiB"
    return Figure("memory of the page", (used["on"] - used["off"]) / MIB, "MiB", 8, note)
