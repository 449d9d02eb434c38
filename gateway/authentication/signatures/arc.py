"""ARC: the chain of those who forwarded a message, each sealing what it received.

- A chain has at most 50 sets, numbered from 1 without a gap, each with one field of each kind. The
  first seal says `cv=none`, all others `cv=pass`; anything else is a broken chain, also an empty
  `cv=` (RFC 8617 5.2 step 3.D; the test suite follows an earlier draft there).
- The newest message signature has to verify, and every seal. A seal covers all sets up to its own,
  always in relaxed form; `h=` in one is forbidden (4.1.3), and so is ARC-Seal in the `h=` of a
  message signature (4.1.2).
- A trusted chain vouches for a message when its newest sealer is trusted. As far back as trusted
  sealers reach without a gap, the oldest of them must not say that DMARC failed when it came there:
  a forger writes a set of his own, and a list server seals everything.

RFC 8617 5.2, 8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from gateway.authentication.answers import Dns, DnsAnswer
from gateway.authentication.domain_names import domain_name
from gateway.authentication.relay_word import read_results
from gateway.authentication.result import Arc, ArcResult
from gateway.authentication.signatures.canonical import canonical_field, unsigned
from gateway.authentication.signatures.dkim import BodyHashes, ask_for_key, verify
from gateway.authentication.signatures.header_block import HeaderBlock, RawField
from gateway.authentication.signatures.public_key import (
    BadKey,
    has_kind,
    read_keys,
    verifies,
)
from gateway.authentication.signatures.selection import (
    ARC_RESULTS,
    ARC_SIGNATURE,
    instance_of,
)
from gateway.authentication.signatures.signature import (
    ALGORITHMS,
    Refused,
    Signature,
    read_signature,
)
from gateway.authentication.signatures.tag_list import decode_base64, parse_tags, squeezed

MOST_SETS = 50
SEAL = b"arc-seal"
# Chains from here on are verified in a thread.
_LONG_CHAIN = 3


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal."""

    field: RawField
    domain: str
    selector: str
    algorithm: str
    validation: str
    signed: bytes


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields that one forwarder added."""

    results: RawField
    signature: Signature
    seal: Seal


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as far as it could be read: whole, or with the reason why it is none."""

    sets: tuple[ArcSet, ...] = ()
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """The result; `temporary`: the DNS failed, and the chain may pass later."""

    arc: Arc
    sets: tuple[ArcSet, ...] = ()
    reason: str | None = None
    temporary: bool = False


def read_chain(block: HeaderBlock) -> Chain | None:
    """Read the sets of a message; None when it has none."""
    by_kind = {kind: block.named(kind) for kind in (ARC_RESULTS, ARC_SIGNATURE, SEAL)}
    count = max(map(len, by_kind.values()))
    if count == 0:
        return None
    if count > MOST_SETS:
        return Chain(broken="too_many_sets")
    ordered = [_in_order(fields, count) for fields in by_kind.values()]
    if any(one is None for one in ordered):
        return Chain(broken="incomplete")
    sets: list[ArcSet] = []
    for results, message, sealed in zip(*(one or [] for one in ordered), strict=True):
        signature, seal = read_signature(message, arc=True), _read_seal(sealed)
        if isinstance(signature, Refused) or seal is None or SEAL in signature.names:
            return Chain(tuple(sets), "syntax")
        if seal.validation != ("pass" if sets else "none"):
            return Chain(tuple(sets), "broken_before")
        sets.append(ArcSet(results, signature, seal))
    return Chain(tuple(sets))


def _in_order(fields: list[RawField], count: int) -> list[RawField] | None:
    """Return the fields by their numbers, when these are 1 to `count`."""
    by_number = {instance_of(one): one for one in fields}
    wanted = range(1, count + 1)
    return (
        [by_number[n] for n in wanted]
        if sorted(by_number) == [*wanted] == sorted(instance_of(one) for one in fields)
        else None
    )


