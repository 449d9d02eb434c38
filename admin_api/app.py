"""The HTTP API: the application around the route table.

Objects with a lifetime (the store, the content directory) are made elsewhere and handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache

from starlette.applications import Starlette

from admin_api.call.dispatch import Dispatcher
from admin_api.call.router import Router
from admin_api.call.store_wrappers import NotifyingDatabase
from admin_api.console.edge import Edge, Fork
from admin_api.dns.cache import DnsCache, dns_cache
from admin_api.openapi.document import document_bytes
from admin_api.operations.docs_page import DocsFirst
from admin_api.routes import ROUTES
from admin_api.service.call_metrics import CallMetrics, Measured
from admin_api.service.feed import Feed
from admin_api.service.rate_limits import Buckets, Ticks
from admin_api.service.readiness import Readiness
from admin_api.service.sending_port import SendingPort
from admin_api.service.service import ServiceContext
from admin_api.service.slots import Slots
from admin_api.service.trial_mail import TrialMail
from admin_api.service.webhook_port import Webhooks
from config.settings import Settings
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.database import SharedDatabase
from storage.directory.resolve import Resolution
from storage.wakeup import WakeUp

_PASSWORDS_AT_ONCE = 1  # each takes 46 MiB for some 30 ms
_IMPORTS_OF_AN_INBOX = 2
_UPLOADS_OF_AN_INBOX = 4
_FILES_READ_AT_ONCE = 1  # parsing holds the interpreter: more threads would only be in the way


def create_app(
    *,
    database: SharedDatabase,
    content: ContentDirectory,
    settings: Settings,
    clock: Clock,
    ticks: Ticks = time.monotonic,
    reply_to: Callable[[Resolution], str | None] = lambda found: None,
    commits: WakeUp | None = None,
    feed: Feed | None = None,
    measures: CallMetrics | None = None,
    webhooks: Webhooks | None = None,
    dns: DnsCache | None = None,
    trial: TrialMail | None = None,
    sending: SendingPort | None = None,
    readiness: Readiness | None = None,
) -> Starlette:
    """Make the ASGI application.

    `ticks` are the seconds by which limits refill; they never jump. `commits` is the wake-up for
    deliveries and for writes here. The maker of the `feed` closes it before the store. `measures`
    counts the calls. `webhooks` checks the targets of alerts and sends to them. `dns` is the cache
    of all that asks the DNS. `trial` sends test mail to the server's own SMTP port.
    `sending` is the port to the sending job; `readiness` is told when the process is to end.
    """
    commits = commits or WakeUp()
    service = ServiceContext(
        store=database,
        database=NotifyingDatabase(database, commits),
        content=content,
        settings=settings,
        clock=clock,
        calls=_buckets(settings.api_rate_per_minute, settings.api_burst, ticks),
        logins=_buckets(settings.login_rate_per_minute, settings.login_rate_per_minute, ticks),
        password_turns=asyncio.Semaphore(_PASSWORDS_AT_ONCE),
        document=_document,
        document_turns=asyncio.Semaphore(1),
        reply_to=reply_to,
        commits=commits,
        feed=feed or Feed(database, clock, commits),
        imports=Slots(_IMPORTS_OF_AN_INBOX),
        uploads=Slots(_UPLOADS_OF_AN_INBOX),
        import_turns=asyncio.Semaphore(_FILES_READ_AT_ONCE),
        measures=measures or CallMetrics(),
        dns=dns or dns_cache(settings.dns_server),
        webhooks=webhooks or Webhooks(),
        trial=trial or TrialMail(),
        sending=sending or SendingPort(),
        readiness=readiness or Readiness(ticks),
    )
    app = Starlette()
    # Starlette's own routes match decoded paths and answer in plain text; ours do neither.
    router = _router()
    calls = Dispatcher(router, service)
    is_without_page = settings.console == "off"
    inner = DocsFirst(calls) if is_without_page else Fork(Edge(router, service, ticks), calls)
    app.router.default = Measured(inner, service.measures)
    return app


def _buckets(per_minute: int, burst: int, ticks: Ticks) -> Buckets:
    return Buckets(per_minute=per_minute, burst=burst, ticks=ticks)


@lru_cache(maxsize=1)
def _router() -> Router:
    return Router(ROUTES)


@lru_cache(maxsize=1)
def _document() -> bytes:
    return document_bytes(ROUTES)
