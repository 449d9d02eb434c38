"""The checks of senders in the main process: their DNS, their rules, their job.

- Imported when the first check is near, in a thread: with it come the libraries for keys and for
  the DNS, which take a quarter of a second (`load`).
"""

from __future__ import annotations

from collections import Counter
from importlib import import_module

from admin_api.dns.cache import DnsCache
from config.settings import Settings
from gateway.authentication.answers import DnsAnswer, Kind
from gateway.jobs.sender_check import Rules, SenderCheck
from gateway.jobs.sender_checks import SenderChecks
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.database import PartitionWrites
from storage.wakeup import WakeUp


def load() -> None:
    """Load the modules of the DNS that a first question would load in the event loop."""
    for name in ("dns.asyncresolver", "dns.nameserver", "dns.rdtypes.ANY.TXT"):
        import_module(name)


class CheckDns:
    """The port `Dns` of the checks over the cache of the process."""

    def __init__(self, cache: DnsCache) -> None:
        self._cache = cache

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        """See `Dns.query`: octets of TXT records, text of all others."""
        reply = await self._cache.lookup(name, kind)
        if kind == "TXT":
            return DnsAnswer(reply.records, reply.state)
        return DnsAnswer(
            tuple(one.decode("ascii", "replace") for one in reply.records), reply.state
        )


def sender_check(settings: Settings, cache: DnsCache) -> SenderCheck:
    """Make the check with the rules of the operator."""
    rules = Rules(
        settings.hostname, settings.auth_results_from, frozenset(settings.arc_trusted_sealers)
    )
    return SenderCheck(CheckDns(cache), rules, size_limit=settings.size_limit)


async def check_senders(
    settings: Settings,
    database: PartitionWrites,
    contents: ContentDirectory,
    *,
    commits: WakeUp,
    cache: DnsCache,
    counts: Counter[str],
) -> None:
    """Check present and future messages, until cancelled; `counts` gets the verdicts."""
    job = SenderChecks(
        database,
        contents,
        commits,
        system_clock,
        settings=settings,
        sender_check=sender_check(settings, cache),
        counts=counts,
    )
    await job.run()
