"""The verdict: is the From of a message true? One word from all results.

- `verified`: DMARC passed; or the domain publishes no policy, and has signed the message.
- `failed`: DMARC failed, under a policy other than `none` that its owner does not only try.
- `unknown`: the DNS failed, or the mail came through a relay that did not say from where.
- `unverified`: everything else. There is nothing to go by.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.authentication.dmarc import UNCHECKED
from gateway.authentication.result import Dkim, Dmarc, Override, Verdict

# A policy that cannot be read asks for nothing; the owner's signature proves as much.
_NO_POLICY = {"none", "permerror"}


def verdict_of(dmarc: Dmarc, dkim: Sequence[Dkim], *, has_author: bool) -> Verdict:
    """Judge a message by its results; `aligned` of the signatures is known."""
    if not has_author:
        return "unverified"
    if dmarc.result == "pass":
        return "verified"
    if dmarc.result == "fail":
        asks_nothing = dmarc.policy in {None, "none"} or dmarc.testing
        return "unverified" if asks_nothing else "failed"
    if dmarc.result == "temperror" or dmarc.reason in UNCHECKED:
        return "unknown"
    aligned = [one.result for one in dkim if one.aligned]
    if dmarc.result in _NO_POLICY and "pass" in aligned:
        return "verified"
    return "unknown" if "temperror" in aligned else "unverified"


def override_of(dmarc: Dmarc, *, is_vouched: bool) -> Override | None:
    """Return why a message that fails its author's policy is taken all the same, if so."""
    if dmarc.result != "fail" or dmarc.policy in {None, "none"}:
        return None
    if dmarc.testing:
        return "testing"
    return "arc" if is_vouched else None