def _read_seal(field: RawField) -> Seal | None:
    tags = parse_tags(field.value)
    if tags is None or not {"i", "a", "b", "cv", "d", "s"} <= tags.keys():
        return None
    if not tags.keys().isdisjoint({"h", "bh"}):
        return None
    domain, selector = domain_name(tags["d"]), domain_name(tags["s"])
    signed = decode_base64(squeezed(tags["b"]))
    algorithm = tags["a"].lower()
    if domain is None or selector is None or not signed or algorithm not in ALGORITHMS:
        return None
    return Seal(field, domain, selector, algorithm, tags["cv"].lower(), signed)


async def check_chain(
    block: HeaderBlock, hashes: BodyHashes, dns: Dns, *, now: int
) -> CheckedChain:
    """Verify the chain of a message. `now` in seconds."""
    chain = read_chain(block)
    if chain is None:
        return CheckedChain(Arc("none"))
    sealers = tuple(one.seal.domain for one in chain.sets)
    if chain.broken or block.body is None:
        return CheckedChain(Arc("fail", sealers), reason=chain.broken or "header_too_long")
    newest = chain.sets[-1].signature
    named = [(newest.selector, newest.domain)]
    named += [(one.seal.selector, one.seal.domain) for one in chain.sets]
    asked = list(dict.fromkeys(named))
    answers = await asyncio.gather(*(ask_for_key(dns, *one) for one in asked))
    keys = dict(zip(asked, answers, strict=True))
    if len(chain.sets) < _LONG_CHAIN:
        reason = _verify(block, hashes, chain.sets, keys, now)
    else:
        reason = await asyncio.to_thread(_verify, block, hashes, chain.sets, keys, now)
    result: ArcResult = "fail" if reason else "pass"
    return CheckedChain(Arc(result, sealers), chain.sets, reason, reason == "dns")


_Keys = dict[tuple[str, str], DnsAnswer]


def _verify(
    block: HeaderBlock, hashes: BodyHashes, sets: tuple[ArcSet, ...], keys: _Keys, now: int
) -> str | None:
    """Why the chain does not hold; None when it does."""
    newest = sets[-1].signature
    found = verify(newest, block, hashes, keys[newest.selector, newest.domain], now)
    if found.result != "pass":
        return found.reason
    for number in range(len(sets), 0, -1):
        seal = sets[number - 1].seal
        answer = keys[seal.selector, seal.domain]
        if answer.state == "failed":
            return "dns"
        if not _is_sealed(sets[:number], seal, answer):
            return "seal_invalid"
    return None


def _is_sealed(sets: tuple[ArcSet, ...], seal: Seal, answer: DnsAnswer) -> bool:
    keys = [one for one in read_keys(answer) if not isinstance(one, BadKey)]
    fitting = [one for one in keys if has_kind(one, seal.algorithm)]
    octets = _sealed_octets(sets) if fitting else b""
    return any(verifies(one, seal.signed, octets) for one in fitting)


def _sealed_octets(sets: tuple[ArcSet, ...]) -> bytes:
    """Return the octets that the newest of these seals covers (RFC 8617 5.1.1)."""
    fields = [field for one in sets for field in (one.results, one.signature.field, one.seal.field)]
    own = fields.pop()
    return b"".join(canonical_field(one, "relaxed") for one in fields) + unsigned(own, "relaxed")


def vouched(chain: CheckedChain, trusted: Collection[str]) -> bool:
    """Whether trusted sealers stand for the message; also when that is only not known yet."""
    if chain.arc.result != "pass" and not chain.temporary:
        return False
    run: list[ArcSet] = []
    for one in reversed(chain.sets):
        if one.seal.domain not in trusted:
            break
        run.append(one)
    # A signature that leaves From out lets anybody change it behind the sealer.
    covers_author = bool(run) and b"from" in run[0].signature.names
    return covers_author and not _says_dmarc_failed(run[-1].results)


def _says_dmarc_failed(field: RawField) -> bool:
    said = read_results(field.value.partition(b";")[2])
    return any(one.method == "dmarc" and one.result == "fail" for one in said.results)
