"""The quota job: counts the mail of tenants and inboxes, warns of nearly full ones, defers more.

- Off unless `inbox_quota` or `tenant_quota` is set. RCPT asks no query: it looks into a set of ids
  that this job keeps, so a quota may be passed by the mail of one round.
- A round counts the messages that are new. All are counted again now and then, because messages are
  deleted as well, and more often while something is full.
- A list with a full member is full: its mail could not reach every member.
- At 90 % the admins get a task, once; again only after the use fell below 85 %.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping

from config.logs import event
from gateway.background import keep_on
from storage.clock import Clock
from storage.database import Database, Tx
from storage.maintenance.quota_usage import (
    lists_with,
    usage_since,
    warn_of_inbox,
    warn_of_tenant,
)

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_RECOUNT_SECONDS = 600.0
_RECOUNT_WHEN_FULL_SECONDS = 30.0
_WARN_PERCENT = 90
_CALM_PERCENT = 85


class Quotas:
    """The use of one store. `publish` gets the ids that take no more mail, after each round."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        publish: Callable[[Collection[bytes]], None],
        *,
        inbox_quota: int,
        tenant_quota: int,
    ) -> None:
        """A quota is in octets; 0 is none."""
        self._database = database
        self._clock = clock
        self._publish = publish
        self._quotas = {"inbox": inbox_quota, "tenant": tenant_quota}
        self._used: dict[str, dict[bytes, int]] = {"inbox": {}, "tenant": {}}
        self._warned: set[bytes] = set()
        self._last: dict[bytes, bytes] = {}
        self._recounted_at = float("-inf")
        self.full: dict[str, set[bytes]] = {"inbox": set(), "tenant": set()}

    @property
    def is_on(self) -> bool:
        """Whether there is a quota at all."""
        return any(self._quotas.values())

    def count_near(self, kind: str) -> int:
        """How many of `kind` (inbox, tenant) have used nine tenths of their quota, or more."""
        return len(self._above(kind, _WARN_PERCENT))

    async def run(self) -> None:
        """Round after round, until cancelled."""

        async def one_round() -> None:
            await self.one_round(time.monotonic())
            await asyncio.sleep(_EVERY_SECONDS)

        await keep_on(one_round, logger, job="quotas")

    async def one_round(self, now: float) -> None:
        """Count, publish, warn. `now` is of a steady clock, in seconds."""
        await self._count(now)
        full = {kind: self._above(kind, 100) for kind in self._quotas}
        lists = await self._database.read(lambda tx: lists_with(tx, full["inbox"]))
        if full != self.full:
            event(
                logger, "quota_full", level=logging.WARNING,
                inboxes=len(full["inbox"]), tenants=len(full["tenant"]),
            )  # fmt: skip
        self.full = full
        self._publish({*full["inbox"], *full["tenant"], *lists})
        await self._warn()

    async def _count(self, now: float) -> None:
        full = any(self.full.values())
        again = _RECOUNT_WHEN_FULL_SECONDS if full else _RECOUNT_SECONDS
        anew = now - self._recounted_at >= again
        after = {} if anew else self._last
        found = await self._database.read(lambda tx: usage_since(tx, after=after))
        if anew:
            self._recounted_at = now
            self._used = {"inbox": {}, "tenant": {}}
        for kind, added in (("inbox", found.inboxes), ("tenant", found.tenants)):
            used = self._used[kind]
            for one, octets in added.items():
                used[one] = used.get(one, 0) + octets
        self._last = found.last

    def _above(self, kind: str, percent: int) -> set[bytes]:
        quota, used = self._quotas[kind], self._used[kind]
        if not quota:
            return set()
        return {one for one, octets in used.items() if octets * 100 >= quota * percent}

    async def _warn(self) -> None:
        for kind, quota in self._quotas.items():
            near, calm = self._above(kind, _WARN_PERCENT), self._above(kind, _CALM_PERCENT)
            used: Mapping[bytes, int] = self._used[kind]
            for one in near - self._warned:
                await self._warn_of(kind, one, used[one], quota)
                self._warned.add(one)
            self._warned -= {one for one in self._warned & used.keys() if one not in calm}

    async def _warn_of(self, kind: str, one: bytes, octets: int, quota: int) -> None:
        now = self._clock()

        async def work(tx: Tx) -> None:
            if kind == "inbox":
                await warn_of_inbox(tx, inbox_id=one, octets=octets, quota=quota, now=now)
            else:
                await warn_of_tenant(tx, tenant_id=one, octets=octets, quota=quota, now=now)

        await self._database.write(work)
