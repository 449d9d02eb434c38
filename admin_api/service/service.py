"""The service: the store, the clock and the ports that every call shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from admin_api.dns.cache import DnsCache
from admin_api.service.call_metrics import CallMetrics
from admin_api.service.feed import Feed
from admin_api.service.kept_counts import KeptCounts
from admin_api.service.rate_limits import Buckets
from admin_api.service.readiness import Readiness
from admin_api.service.sending_port import SendingPort
from admin_api.service.slots import Slots
from admin_api.service.trial_mail import TrialMail
from admin_api.service.webhook_port import Webhooks
from config.settings import Settings
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.database import CountedCommits, SharedDatabase
from storage.directory.resolve import Resolution
from storage.wakeup import WakeUp


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The services of the process for its calls.

    `store` shares the store fairly between callers, `database` is for work of no caller; `document`
    makes the OpenAPI document, `document_turns` one at a time; `commits` is the wake-up after
    commits, which `feed` reads for all streams; `imports` and `uploads` are by inbox,
    `import_turns` for reading the files of imports; `reply_to` gives the SMTP reply to a recipient
    with that route; `measures` has the operator's metrics; `webhooks` checks targets and sends;
    `dns` is the process's one cache of the DNS; `trial` sends test mail; `sending` is the port to
    the job that sends letters; `readiness` is what `/readyz` says of the process; `counts` are kept
    while nothing is committed.
    """

    store: SharedDatabase
    database: CountedCommits
    content: ContentDirectory
    settings: Settings
    clock: Clock
    calls: Buckets
    logins: Buckets
    password_turns: asyncio.Semaphore
    document: Callable[[], bytes]
    document_turns: asyncio.Semaphore
    commits: WakeUp
    feed: Feed
    imports: Slots
    uploads: Slots
    import_turns: asyncio.Semaphore
    reply_to: Callable[[Resolution], str | None]
    measures: CallMetrics
    dns: DnsCache
    webhooks: Webhooks = field(default_factory=Webhooks)
    trial: TrialMail = field(default_factory=TrialMail)
    sending: SendingPort = field(default_factory=SendingPort)
    readiness: Readiness = field(default_factory=Readiness)
    counts: KeptCounts = field(default_factory=KeptCounts)
