"""The results of checking who wrote a message, in the shape in which the API shows them.

The fields are those of `authentication` in docs/authentication.md; `checked_at` is added by who
stores a record. Reasons are single words for programs; docs/authentication.md lists them.

RFC 8601 2.7 (result names).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["verified", "failed", "unverified", "unknown"]
Source = Literal["computed", "relay"]
Override = Literal["arc", "exempt", "testing", "postmaster"]
Policy = Literal["none", "quarantine", "reject"]
Scope = Literal["mailfrom", "helo"]
SpfResult = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]
DkimResult = Literal["pass", "fail", "neutral", "policy", "temperror", "permerror"]
DmarcResult = Literal["pass", "fail", "none", "temperror", "permerror"]
ArcResult = Literal["none", "pass", "fail"]


@dataclass(frozen=True, slots=True)
class Hop:
    """The client as it is known: an address, None for a local socket; HELO; the envelope's sender.

    `behind_relay`: the address is that of a relay of ours, which did not name its client.
    """

    address: str | None
    helo: str
    reverse_path: str
    behind_relay: bool


@dataclass(frozen=True, slots=True)
class Spf:
    """Whether the client may send for the domain of the envelope (RFC 7208)."""

    result: SpfResult
    scope: Scope
    domain: str | None
    aligned: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dkim:
    """One signature (RFC 6376)."""

    result: DkimResult
    domain: str | None
    selector: str | None
    algorithm: str | None
    aligned: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The policy that the author's domain has published (RFC 9989), and its result.

    `domain` is where the policy was found.
    """

    result: DmarcResult
    policy: Policy | None = None
    domain: str | None = None
    testing: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Arc:
    """The chain of those who forwarded the message, the first one first (RFC 8617)."""

    result: ArcResult
    sealers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authentication:
    """All results for one message."""

    verdict: Verdict
    source: Source
    from_domain: str | None
    override: Override | None
    spf: Spf
    dkim: tuple[Dkim, ...]
    dmarc: Dmarc
    arc: Arc

    def as_record(self) -> dict[str, object]:
        """Return what JSON can hold, with `checked_at` missing."""
        record = asdict(self)
        record["dkim"] = list(record["dkim"])
        record["arc"]["sealers"] = list(self.arc.sealers)
        return record
