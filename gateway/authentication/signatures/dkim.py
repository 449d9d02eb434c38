"""DKIM: what each of a message's signatures proves.

- `policy`: SHA-1, RSA below 1,024 or above 4,096 bits, a passed `x=`, an `l=` that leaves a part of
  the body open. `permerror`: the signature or the key breaks the rules, or there is no key.
  `temperror`: the DNS did not answer. `fail`: body or header were changed.
- A failure under a key in test mode is `neutral`; a success stays one, as all the large receivers
  have it (RFC 6376 3.6.1 would have it ignored).

RFC 6376 6, RFC 8301, RFC 8463.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.authentication.answers import Dns, DnsAnswer
from gateway.authentication.body_hash import BodyHash, HashWanted, hash_of
from gateway.authentication.result import Dkim, DkimResult
from gateway.authentication.signatures.canonical import covered
from gateway.authentication.signatures.header_block import HeaderBlock, RawField
from gateway.authentication.signatures.public_key import (
    BadKey,
    Key,
    fetch_key_records,
    has_kind,
    read_keys,
    verifies,
)
from gateway.authentication.signatures.selection import chosen
from gateway.authentication.signatures.signature import Refused, Signature, read_signature

SECONDS_FOR_A_KEY = 5.0
# A header from here on is hashed in a thread: it takes more than a millisecond.
LONG_HEADER = 16 * 1024

BodyHashes = Mapping[HashWanted, BodyHash]


@dataclass(frozen=True, slots=True)
class Verified:
    """The result for a signature, its reason, and the octets of the header that were hashed."""

    result: DkimResult
    reason: str | None
    hashed: bytes = b""


@dataclass(frozen=True, slots=True)
class CheckedSignature:
    """The result for one signature, and what was hashed for it."""

    dkim: Dkim
    hashed: bytes


async def check_signatures(
    block: HeaderBlock, hashes: BodyHashes, dns: Dns, *, now: int
) -> list[CheckedSignature]:
    """Verify the signatures of a message. `now` in seconds."""
    if block.body is None:
        return [
            CheckedSignature(Dkim("permerror", None, None, None, reason="header_too_long"), b"")
            for _ in chosen(block)
        ]
    checks = (_check_one(block, one, hashes, dns, now) for one in chosen(block))
    return list(await asyncio.gather(*checks))


async def _check_one(
    block: HeaderBlock, field: RawField, hashes: BodyHashes, dns: Dns, now: int
) -> CheckedSignature:
    read = read_signature(field)
    if isinstance(read, Refused):
        named = read.domain, read.selector, read.algorithm
        return CheckedSignature(Dkim(read.result, *named, reason=read.reason), b"")
    answer = await ask_for_key(dns, read.selector, read.domain)
    if len(field.value) + sum(len(one.raw) for one in block.fields) < LONG_HEADER:
        found = verify(read, block, hashes, answer, now)
    else:
        found = await asyncio.to_thread(verify, read, block, hashes, answer, now)
    named = read.domain, read.selector, read.algorithm
    return CheckedSignature(Dkim(found.result, *named, reason=found.reason), found.hashed)


async def ask_for_key(dns: Dns, selector: str, domain: str) -> DnsAnswer:
    """Ask for a key, for at most five seconds."""
    try:
        async with asyncio.timeout(SECONDS_FOR_A_KEY):
            return await fetch_key_records(dns, selector, domain)
    except TimeoutError:
        return DnsAnswer(state="failed")


def verify(
    signature: Signature, block: HeaderBlock, hashes: BodyHashes, answer: DnsAnswer, now: int
) -> Verified:
    """Verify one signature with the keys that the DNS gave."""
    if answer.state == "failed":
        return Verified("temperror", "dns")
    found = [_try(signature, block, hashes, key, now) for key in read_keys(answer)]
    return next((one for one in found if one.result == "pass"), found[0])


def _try(
    signature: Signature,
    block: HeaderBlock,
    hashes: BodyHashes,
    key: Key | BadKey,
    now: int,
) -> Verified:
    if isinstance(key, BadKey):
        return Verified("policy" if key.refused else "permerror", key.reason)
    if not has_kind(key, signature.algorithm):
        return Verified("permerror", "key_of_other_kind")
    if key.exact and signature.identity != signature.domain:
        return Verified("permerror", "identity_not_exact")
    hashed = covered(block.fields, signature.names, signature.field, signature.header_form)
    digest, length = hashes.get(hash_of(signature), BodyHash(b"", 0))
    reason = None
    # The body first: its hash is there already, while verifying with a key takes time.
    if digest != signature.body_digest:
        reason = "body_changed"
    elif not verifies(key, signature.signed, hashed):
        reason = "header_changed"
    if reason:
        return Verified("neutral" if key.testing else "fail", reason, hashed)
    result, reason = _by_policy(signature, length, now)
    return Verified(result, reason, hashed)


def _by_policy(signature: Signature, length: int, now: int) -> tuple[DkimResult, str | None]:
    if signature.expires_at is not None and signature.expires_at < now:
        return "policy", "expired"
    if signature.length is not None and signature.length < length:
        return "policy", "body_not_covered"
    if signature.length is not None and signature.length > length:
        return "permerror", "body_too_short"
    return "pass", None
