"""The DNS check of a domain: the records to publish, and the records found.

- All queries are sent together, each for an absolute name; the check ends within 8 seconds.
- A missing name or type is a result: `missing`. A server that fails, refuses, is silent or sends
  garbage gives none: DnsUnavailable, never a verdict about the domain.
- The mail record is right when our host is among those named, whatever its preference: others may
  be beside it.

RFC 1035, RFC 2308 (no such name, no such data), RFC 7505 (null MX).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from admin_api.dns.cache import DnsCache
from storage.directory.domains import Domain

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

PATIENCE = 8.0

_LABEL = "_postroom-verify"
_LONGEST_NAME = 253
_MOST_FOUND = 20
_LONGEST_FOUND = 1_000

Status = Literal["ok", "missing", "wrong"]


class DnsUnavailable(Exception):
    """The DNS gives no answer now; the same query may get one later."""


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish. `purpose` is `ownership` or `mail`; `name` has no dot at its end."""

    type: Literal["TXT", "MX"]
    name: str
    value: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A record to publish, and the records found in its place."""

    record: DnsRecord
    found: tuple[str, ...]
    status: Status


def records_of(domain: Domain, hostname: str) -> tuple[DnsRecord, DnsRecord]:
    """Return the ownership record and the mail record; `hostname` is the target of the MX."""
    return (
        DnsRecord("TXT", f"{_LABEL}.{domain.name}", domain.verification, "ownership"),
        DnsRecord("MX", domain.name, f"10 {hostname}.", "mail"),
    )


def why_not(name: str) -> str | None:
    """Return the reason why no tenant can have this domain (an A-label), or None."""
    if len(f"{_LABEL}.{name}") > _LONGEST_NAME:
        return "is too long for the record that shows who owns it"
    if _public_suffixes().is_public(name):
        return "is a public suffix, under which others register their domains"
    return None


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    """Return the list in the package; a top-level domain missing there is a suffix too."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


async def check(
    records: Sequence[DnsRecord], dns: DnsCache, *, patience: float = PATIENCE
) -> list[Checked]:
    """Ask the DNS anew for all of `records`. Raises DnsUnavailable."""
    try:
        async with asyncio.timeout(patience):
            # Together: one after the other, two silent servers would take longer than `patience`.
            found = await asyncio.gather(*(_found(dns, record) for record in records))
    except TimeoutError as error:
        raise DnsUnavailable(type(error).__name__) from error
    return [
        Checked(
            record,
            tuple(text[:_LONGEST_FOUND] for text in texts[:_MOST_FOUND]),
            _status(record, texts),
        )
        for record, texts in zip(records, found, strict=True)
    ]


async def _found(dns: DnsCache, record: DnsRecord) -> list[str]:
    """Return the records; an empty list when the DNS says that there are none.

    They may have been published a moment ago: what is remembered does not count.
    """
    reply = await dns.lookup(record.name, record.type, fresh=True)
    if reply.state == "failed":
        raise DnsUnavailable(reply.cause)
    return sorted(text.decode("utf-8", "replace") for text in reply.records)


def _status(record: DnsRecord, texts: Sequence[str]) -> Status:
    if not texts:
        return "missing"
    if record.type == "TXT":
        right = record.value in (text.strip() for text in texts)
    else:
        host = record.value.partition(" ")[2]
        right = host in (text.partition(" ")[2].lower() for text in texts)
    return "ok" if right else "wrong"
