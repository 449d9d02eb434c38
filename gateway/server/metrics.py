"""Figures of the mail side, the store and the jobs, for `GET /metrics`.

- They are read when they are asked for; nothing is kept up to date for nobody.
- A store that is out of reach is a figure too (`postroom_store_up` 0): the others are still given.
- No figure names a tenant, an address or a message.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from admin_api.service.call_metrics import cumulated
from gateway.counters import Counters, Distribution
from gateway.jobs.retention import Tally
from storage.authentication.results import VERDICTS
from storage.clock import SECOND, system_clock
from storage.database import Database, Tx
from storage.errors import StoreUnavailable
from storage.maintenance.job_lease import last_finished
from storage.maintenance.store_gauges import Waiting, last_backup, messages_stored, waiting

_TOTALS_SECONDS = 60.0

# Each of `gateway.counters.NAMES`, in words.
_COUNTED = {
    "connections": "SMTP connections that were let in.",
    "connections_closed": "SMTP connections that were let in and have ended.",
    "connections_refused": "SMTP connections that were turned away at once.",
    "connections_displaced": "Idle SMTP connections that were ended to make room for a new one.",
    "messages_accepted": "Messages stored; each was answered 250.",
    "messages_repeated": "Messages answered 250 that were stored before, from an unseen reply.",
    "copies_written": "Copies of messages written to inboxes.",
    "octets_accepted": "Octets of the messages stored.",
    "commits": "Transactions that stored messages.",
    "commits_failed": "Transactions that were to store messages and failed.",
    "mail_processes_lost": "Mail processes that ended without being asked to.",
    "mail_processes_replaced": "Lost mail processes that another one replaced.",
    "mail_processes_hung": "Times that a mail process did not answer and was passed over.",
    "http_turned_away": "HTTP connections, and a proxy's requests, for which there was no place.",
    "http_refused": "HTTP requests that were refused before any call: too large, slow, malformed.",
}


class Figures:
    """The metrics of this process and the mail processes; `read` is a source of measures."""

    def __init__(
        self,
        database: Database,
        data: Path,
        counters: Counters,
        tally: Tally,
        *,
        checks_senders: bool,
    ) -> None:
        self._checks_senders = checks_senders
        self._database = database
        self._data = data
        self._counters = counters
        self._tally = tally
        self._messages = 0
        self._counted_at = float("-inf")

    async def read(self) -> Iterable[Metric]:
        """All of it, as of now."""
        return [
            *_about_us(),
            *self._of_mail(),
            *self._of_processes(),
            *self._of_disk(),
            *await self._of_store(),
        ]

    def _of_mail(self) -> Iterator[Metric]:
        gone = self._counters.total("connections_closed")
        yield GaugeMetricFamily(
            "postroom_smtp_connections_open",
            "SMTP connections now.",
            self._counters.total("connections") - gone,
        )
        for name, about in _COUNTED.items():
            yield CounterMetricFamily(f"postroom_{_unit(name)}", about, self._counters.total(name))
        replies = CounterMetricFamily(
            "postroom_smtp_replies",
            "Replies sent, by code and by which one of that code it was.",
            labels=("code", "reply"),
        )
        for labels, count in self._counters.replies():
            replies.add_metric(labels, count)
        yield replies
        yield _histogram(
            "postroom_commit_seconds",
            "Seconds from the beginning of a transaction to stable storage.",
            self._counters.commit_microseconds(),
            SECOND,
        )
        yield _histogram(
            "postroom_commit_messages",
            "Messages stored by one transaction.",
            self._counters.batch_sizes(),
            1,
        )

    def _of_processes(self) -> Iterator[Metric]:
        labels = ("process",)
        cpu = CounterMetricFamily(
            "postroom_process_cpu_seconds", "Processor time used.", labels=labels
        )
        memory = GaugeMetricFamily(
            "postroom_process_resident_memory_bytes", "Memory in use.", labels=labels
        )
        descriptors = GaugeMetricFamily(
            "postroom_process_open_fds", "Open file descriptors.", labels=labels
        )
        for number, pid in sorted(self._counters.pids().items()):
            if cost := cost_of(pid):
                cpu.add_metric([str(number)], cost.cpu_seconds)
                memory.add_metric([str(number)], cost.resident)
                descriptors.add_metric([str(number)], cost.descriptors)
        yield from (cpu, memory, descriptors)

    def _of_disk(self) -> Iterator[Metric]:
        try:
            disk = os.statvfs(self._data)
        except OSError:
            return
        yield GaugeMetricFamily(
            "postroom_data_free_bytes",
            "Free space where the data directory is.",
            disk.f_bavail * disk.f_frsize,
        )

    async def _of_store(self) -> list[Metric]:
        finished: int | None = None
        backup: int | None = None
        behind: Waiting | None = None

        async def look(tx: Tx) -> tuple[Waiting, int | None, int | None]:
            return await waiting(tx), await last_finished(tx), await last_backup(tx)

        try:
            behind, finished, backup = await self._database.read(look)
            await self._count_messages()
        except StoreUnavailable:
            pass
        up = GaugeMetricFamily("postroom_store_up", "Whether the store answers.", int(bool(behind)))
        return [up, *self._standing(behind), *_of_backup(backup), *self._of_retention(finished)]

    async def _count_messages(self) -> None:
        if time.monotonic() - self._counted_at > _TOTALS_SECONDS:
            self._messages = await self._database.read(messages_stored)
            self._counted_at = time.monotonic()

    def _standing(self, behind: Waiting | None) -> Iterator[Metric]:
        if behind is None:
            return
        yield GaugeMetricFamily(
            "postroom_messages_stored", "Messages in the store, to the minute.", self._messages
        )
        backlog = GaugeMetricFamily(
            "postroom_backlog", "What waits for a job, 100,000 at most.", labels=("job",)
        )
        backlog.add_metric(["parsing"], behind.parsing)
        if self._checks_senders:
            backlog.add_metric(["checking"], behind.checking)
        backlog.add_metric(["counting"], behind.counting)
        backlog.add_metric(["reparsing"], behind.reparsing)
        backlog.add_metric(["webhooks"], behind.delivering)
        backlog.add_metric(["sending"], behind.sending)
        yield backlog

    def _of_retention(self, finished: int | None) -> Iterator[Metric]:
        removed = CounterMetricFamily(
            "postroom_retention_removed", "What was removed, by kind.", labels=("kind",)
        )
        for kind, count in sorted(self._tally.removed.items()):
            removed.add_metric([kind], count)
        rounds = CounterMetricFamily(
            "postroom_retention_rounds", "Rounds of removing, by their end.", labels=("end",)
        )
        for end in ("done", "failed", "left_to_another"):
            rounds.add_metric([end], self._tally.ended[end])
        yield from (removed, rounds)
        if finished is not None:
            yield GaugeMetricFamily(
                "postroom_retention_last_done_timestamp_seconds",
                "When a round was last done, by whichever process of the store.",
                finished / SECOND,
            )


def _of_backup(began: int | None) -> Iterator[Metric]:
    """The last good backup; without one there is no figure, so that an alert can ask for it."""
    if began is not None:
        age = max(0.0, (system_clock() - began) / SECOND)
        yield GaugeMetricFamily(
            "postroom_backup_age_seconds", "Since the last good backup of the store began.", age
        )


def over_quota(full: Mapping[str, int], near: Mapping[str, int]) -> Iterator[Metric]:
    """How many inboxes and tenants are over their quota, or have used nine tenths of it."""
    for name, about, counts in (
        ("postroom_quota_full", "Over their quota: mail for them is deferred.", full),
        ("postroom_quota_near", "With nine tenths of their quota used, or more.", near),
    ):
        gauge = GaugeMetricFamily(name, about, labels=("kind",))
        for kind, count in counts.items():
            gauge.add_metric([kind], count)
        yield gauge


def messages_checked(counts: Mapping[str, int]) -> Metric:
    """How many checks of senders ended with each verdict."""
    checked = CounterMetricFamily(
        "postroom_messages_checked", "Checks of who wrote a message.", labels=("verdict",)
    )
    for verdict in VERDICTS:
        checked.add_metric([verdict], counts.get(verdict, 0))
    return checked


def sending_paused(is_paused: bool) -> Metric:
    """Whether a smarthost refuses our sign-in, so that letters wait."""
    about = "1 while a smarthost refuses the sign-in: letters wait, none fails for it."
    return GaugeMetricFamily("postroom_sending_paused", about, int(is_paused))


def streams_open(count: int) -> Metric:
    """How many streams of events there are now."""
    return GaugeMetricFamily("postroom_event_streams_open", "Streams of events now.", count)


def _about_us() -> Iterator[Metric]:
    yield InfoMetricFamily(
        "postroom_build",
        "Which release this is.",
        {"version": version("postroom"), "python": platform.python_version()},
    )


def _unit(name: str) -> str:
    return name.replace("octets_accepted", "accepted_bytes").replace(
        "connections", "smtp_connections"
    )


def _histogram(name: str, about: str, found: Distribution, scale: int) -> Metric:
    bounds = [bound / scale if scale > 1 else bound for bound in found.bounds]
    return HistogramMetricFamily(
        name, about, buckets=cumulated(bounds, found.counts), sum_value=found.total / scale
    )


_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time since the process began, octets of memory, open descriptors."""

    cpu_seconds: float
    resident: int
    descriptors: int


def cost_of(pid: int) -> Cost | None:
    """Return the cost of a process; None when the system does not tell."""
    directory = _PROC / str(pid)
    try:
        # The second field is the command, which may itself hold blanks and parentheses.
        fields = (directory / "stat").read_text().rpartition(")")[2].split()
        descriptors = sum(1 for _ in (directory / "fd").iterdir())
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), resident, descriptors)
