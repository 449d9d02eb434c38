"""Advice on the records that a domain needs for the letters it sends: SPF, DKIM, DMARC.

- The smarthost signs and sends, so none of these is ours to require: a missing one stops nothing
  here, and a DNS that does not answer is `unknown`, no fault of the check.
- Whether a record allows the smarthost is not judged: it may send from other addresses than the one
  at which it takes letters. Where the key of DKIM stands only the smarthost knows.

RFC 7208 4.5 (one record), RFC 6376 3.6.2.1 (name of the key), RFC 9989 (DMARC).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from admin_api.dns.cache import DnsCache

_PATIENCE = 2.0
_MOST_FOUND = 5
_LONGEST_FOUND = 1_000

AdviceStatus = Literal["ok", "missing", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Advice:
    """The purpose of one record, the text found in its place, and the advice."""

    purpose: Literal["spf", "dkim", "dmarc"]
    name: str
    found: tuple[str, ...]
    status: AdviceStatus
    advice: str


async def sending_advice(domain: str, smarthost: str, dns: DnsCache) -> list[Advice]:
    """Ask the DNS anew, and say what letters from this domain need; it never fails."""
    spf, dmarc = await asyncio.gather(
        _found(dns, domain, "v=spf1"), _found(dns, f"_dmarc.{domain}", "v=dmarc1")
    )
    return [
        Advice(
            "spf",
            domain,
            tuple(spf or ()),
            _status(spf),
            f"One TXT record that allows the servers by which {smarthost} sends, such as"
            " v=spf1 include:_spf.provider.example -all",
        ),
        Advice(
            "dkim",
            f"SELECTOR._domainkey.{domain}",
            (),
            "unknown",
            f"Have {smarthost} sign as {domain}; it names the selector and the key to publish.",
        ),
        Advice(
            "dmarc",
            f"_dmarc.{domain}",
            tuple(dmarc or ()),
            _status(dmarc),
            "One TXT record, begun with v=DMARC1; p=none; rua=mailto:… and made stricter when the"
            " reports are clean.",
        ),
    ]


def _status(found: Sequence[str] | None) -> AdviceStatus:
    if found is None:
        return "unknown"
    if not found:
        return "missing"
    return "ok" if len(found) == 1 else "wrong"


async def _found(dns: DnsCache, name: str, begin: str) -> list[str] | None:
    """Return the TXT records that begin so; None where the DNS does not say."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reply = await dns.lookup(name, "TXT", fresh=True)
    # Advice only: a check of the domain must not fail for it.
    except TimeoutError:
        return None
    if reply.state == "failed":
        return None
    texts = sorted(text.decode("utf-8", "replace")[:_LONGEST_FOUND] for text in reply.records)
    return [text for text in texts if text.lower().startswith(begin)][:_MOST_FOUND]
