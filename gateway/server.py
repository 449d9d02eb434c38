"""The wiring and the lifetime of the first process: store, listeners, API, jobs, signals.

- Everything is made here and handed to whoever needs it; nothing else opens a store or a socket.
- SIGTERM and SIGINT drain: no new connection, messages under way finish, then exit status 0. A
  second signal forces the end, with status 1.
- What start-up does not need is imported when it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from admin_api.app import create_app
from admin_api.feed import Feed
from admin_api.measures import Measures
from admin_api.webhooks import Webhooks
from config.logs import event
from config.settings import Settings
from config.values import Endpoint
from gateway import acquainting, retention
from gateway.alerting import Alerting
from gateway.calling import Caller
from gateway.connections import Connections
from gateway.counters import Counters
from gateway.deferred import deferring
from gateway.deliver import delivering
from gateway.handover import Intake
from gateway.http_protocol import HttpProtocol
from gateway.ledger import Ledger
from gateway.listener import Listener, listening_socket
from gateway.mail import sessions
from gateway.names import Names
from gateway.run import Running
from gateway.session import reply_for
from gateway.siblings import Sibling
from gateway.space import Reservations
from gateway.targets import why_not
from gateway.webhooks import WebhookCalls
from gateway.workers import Parsing
from storage import migrations
from storage.address import canonical_or_none
from storage.clock import Clock, system_clock
from storage.content import ContentDirectory
from storage.database import Database
from storage.directory import domains_without_postmaster
from storage.engine import open_database
from storage.signals import Signal

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from gateway.metrics import Figures

logger = logging.getLogger(__name__)

_FILE_THREADS = 16
_API_CLOSE_SECONDS = 3


async def serve(
    settings: Settings,
    siblings: Sequence[Sibling],
    reservations: Reservations,
    counters: Counters,
    ready: Callable[[Running], None] | None,
) -> int:
    """Serve until told to stop; the exit status. See `gateway.run.run`."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_FILE_THREADS, "files"))
    stopping = Stopping()
    commits, tally = Signal(), retention.Tally()
    async with (
        _store(settings, system_clock) as (database, contents),
        _jobs(settings, database, contents, commits, tally) as webhooks,
        _api(
            settings,
            database,
            contents,
            commits=commits,
            measures=_measures(settings, database, counters, tally),
            webhooks=webhooks,
            stopping=stopping,
        ) as http,
        _mail(
            settings,
            database,
            contents,
            commits=commits,
            siblings=siblings,
            reservations=reservations,
            counters=counters,
            stopping=stopping,
        ) as smtp,
    ):
        gc.collect()
        gc.freeze()
        event(logger, "listening", smtp=_shown(smtp), http=_shown(http))
        with stopping.on_signals():
            if ready is not None:
                ready(Running(smtp, http))
            await stopping.requested.wait()
            event(logger, "draining")
    event(logger, "stopped", forced=stopping.forced)
    return 1 if stopping.forced else 0


