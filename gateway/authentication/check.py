"""The check of one message: SPF, DKIM, DMARC and ARC together, and the verdict.

- SPF, the signatures, the chain and the author's policy are asked for side by side; a message takes
  40 seconds at most, whatever the DNS does, and always ends in a result.
- The word of a relay that we believe goes before what we compute; what it does not say, we compute.
- A result is `temporary` when the DNS failed and another try may end otherwise. Such a verdict is
  `unknown`.

RFC 7208, 6376, 8601, 8617, 9989.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.authentication.answers import Asked, Dns, MessageDns
from gateway.authentication.author import Author, author_of
from gateway.authentication.dmarc import Published, align, discover, evaluate
from gateway.authentication.relay_word import RelayWord
from gateway.authentication.result import Arc, Authentication, Dkim, Dmarc, Hop
from gateway.authentication.signatures.arc import CheckedChain, check_chain, vouched
from gateway.authentication.signatures.dkim import CheckedSignature, check_signatures
from gateway.authentication.signatures.header_block import HeaderBlock, cut
from gateway.authentication.signed_message import SignedMessage
from gateway.authentication.spf import CheckedSpf, check_spf
from gateway.authentication.tree_walk import Walks
from gateway.authentication.verdict import override_of, verdict_of

SECONDS = 40.0
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Trace:
    """How the results came about.

    The steps of SPF, the octets hashed for each signature, why the chain does not hold, and the
    answers of the DNS.
    """

    spf: tuple[str, ...]
    signatures: tuple[CheckedSignature, ...]
    arc: str | None
    dns: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """The result. `temporary`: the DNS failed; the same check may have another one later."""

    authentication: Authentication
    temporary: bool
    trace: Trace


@dataclass(frozen=True, slots=True)
class _Found:
    """All that was found before it is put together."""

    author: Author
    spf: CheckedSpf
    signatures: Sequence[CheckedSignature]
    chain: CheckedChain
    published: Published


async def check(
    message: SignedMessage,
    hop: Hop,
    dns: Dns,
    *,
    now: int,
    relay_word: RelayWord | None = None,
    hostname: str,
    arc_trusted_sealers: frozenset[str] = frozenset(),
) -> Checked:
    """Check who wrote a message. `now` in microseconds; `hostname` is ours."""
    asking = MessageDns(dns, seconds=SECONDS)
    walks = Walks(asking)
    author = author_of(block := cut(message.header))
    to_find = (
        _spf(hop, asking, hostname, relay_word),
        _signatures(block, message, asking, now, relay_word),
        _chain(block, message, asking, now, relay_word),
        _published(author, asking, walks),
    )
    found = _Found(author, *await asyncio.gather(*to_find))
    spf, dkim = found.spf.spf, [one.dkim for one in found.signatures]
    alignment = await align(found.author.domain, spf, dkim, found.published, walks)
    dmarc = _dmarc(found, dkim, alignment, relay_word)
    spf = replace(spf, aligned=bool(alignment[0]))
    dkim = [replace(d, aligned=bool(a)) for d, a in zip(dkim, alignment[1], strict=True)]
    is_vouched = vouched(found.chain, arc_trusted_sealers)
    verdict = verdict_of(dmarc, dkim, has_author=found.author.domain is not None)
    # The chain may still vouch for it, and `failed` would be final.
    if verdict == "failed" and is_vouched and found.chain.temporary:
        verdict = "unknown"
    authentication = Authentication(
        verdict=verdict,
        source="computed" if relay_word is None else "relay",
        from_domain=found.author.domain,
        override=override_of(dmarc, is_vouched=is_vouched and not found.chain.temporary),
        spf=spf,
        dkim=tuple(dkim),
        dmarc=dmarc,
        arc=found.chain.arc,
    )
    temporary = verdict == "unknown" and not _is_unchecked(dmarc)
    trace = Trace(found.spf.trace, tuple(found.signatures), found.chain.reason, tuple(asking.log))
    return Checked(authentication, temporary, trace)


async def _spf(hop: Hop, dns: Dns, hostname: str, word: RelayWord | None) -> CheckedSpf:
    if word is not None and word.spf is not None:
        return CheckedSpf(word.spf)
    return await check_spf(hop, dns, hostname=hostname)


async def _signatures(
    block: HeaderBlock, message: SignedMessage, dns: Dns, now: int, word: RelayWord | None
) -> Sequence[CheckedSignature]:
    if word is not None and word.dkim is not None:
        return [CheckedSignature(one, b"") for one in word.dkim]
    return await check_signatures(block, message.body_hashes, dns, now=now // _MICROSECONDS)


async def _chain(
    block: HeaderBlock, message: SignedMessage, dns: Dns, now: int, word: RelayWord | None
) -> CheckedChain:
    found = await check_chain(block, message.body_hashes, dns, now=now // _MICROSECONDS)
    if word is None or word.arc is None:
        return found
    return replace(found, arc=Arc(word.arc.result, found.arc.sealers), temporary=False)


async def _published(author: Author, dns: Dns, walks: Walks) -> Published:
    return Published() if author.domain is None else await discover(author.domain, walks, dns)


def _dmarc(
    found: _Found,
    dkim: Sequence[Dkim],
    alignment: tuple[bool | None, list[bool | None]],
    word: RelayWord | None,
) -> Dmarc:
    if found.author.domain is None:
        return Dmarc("none", reason=found.author.reason)
    published = found.published
    # A word on another domain says nothing of the author that is shown.
    if word is None or word.author != found.author.domain or word.dmarc not in {"pass", "fail"}:
        return evaluate(published, found.spf.spf, dkim, alignment)
    if word.dmarc == "fail" and published.failed:
        return Dmarc("temperror", reason="dns")
    return Dmarc(word.dmarc, published.policy, published.domain, published.is_testing)


def _is_unchecked(dmarc: Dmarc) -> bool:
    return dmarc.result == "none"
