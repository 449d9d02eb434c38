"""The sources of `GET /metrics` in the main process; what formats them is imported by the first
scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from admin_api.service.call_metrics import CallMetrics
from admin_api.service.feed import Feed
from config.settings import Settings
from gateway.counters import Counters
from gateway.jobs.quotas import Quotas
from gateway.jobs.retention import Tally
from gateway.outbound.start_sending import SendingJob
from storage.database import Database

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from gateway.server.metrics import Figures


def measures_of(
    settings: Settings,
    database: Database,
    counters: Counters,
    *,
    tally: Tally,
    feed: Feed,
    checked: Mapping[str, int],
    sending: SendingJob,
    quotas: Quotas,
) -> CallMetrics:
    """Join the figures of the store and the mail side, of streams, checks, letters and quotas."""
    figures: Figures | None = None

    async def read() -> Iterable[Metric]:
        from gateway.server.metrics import Figures

        nonlocal figures
        if figures is None:
            checks = settings.authentication == "on"
            figures = Figures(database, settings.data, counters, tally, checks_senders=checks)
        return await figures.read()

    measures = CallMetrics()
    measures.sources += [read, partial(_streams, feed), partial(_checked, checked)]
    measures.sources.append(partial(_paused, sending))
    if quotas.is_on:
        measures.sources.append(partial(_over_quota, quotas))
    return measures


async def _over_quota(quotas: Quotas) -> Iterable[Metric]:
    from gateway.server.metrics import over_quota

    full = {kind: len(ids) for kind, ids in quotas.full.items()}
    return over_quota(full, {kind: quotas.count_near(kind) for kind in full})


async def _checked(counts: Mapping[str, int]) -> Iterable[Metric]:
    from gateway.server.metrics import messages_checked

    return [messages_checked(counts)]


async def _paused(job: SendingJob) -> Iterable[Metric]:
    from gateway.server.metrics import sending_paused

    return [sending_paused(job.paused is not None)]


async def _streams(feed: Feed) -> Iterable[Metric]:
    from gateway.server.metrics import streams_open

    return [streams_open(feed.streams_open)]