class Stopping:
    """The wish to stop: the first signal asks, the second one forces."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.forced = False
        self.on_request: Callable[[], object] = lambda: None
        self.on_force: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for SIGTERM and SIGINT; they stay ours until the process ends."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        yield

    def _signalled(self) -> None:
        if self.requested.is_set():
            self.forced = True
            self.on_force()
        else:
            self.on_request()
        self.requested.set()


@contextlib.asynccontextmanager
async def _store(
    settings: Settings, clock: Clock
) -> AsyncIterator[tuple[Database, ContentDirectory]]:
    database = await open_database(settings.store, settings.data, clock)
    try:
        await migrations.migrate(database, now=clock())
        contents = ContentDirectory(settings.data)
        contents.prepare()
        yield database, contents
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _jobs(
    settings: Settings,
    database: Database,
    contents: ContentDirectory,
    commits: Signal,
    tally: retention.Tally,
) -> AsyncIterator[Webhooks]:
    """What goes on beside mail and calls, until the end; and what of it calls may use."""
    caller = Caller(Names(settings.dns_server), settings.webhook_allow_networks)
    calls = WebhookCalls(database, system_clock, caller)
    alerting = Alerting(database, commits, system_clock, calls.wake.ring)
    parsing = Parsing(database, contents, commits, system_clock, size_limit=settings.size_limit)
    jobs = [
        asyncio.create_task(parsing.run()),
        asyncio.create_task(alerting.run()),
        asyncio.create_task(calls.run()),
        asyncio.create_task(retention.run(database, contents, system_clock, tally)),
    ]
    if settings.relationships == "on":
        jobs.append(asyncio.create_task(acquainting.run(database, commits)))
    try:
        yield Webhooks(partial(why_not, allowed=settings.webhook_allow_networks), calls.test)
    finally:
        for job in jobs:
            job.cancel()
        for ended in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(ended, Exception):
                logger.error("a job had failed", exc_info=ended)


@contextlib.asynccontextmanager
async def _mail(
    settings: Settings,
    database: Database,
    contents: ContentDirectory,
    *,
    commits: Signal,
    siblings: Sequence[Sibling],
    reservations: Reservations,
    counters: Counters,
    stopping: Stopping,
) -> AsyncIterator[list[tuple[str, int]]]:
    await _warn_of_unread_postmasters(database, canonical_or_none(settings.postmaster) or "")
    ledger = Ledger()
    postmaster = canonical_or_none(settings.postmaster) or ""
    async with (
        delivering(
            database,
            contents,
            ledger,
            counters,
            postmaster=postmaster,
            committed=commits.ring,
            under_way=reservations.under_way,
        ) as deliverer,
        deferring(database, system_clock) as deferred,
        sessions(
            settings,
            database,
            contents,
            reservations,
            counters,
            deliverer=deliverer,
            ledger=ledger,
            deferred=deferred,
        ) as connections,
    ):
        intake = partial(Intake, deliverer, ledger, deferred, contents)
        await asyncio.gather(*(sibling.start(intake) for sibling in siblings))
        listener = Listener(settings, connections, siblings, counters)
        everybody: list[Connections | Sibling] = [connections, *siblings]
        stopping.on_force = lambda: [each.abort() for each in everybody]
        try:
            yield listener.listen(settings.smtp)
        finally:
            listener.close()
            await asyncio.gather(*(each.drain(settings.drain_seconds) for each in everybody))


async def _warn_of_unread_postmasters(database: Database, postmaster: str) -> None:
    """Tell the operator of domains whose postmaster nobody reads (RFC 5321 4.5.1)."""
    for name in await database.read(
        lambda tx: domains_without_postmaster(tx, postmaster=postmaster)
    ):
        event(logger, "postmaster_unread", level=logging.WARNING, domain=name)


def _measures(
    settings: Settings, database: Database, counters: Counters, tally: retention.Tally
) -> Measures:
    """What an operator can read; what writes it down is imported when somebody does."""
    figures: list[Figures] = []

    async def read() -> Iterable[Metric]:
        from gateway.metrics import Figures

        figures[:] = figures or [Figures(database, settings.data, counters, tally)]
        return await figures[0].read()

    measures = Measures()
    measures.sources.append(read)
    return measures


@contextlib.asynccontextmanager
async def _api(
    settings: Settings,
    database: Database,
    contents: ContentDirectory,
    *,
    commits: Signal,
    measures: Measures,
    webhooks: Webhooks,
    stopping: Stopping,
) -> AsyncIterator[list[tuple[str, int]]]:
    feed = Feed(database, system_clock, commits)
    stopping.on_request = feed.close
    measures.sources.append(partial(_streams, feed))
    app = create_app(
        database=database,
        content=contents,
        settings=settings,
        clock=system_clock,
        commits=commits,
        feed=feed,
        measures=measures,
        webhooks=webhooks,
        reply_to=lambda found: reply_for(found).line.decode("ascii").rstrip(),
    )
    sockets = [listening_socket(endpoint) for endpoint in settings.http]
    server = ApiServer(
        uvicorn.Config(
            app,
            http=HttpProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=_API_CLOSE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets))
    try:
        await server.accepting.wait()
        yield [bound.getsockname()[:2] for bound in sockets]
    finally:
        feed.close()
        server.should_exit = True
        await serving


async def _streams(feed: Feed) -> Iterable[Metric]:
    from gateway.metrics import streams_open

    return [streams_open(feed.streams_open)]


class ApiServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _shown(addresses: Sequence[tuple[str, int]]) -> str:
    return ",".join(str(Endpoint(host, port)) for host, port in addresses)
