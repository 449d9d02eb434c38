"""Answers of the DNS, as the checks need them, and the log of those that one message needed.

- The caller of the check brings the DNS: its cache, its resolver and its patience for one query. A
  query never raises; `failed` is a fault that may be gone later.
- All queries of one message end at its deadline: what is asked later is `failed`.
- The log keeps at most 300 answers, for those who ask why a check ended as it did.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["TXT", "A", "AAAA", "MX", "PTR"]
State = Literal["found", "no_such_name", "no_records", "failed"]

LONGEST_LOG = 300


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The answer to one query.

    A TXT record is its strings, joined, as octets; the others are text: an address, a preference
    and a host, a host.
    """

    records: tuple[str | bytes, ...] = ()
    state: State = "found"

    @property
    def octets(self) -> list[bytes]:
        """The TXT records."""
        return [one for one in self.records if isinstance(one, bytes)]

    @property
    def texts(self) -> list[str]:
        """The records of every other type."""
        return [one for one in self.records if isinstance(one, str)]


class Dns(Protocol):
    """Where the checks ask. Raises nothing for what a name is or an answer says."""

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        """Return the answer for an absolute name without its last dot."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and its answer."""

    name: str
    kind: Kind
    answer: DnsAnswer


class MessageDns:
    """The DNS for the checks of one message, until its deadline."""

    def __init__(self, dns: Dns, *, seconds: float) -> None:
        self._dns = dns
        self._deadline = asyncio.get_running_loop().time() + seconds
        self.log: list[Asked] = []

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        """See `Dns.query`; `failed` past the deadline."""
        try:
            # One deadline for all: many queries, each just in time, would add up.
            async with asyncio.timeout_at(self._deadline):
                answer = await self._dns.query(name, kind)
        except TimeoutError:
            answer = DnsAnswer(state="failed")
        if len(self.log) < LONGEST_LOG:
            self.log.append(Asked(name, kind, answer))
        return answer
