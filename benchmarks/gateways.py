"""Several gateways on one PostgreSQL store 5 ms away: 10 KB to one inbox, eight sessions each.

Rules kept here:
- The way to the server is the limit, not the two processors: `benchmarks.far_server` adds 5 ms to
  each round trip. PostgreSQL is Debian's with its defaults, and syncs every commit.
- One gateway alone, four on a tenant each, and four on one tenant take turns. Each gateway gets as
  many messages as takes one alone so long as the plan says; the clock stops at the last 250.
- Afterwards `postroom audit` counts the copies: each message has one. Then events are heard at
  another gateway (`benchmarks.far_events`).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import far_events, load
from benchmarks.far_server import far_server
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan
from benchmarks.postgresql import running_cluster
from benchmarks.postroom_server import PostroomServer, run_command, run_postroom, start_command

_GATEWAYS = 4
_SESSIONS = 8
_SIZE = 10 * KIB
_INBOX = "team@bench0.test"
_DELAY = 0.005
_APART = 3.4
_TOGETHER = 1.0
_WARM_UP = 80
_TIMEOUT = 300.0
_SETTLE_SECONDS = 1.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """The rates of four gateways in terms of that of one."""
    place = directory / "gateways"
    with running_cluster(place) as near, ExitStack() as held:
        tell("gateways: preparing a store")
        _prepare(place / "postroom", {"POSTROOM_STORE": near})
        settings = {"POSTROOM_STORE": held.enter_context(far_server(place, _DELAY))}
        gateways = []
        for number in range(_GATEWAYS):
            data = place / f"gateway{number}"
            data.mkdir()
            gateways.append(held.enter_context(run_postroom(data, settings=settings)))
        sent = _send(gateways[:1], [0], _WARM_UP)[0]
        for _ in range(2):
            seconds = _send(gateways[:1], [0], each := max(_SESSIONS * 3, _WARM_UP))[1]
            sent += each
        each = max(_SESSIONS * 3, round(each / seconds * plan.seconds))
        rates: dict[str, list[float]] = {"one": [], "apart": [], "together": []}
        for turn in range(plan.runs):
            tell(f"gateways: run {turn + 1}")
            for name, some, tenants in (
                ("one", gateways[:1], [0]),
                ("apart", gateways, range(_GATEWAYS)),
                ("together", gateways, [0] * _GATEWAYS),
            ):
                count, seconds = _send(some, tenants, each)
                rates[name].append(count / seconds)
                sent += count
                time.sleep(_SETTLE_SECONDS)
        if gateways[0].copies() != sent:
            raise BenchmarkFault(f"{sent} messages were sent, {gateways[0].copies()} are there")
        tell("gateways: events")
        words = ("token", "create", _INBOX, "--label", "bench", "--scopes", "email:read")
        made = run_command(start_command(place / "postroom", *words, settings=settings))
        heard = far_events.measure(gateways[0], gateways[1], _INBOX, str(made["token"]))
    return [*_figures({name: median(some) for name, some in rates.items()}), heard]


def _figures(rates: dict[str, float]) -> list[Figure]:
    one, apart, together = rates["one"], rates["apart"], rates["together"]
    return [
        Figure(
            "PostgreSQL 5 ms away, four gateways on four tenants: time per message",
            one / apart,
            "times one gateway's",
            at_most=round(1 / _APART, 3),
            note=f"{apart:.0f} and {one:.0f} msg/s: {apart / one:.2f} of the rate",
        ),
        Figure(
            "PostgreSQL 5 ms away, four gateways on one tenant: time per message",
            one / together,
            "times one gateway's",
            at_most=_TOGETHER,
            note=f"{together:.0f} and {one:.0f} msg/s: {together / one:.2f} of the rate",
        ),
    ]


def _prepare(data: Path, settings: dict[str, str]) -> None:
    """Make tenants with one inbox each."""
    for number in range(_GATEWAYS):
        tenant, domain = f"Bench {number}", f"bench{number}.test"
        for words in (
            ("tenant", "create", tenant),
            ("domain", "trust", domain, "--tenant", tenant),
            ("inbox", "create", f"team@{domain}", "--tenant", tenant),
        ):
            run_command(start_command(data, *words, settings=settings))


def _send(
    gateways: Sequence[PostroomServer], tenants: Sequence[int], each: int
) -> tuple[int, float]:
    """Send so many messages through each gateway at the same time; all of them, and the seconds."""
    loads = [
        load.Load(f"team@bench{tenant}.test", each, _SIZE, sessions=_SESSIONS) for tenant in tenants
    ]
    with ThreadPoolExecutor(len(gateways)) as threads:
        started = time.perf_counter()
        sending = [
            threads.submit(load.send, gateway.smtp, one, timeout=_TIMEOUT)
            for gateway, one in zip(gateways, loads, strict=True)
        ]
        for one in sending:
            one.result()
        return each * len(gateways), time.perf_counter() - started
