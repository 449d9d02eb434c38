"""The service: the store, the clock and the ports that every call shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from admin_api.service.call_metrics import CallMetrics
from admin_api.service.feed import Feed
from admin_api.service.rate_limits import Buckets
from admin_api.service.webhook_port import Webhooks
from config.settings import Settings
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.database import Database, SharedDatabase
from storage.directory.resolve import Resolution
from storage.wakeup import WakeUp


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What the process lends to its calls.

    `store` gives each caller its turn at the store, `database` is for what is done for none;
    `document` makes the OpenAPI document; `commits` rings when something was committed,
    which `feed` reads for all streams;
    `reply_to` tells what a sender is answered to a recipient that leads there; `measures` is what
    an operator can read; `webhooks` judges targets and sends.
    """

    store: SharedDatabase
    database: Database
    content: ContentDirectory
    settings: Settings
    clock: Clock
    calls: Buckets
    logins: Buckets
    password_turns: asyncio.Semaphore
    document: Callable[[], bytes]
    commits: WakeUp
    feed: Feed
    reply_to: Callable[[Resolution], str | None]
    measures: CallMetrics
    webhooks: Webhooks = field(default_factory=Webhooks)
