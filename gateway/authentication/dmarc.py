"""DMARC: does a domain that SPF or DKIM has authenticated belong to the author's?

- The policy is the record of the author's domain (`p`), else that of the organizational domain,
  else that of the public suffix (`sp`, or `np` for a domain of which the DNS says NXDOMAIN). `t=y`:
  the owner only tries it. `pct`, `rf` and `ri` are gone.
- A record without `p` asks for nothing (`none`, 4.7); so does one with a wrong `p`, `sp` or `np`
  that names a place for reports. Any other wrong one is no policy: `permerror`.
- A temporary error of something that could have passed is `temperror`, never `fail`.

RFC 9989 4.7, 4.10.1 and 5.3; 3.2 (non-existent domains).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.authentication.answers import Dns
from gateway.authentication.result import Dkim, Dmarc, Policy, Spf
from gateway.authentication.tree_walk import Record, Walk, Walks

# Why SPF was not asked, so that its pass may be all that is missing.
UNCHECKED = ("behind_relay", "no_address")
# RFC 3986; RFC 9989 4.8: commas and "!" stand for themselves nowhere in it.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#[\]@$&'()*+;=-]|%[0-9A-Fa-f]{2})*+")
_OLD_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?\Z")
_POLICIES = {"none", "quarantine", "reject"}


@dataclass(frozen=True, slots=True)
class Published:
    """The policy of the author's domain. `tag` names the policy that applies; None: no policy.

    `failed`: the DNS did, and nothing of this counts.
    """

    record: Record | None = None
    domain: str | None = None
    policy: Policy | None = None
    failed: bool = False

    @property
    def is_invalid(self) -> bool:
        """Whether there is a record, but no policy in it."""
        return self.record is not None and self.policy is None

    def is_strict(self, tag: str) -> bool:
        """Whether `adkim` or `aspf` asks for equal names."""
        return self.record is not None and self.record.flag(tag, "r s", "r") == "s"

    @property
    def is_testing(self) -> bool:
        """Whether the owner only tries the policy."""
        return self.record is not None and self.record.flag("t", "y n", "n") == "y"


async def discover(author: str, walks: Walks, dns: Dns) -> Published:
    """Find the policy for mail of this author."""
    walk = await walks.walk(author)
    own = walk.records.get(author)
    # The author's own record decides alone, whatever failed further up.
    if own is not None:
        return Published(own, author, _policy(own, ["p"]))
    if walk.failed:
        return Published(failed=True)
    found = _above(walk)
    if found is None:
        return Published()
    domain, record = found
    tags = ["sp", "p"]
    if "np" in record.tags:
        exists = await _exists(author, dns)
        if exists is None:
            return Published(record, domain, failed=True)
        tags = tags if exists else ["np", *tags]
    return Published(record, domain, _policy(record, tags))


def _above(walk: Walk) -> tuple[str, Record] | None:
    domain = walk.organizational_domain
    if domain in walk.records:
        return domain, walk.records[domain]
    return walk.public_suffix_record


async def _exists(domain: str, dns: Dns) -> bool | None:
    """Whether the DNS knows a domain at all (RFC 8020); None when it failed."""
    answer = await dns.query(domain, "A")
    return None if answer.state == "failed" else answer.state != "no_such_name"


def _policy(record: Record, tags: Iterable[str]) -> Policy | None:
    """Return the first of these tags that is there; None when the record is worth nothing."""
    stated = [record.tags[name].lower() for name in ("p", "sp", "np") if name in record.tags]
    if all(one in _POLICIES for one in stated):
        value = next((record.tags[name].lower() for name in tags if name in record.tags), "none")
        return cast(Policy, value)
    return "none" if _has_report_uri(record.tags.get("rua", "")) else None


def _has_report_uri(value: str) -> bool:
    return any(_URI.fullmatch(_OLD_SIZE.sub("", one.strip())) for one in value.split(","))


async def align(
    author: str | None, spf: Spf, dkim: Sequence[Dkim], published: Published, walks: Walks
) -> tuple[bool | None, list[bool | None]]:
    """Whether SPF's domain and each signature's are the author's; None where the DNS failed."""

    async def one(other: str | None, tag: str) -> bool | None:
        if author is None or other is None:
            return False
        return await walks.are_aligned(author, other, strict=published.is_strict(tag))

    of_spf, *of_dkim = await asyncio.gather(
        one(spf.domain, "aspf"), *(one(signature.domain, "adkim") for signature in dkim)
    )
    return of_spf, of_dkim


def evaluate(
    published: Published,
    spf: Spf,
    dkim: Sequence[Dkim],
    alignment: tuple[bool | None, list[bool | None]],
) -> Dmarc:
    """Return DMARC's result for results and their alignment."""
    of_spf, of_dkim = alignment
    results = [(spf.result, of_spf), *((d.result, a) for d, a in zip(dkim, of_dkim, strict=True))]
    stated = published.policy, published.domain, published.is_testing
    if published.failed:
        return Dmarc("temperror", None, published.domain, reason="dns")
    if published.record is None:
        return Dmarc("none", reason="no_record")
    if published.is_invalid:
        return Dmarc("permerror", None, published.domain, reason="invalid_record")
    if any(result == "pass" and aligned for result, aligned in results):
        return Dmarc("pass", *stated)
    if any(
        (result == "temperror" and aligned is not False) or (result == "pass" and aligned is None)
        for result, aligned in results
    ):
        return Dmarc("temperror", *stated, reason="dns")
    if spf.reason in UNCHECKED and (of_spf is not False or spf.scope == "helo"):
        return Dmarc("none", *stated, reason=spf.reason)
    return Dmarc("fail", *stated, reason=_reason(results))


def _reason(results: Sequence[tuple[str, bool | None]]) -> str:
    passed = any(result == "pass" for result, _ in results)
    return "not_aligned" if passed else "not_authenticated"
