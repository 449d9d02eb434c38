"""The wiring and the lifetime of the main process: store, listeners, API, jobs, signals.

- Everything is made here and handed to its users; nothing else opens a store or a socket.
- SIGTERM and SIGINT drain, once balancers have been told: no new connection, messages under way
  finish, then exit status 0. A second signal forces the end, with status 1.
- Modules that start-up does not need are imported on first use.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from admin_api.app import create_app
from admin_api.dns.cache import DnsCache, dns_cache
from admin_api.service.feed import Feed
from admin_api.service.readiness import Readiness
from admin_api.service.sending_port import SendingPort
from admin_api.service.webhook_port import Webhooks
from config.listening import ListenAddress
from config.logs import event
from config.service_manager import ServiceManager
from config.settings import Settings
from gateway.background import tell_of_end
from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.delivery.empty_list_attempts import deferring
from gateway.delivery.group_commit import delivering
from gateway.delivery.list_rate import ListRates
from gateway.delivery.ports import DeliveryPort
from gateway.http_edge.http_server import serving
from gateway.jobs import relationships, reparse, retention
from gateway.jobs.alert_fan_out import Alerting
from gateway.jobs.garbage import collecting
from gateway.jobs.parsing import Parsing
from gateway.jobs.quotas import Quotas
from gateway.jobs.storage_watch import watch_storage
from gateway.listening.connections import Connections
from gateway.listening.listener import Listener
from gateway.outbound.start_sending import SendingJob
from gateway.processes.handover import MainEnd
from gateway.processes.supervision import MailProcesses
from gateway.reservations import Reservations
from gateway.server.first_check import check_senders
from gateway.server.lifecycle import Running, Stopping, alive, end_process
from gateway.server.mail_side import FILE_THREADS, sessions
from gateway.server.measures import measures_of
from gateway.server.reload import Reread, reload
from gateway.server.trial_mail import trial_mail
from gateway.smtp.recipients import reply_for
from gateway.transport.tls import Certificate
from gateway.webhooks.caller import Caller
from gateway.webhooks.calls import WebhookCalls
from gateway.webhooks.resolver import Names
from gateway.webhooks.targets import why_not
from storage import migrations
from storage.accounts.tenants import list_tenants
from storage.address import canonical_or_none
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.content.object_store import Keys
from storage.content.places import open_contents
from storage.database import Database, Store
from storage.directory.resolve import domains_without_postmaster
from storage.engines.opening import open_database
from storage.tenant_wall import passes_walls
from storage.wakeup import WakeUp

logger = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    mail_processes: MailProcesses,
    reservations: Reservations,
    counters: Counters,
    *,
    certificate: Certificate | None,
    manager: ServiceManager,
    reread: Reread,
    ready: Callable[[Running], None] | None,
) -> int:
    """Serve until told to stop; the exit status. See `gateway.server.run.run`."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(FILE_THREADS, "files"))
    stopping = Stopping()
    async with _store(settings) as (database, contents), _dns(settings) as dns:
        commits = WakeUp()
        parts = _Parts(
            settings=settings,
            database=database,
            contents=contents,
            commits=commits,
            counters=counters,
            reservations=reservations,
            tally=retention.Tally(),
            certificate=certificate,
            manager=manager,
            quotas=_quotas(settings, database, reservations),
            dns=dns,
            checked=Counter(),
            smtp=[],
            sending=SendingJob(settings, database, contents, commits),
            readiness=Readiness(),
        )
        database.hear_others(parts.commits.set)
        stopping.on_reload = partial(reload, settings, reread, certificate, mail_processes, manager)
        async with (
            _jobs(parts) as webhooks,
            _api(parts, webhooks, stopping) as api,
            _mail(parts, mail_processes, stopping) as mail,
        ):
            running = replace(mail, http=api)
            parts.smtp.extend(running.smtp)
            gc.collect()
            gc.freeze()
            _log_listening(running)
            with stopping.on_signals(), _watched(database, contents, stopping), alive(manager):
                if ready is not None:
                    ready(running)
                manager.ready()
                await stopping.wait(parts.unready_seconds)
                manager.stopping()
                event(logger, "draining")
    event(logger, "stopped", forced=stopping.forced)
    return 1 if stopping.forced or stopping.failed else 0


