"""The tree walk: DMARC records from a domain upwards, and the organizational domain they make.

- At most eight queries: the domain itself, then its last seven labels, and one label less each
  time. A record with `psd=y` or `psd=n` ends it.
- Of several records at one name none counts.
- A walk on which the DNS failed has found only a part: `failed`.
- The walks of a message are remembered: From, SPF and signatures often ask for the same.

RFC 9989 4.10 and 4.10.2.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.authentication.answers import Dns, DnsAnswer
from gateway.authentication.domain_names import is_within

MOST_LABELS = 7
LONGEST_RECORD = 8192
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Record:
    """A DMARC record: its tags in lower case; of one that stands twice the first."""

    tags: Mapping[str, str]

    def flag(self, name: str, known: str, default: str) -> str:
        """Return the value of a tag that has few; the default for any other."""
        value = self.tags.get(name, default).lower()
        return value if value in known.split() else default


@dataclass(frozen=True, slots=True)
class Walk:
    """The records found from `start` upwards, the nearest first."""

    start: str
    records: Mapping[str, Record]
    failed: bool

    @property
    def organizational_domain(self) -> str:
        """The domain that all names of one organization share."""
        for name, record in self.records.items():
            psd = record.flag("psd", "y n u", "u")
            if psd == "n":
                return name
            if psd == "y" and name != self.start:
                return _child(name, self.start)
        return next(reversed(list(self.records)), self.start)

    @property
    def public_suffix_record(self) -> tuple[str, Record] | None:
        """The record that the operator of a public suffix has published above the start."""
        for name, record in self.records.items():
            if name != self.start and record.flag("psd", "y n u", "u") == "y":
                return name, record
        return None


def _child(name: str, start: str) -> str:
    """Return the name one label longer than `name`, towards `start`."""
    labels = start.split(".")
    return ".".join(labels[len(labels) - len(name.split(".")) - 1 :])


def read_record(answer: DnsAnswer) -> Record | None:
    """Return the DMARC record of an answer, None when there is not exactly one."""
    found = [one for one in answer.octets if _VERSION.match(one)]
    if len(found) != 1 or len(found[0]) > LONGEST_RECORD:
        return None
    tags: dict[str, str] = {}
    for part in found[0].decode("utf-8", "replace").split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return Record(tags)


def targets(domain: str) -> list[str]:
    """Return the names that a walk asks for."""
    labels = domain.split(".")
    above = labels[-min(len(labels) - 1, MOST_LABELS) :] if len(labels) > 1 else []
    return [domain, *(".".join(above[count:]) for count in range(len(above)))]


@dataclass(slots=True)
class Walks:
    """The walks of one message."""

    dns: Dns
    _begun: dict[str, asyncio.Task[Walk]] = field(default_factory=dict)

    async def walk(self, domain: str) -> Walk:
        """Walk from a domain, once."""
        begun = self._begun.get(domain)
        # A task, not its result: SPF and the signatures ask for one domain at one time.
        if begun is None:
            begun = self._begun[domain] = asyncio.create_task(_walk(self.dns, domain))
        return await begun

    async def are_aligned(self, author: str, other: str, *, strict: bool) -> bool | None:
        """Whether a domain that was authenticated is the author's; None when the DNS failed.

        Relaxed: both have one organizational domain, so only names below the author's are asked
        for.
        """
        if author == other or strict:
            return author == other
        of_author = await self.walk(author)
        shared = author.rpartition(".")[2] if of_author.failed else of_author.organizational_domain
        if not is_within(other, shared):
            return False
        of_other = await self.walk(other)
        if of_author.failed or of_other.failed:
            return None
        return of_author.organizational_domain == of_other.organizational_domain


async def _walk(dns: Dns, domain: str) -> Walk:
    records: dict[str, Record] = {}
    for name in targets(domain):
        answer = await dns.query(f"_dmarc.{name}", "TXT")
        if answer.state == "failed":
            return Walk(domain, records, failed=True)
        record = read_record(answer)
        if record is None:
            continue
        records[name] = record
        if record.flag("psd", "y n u", "u") != "u":
            break
    return Walk(domain, records, failed=False)
