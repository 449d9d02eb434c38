"""SPF: may this client send for the domain of the envelope? By the library spftrace.

- Its limits are those of RFC 7208 4.6.4: 10 terms, 2 void look-ups, 10 MX, 10 PTR; and 75 queries
  and 20 seconds in all. A record over 8 KiB is a permanent error: its terms cost time.
- The domain is that of the reverse-path; of a bounce, whose reverse-path is empty, that of HELO.
- Behind a relay that does not name its client, or without an address, nothing is checked: the
  answer would be about the relay.
- Whatever the records hold, there is a result.

RFC 7208, RFC 8616.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from spftrace import BaseResolver, Evaluator, Limits, Result

from gateway.authentication.answers import Dns, Kind
from gateway.authentication.domain_names import domain_name
from gateway.authentication.result import Hop, Scope, Spf, SpfResult

MOST_QUERIES = 75
SECONDS = 20.0
MOST_LINES = 400
LONGEST_RECORD = 8192
_LONGEST_LINE = 500
_STATES = {"found": "NOERROR", "no_records": "NOERROR", "no_such_name": "NXDOMAIN"}
_RESULTS = {"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"}


@dataclass(frozen=True, slots=True)
class CheckedSpf:
    """The result, and the steps that led to it."""

    spf: Spf
    trace: tuple[str, ...] = ()


class _Resolver(BaseResolver):
    """The DNS as spftrace asks it."""

    def __init__(self, dns: Dns) -> None:
        self._dns = dns

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        answer = await self._dns.query(name.rstrip("."), cast(Kind, rtype))
        if answer.state == "failed":
            return "TIMEOUT", []
        records = [_text(one) for one in answer.octets]
        records += [one.split()[-1].rstrip(".") for one in answer.texts if one.strip()]
        return _STATES[answer.state], [one for one in records if one]


def _text(octets: bytes) -> str:
    """Return a TXT record; a very long one as one that no SPF record may look like."""
    whole = len(octets) <= LONGEST_RECORD
    return octets.decode("utf-8", "replace") if whole else octets[:7].decode("latin-1") + "\0"


async def check_spf(hop: Hop, dns: Dns, *, hostname: str) -> CheckedSpf:
    """Check the client. `hostname` is ours, for those who publish explanations."""
    scope: Scope = "mailfrom" if hop.reverse_path else "helo"
    named = hop.reverse_path.rpartition("@")[2] if hop.reverse_path else hop.helo
    domain = domain_name(named)
    reason = _unchecked(hop, domain)
    if reason is not None:
        if hop.behind_relay and scope == "helo":
            domain = None  # it is the relay that said HELO
        return CheckedSpf(Spf("none", scope, domain, reason=reason))
    # RFC 7208 4.3: where there is no local part, it is postmaster.
    local_part = hop.reverse_path.rpartition("@")[0] or "postmaster"
    # A local part is quoted by no rule of SPF, and an A-label is what the DNS knows.
    sender = f"{local_part}@{domain}"
    evaluator = Evaluator(
        _Resolver(dns),
        Limits(max_queries=MOST_QUERIES, time_limit=SECONDS),
        receiver=hostname,
    )
    address = (hop.address or "").partition("%")[0]
    try:
        found = await evaluator.evaluate(address, sender, hop.helo)
    except (ValueError, OverflowError):  # a number in a record that Python does not read
        return CheckedSpf(Spf("permerror", scope, domain, reason="invalid_record"))
    result = cast(SpfResult, found.result) if found.result in _RESULTS else "permerror"
    reason = _reason(result, found)
    return CheckedSpf(Spf(result, scope, domain, reason=reason), tuple(_lines(found)))


def _unchecked(hop: Hop, domain: str | None) -> str | None:
    """Why nothing is checked."""
    if hop.behind_relay:
        return "behind_relay"
    try:
        ip_address((hop.address or "").partition("%")[0])
    except ValueError:
        return "no_address"
    return None if domain else "no_domain"


def _reason(result: SpfResult, found: Result) -> str | None:
    if result == "temperror":
        return "dns"
    if result != "permerror":
        return None
    said = " ".join(str(one.data.get("reason", "")) for one in found.trace.events[-3:])
    return "too_many_queries" if "limit" in said or "budget" in said else "invalid_record"


def _lines(found: Result) -> Iterator[str]:
    """Yield the steps of the library, a line each."""
    for event in found.trace.events[:MOST_LINES]:
        told = " ".join(f"{key}={value!r}" for key, value in event.data.items() if key != "ms")
        yield f"{'  ' * min(event.depth, 20)}{event.kind} {told}"[:_LONGEST_LINE]