def _log_listening(running: Running) -> None:
    smtp, lmtp = _shown(running.smtp), _shown(running.lmtp)
    smtps, http = _shown(running.smtps), _shown(running.http)
    event(logger, "listening", smtp=smtp, lmtp=lmtp, smtps=smtps, http=http)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The objects that mail, calls and jobs share.

    `commits` is the wake-up, `checked` counts verdicts about senders; `smtp` are the endpoints that
    take mail, once they do.
    """

    settings: Settings
    database: Store
    contents: ContentDirectory
    commits: WakeUp
    counters: Counters
    reservations: Reservations
    tally: retention.Tally
    certificate: Certificate | None
    manager: ServiceManager
    quotas: Quotas
    dns: DnsCache
    checked: Counter[str]
    smtp: list[ListenAddress]
    sending: SendingJob
    readiness: Readiness

    def unready_seconds(self) -> float:
        """How long balancers have to hear of the end: not at all where none asks."""
        return self.settings.unready_seconds if self.readiness.is_watched else 0.0


def _quotas(settings: Settings, database: Store, reservations: Reservations) -> Quotas:
    return Quotas(
        database,
        system_clock,
        reservations.full.publish,
        inbox_quota=settings.inbox_quota,
        tenant_quota=settings.tenant_quota,
    )


@contextlib.asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[tuple[Store, ContentDirectory]]:
    database = await open_database(settings.store, settings.data, system_clock)
    try:
        await migrations.migrate(database, now=system_clock())
        contents = open_contents(
            settings.data,
            keep_in=settings.content_place,
            reader=database,
            store=database,
            keys=Keys(settings.content_access_key, settings.content_secret_key),
        )
        contents.prepare()
        yield database, contents
    finally:
        await _let_go(database)


@contextlib.asynccontextmanager
async def _dns(settings: Settings) -> AsyncIterator[DnsCache]:
    dns = dns_cache(settings.dns_server)
    try:
        yield dns
    finally:
        await dns.close()


async def _let_go(database: Store) -> None:
    fault = database.fault()
    if fault is None or not fault.lasting:
        await database.close()
        return
    await database.abandon()
    event(logger, "ended", level=logging.ERROR, cause=fault.reason)
    end_process(1)


@contextlib.contextmanager
def _watched(database: Store, contents: ContentDirectory, stopping: Stopping) -> Iterator[None]:
    watching = asyncio.create_task(watch_storage(database, contents, stopping.fail))
    tell_of_end(watching, logger, "watches the storage")
    try:
        yield
    finally:
        watching.cancel()


@contextlib.asynccontextmanager
async def _jobs(parts: _Parts) -> AsyncIterator[Webhooks]:
    """Run the jobs beside mail and calls, until the end; yields the webhooks for calls."""
    settings, database, contents = parts.settings, parts.database, parts.contents
    commits = parts.commits
    caller = Caller(Names(parts.dns), settings.webhook_allow_networks)
    calls = WebhookCalls(database, system_clock, caller)
    alerting = Alerting(database, commits, system_clock, calls.wake.set)
    parsing = Parsing(
        database,
        contents,
        commits,
        system_clock,
        size_limit=settings.size_limit,
        under_way=parts.reservations.under_way,
    )
    jobs = [
        asyncio.create_task(parsing.run()),
        asyncio.create_task(alerting.run()),
        asyncio.create_task(calls.run()),
        asyncio.create_task(parts.sending.run()),
        asyncio.create_task(retention.run(database, contents, system_clock, parts.tally)),
        asyncio.create_task(collecting(commits)),
        asyncio.create_task(
            reparse.run(database, contents, commits, system_clock, size_limit=settings.size_limit)
        ),
    ]
    if parts.quotas.is_on:
        jobs.append(asyncio.create_task(parts.quotas.run()))
    if settings.relationships == "on":
        jobs.append(asyncio.create_task(relationships.run(database, commits)))
    if settings.authentication == "on":
        checking = check_senders(
            settings,
            database,
            contents,
            commits=commits,
            cache=parts.dns,
            counts=parts.checked,
        )
        jobs.append(asyncio.create_task(checking))
    try:
        yield Webhooks(partial(why_not, allowed=settings.webhook_allow_networks), calls.test)
    finally:
        for job in jobs:
            job.cancel()
        for ended in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(ended, Exception):
                logger.error("a job had failed", exc_info=ended)


@contextlib.asynccontextmanager
async def _policy(parts: _Parts, deliverer: DeliveryPort) -> AsyncIterator[DeliveryPort]:
    """Give the deliverer; with `dmarc = "reject"` one that checks first."""
    if parts.settings.dmarc == "note":
        yield deliverer
        return
    from gateway.server.checking import load, sender_check
    from gateway.server.dmarc_policy import refusing

    await asyncio.to_thread(load)
    check = sender_check(parts.settings, parts.dns)
    async with refusing(deliverer, check, system_clock) as policy:
        yield policy


@contextlib.asynccontextmanager
async def _mail(
    parts: _Parts, mail_processes: MailProcesses, stopping: Stopping
) -> AsyncIterator[Running]:
    settings, contents, confirmations = parts.settings, parts.contents, Confirmations()
    handed, time = parts.manager.handed, asyncio.get_running_loop().time
    rates = ListRates(settings.list_rate, time) if settings.list_rate else None
    postmaster = canonical_or_none(settings.postmaster) or ""
    await _tell_of_an_empty_store(parts.database)
    await _warn_of_an_unbound_role(parts.database)
    await _warn_of_unread_postmasters(parts.database, postmaster)
    async with (
        delivering(
            parts.database,
            contents,
            confirmations,
            parts.counters,
            postmaster=postmaster,
            committed=parts.commits.set,
            under_way=parts.reservations.under_way,
        ) as deliverer,
        _policy(parts, deliverer) as judge,
        deferring(parts.database, system_clock) as deferred,
        sessions(
            settings,
            parts.database,
            contents,
            parts.reservations,
            parts.counters,
            deliverer=judge,
            confirmations=confirmations,
            deferred=deferred,
            rates=rates,
            certificate=parts.certificate,
            writes=True,
        ) as connections,
    ):
        intake = partial(MainEnd, judge, confirmations, deferred, contents, rates)
        await mail_processes.start(intake)
        listener = Listener(settings, connections, mail_processes, parts.counters)
        everybody: tuple[Connections | MailProcesses, ...] = (connections, mail_processes)
        stopping.on_force = lambda: [each.abort() for each in everybody]
        try:
            yield Running(
                smtp=listener.listen(settings.smtp, "SMTP", handed=handed.get("smtp", ())),
                lmtp=listener.listen(settings.lmtp, "LMTP", handed=handed.get("lmtp", ())),
                smtps=listener.listen(
                    settings.smtps, "SMTP", tls=True, handed=handed.get("smtps", ())
                ),
            )
        finally:
            listener.close()
            await asyncio.gather(*(each.drain(settings.drain_seconds) for each in everybody))


async def _tell_of_an_empty_store(database: Database) -> None:
    """Tell the operator of a new installation what to type next."""
    if not await database.read(list_tenants):
        step = "postroom tenant create NAME"
        event(logger, "store_is_empty", level=logging.WARNING, next=step)


async def _warn_of_an_unbound_role(database: Database) -> None:
    """Tell the operator that the second wall between tenants does not stand."""
    if await database.read(passes_walls):
        step = "give the store to a role that is no superuser and has no BYPASSRLS"
        event(logger, "tenants_not_walled", level=logging.WARNING, next=step)


async def _warn_of_unread_postmasters(database: Database, postmaster: str) -> None:
    """Tell the operator of domains whose postmaster nobody reads (RFC 5321 4.5.1)."""
    for name in await database.read(
        lambda tx: domains_without_postmaster(tx, postmaster=postmaster)
    ):
        event(logger, "postmaster_unread", level=logging.WARNING, domain=name)


@contextlib.asynccontextmanager
async def _api(
    parts: _Parts, webhooks: Webhooks, stopping: Stopping
) -> AsyncIterator[list[ListenAddress]]:
    feed, job = Feed(parts.database, system_clock, parts.commits), parts.sending
    stopping.on_request, stopping.on_drain = parts.readiness.end, feed.close
    app = create_app(
        database=parts.database,
        content=parts.contents,
        settings=parts.settings,
        clock=system_clock,
        commits=parts.commits,
        feed=feed,
        measures=measures_of(
            parts.settings,
            parts.database,
            parts.counters,
            tally=parts.tally,
            feed=feed,
            checked=parts.checked,
            sending=job,
            quotas=parts.quotas,
        ),
        webhooks=webhooks,
        dns=parts.dns,
        trial=trial_mail(parts.smtp),
        sending=SendingPort(lambda: job.is_on, job.wake.set, lambda: job.paused, job.largest),
        readiness=parts.readiness,
        reply_to=lambda found: reply_for(found).line.decode("ascii").rstrip(),
    )
    handed = parts.manager.handed.get("http", ())
    async with serving(
        app, parts.settings.http, parts.settings, handed=handed, count=parts.counters.add
    ) as http:
        try:
            yield http
        finally:
            feed.close()


def _shown(addresses: Sequence[ListenAddress]) -> str:
    return ",".join(map(str, addresses))
