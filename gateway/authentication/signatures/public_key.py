"""Keys: fetched from the DNS, read, and asked whether a signature is theirs.

- Of several TXT records each one is tried, at most five; RFC 6376 3.6.2.2 leaves that open.
- RSA keys have 1,024 to 4,096 bits and an exponent of at most 32 bits: others cost time, or prove
  nothing. Their bits are read before any arithmetic is done with them.
- The key has to allow SHA-256 and e-mail. An empty `p=` is a revoked key.

RFC 6376 3.6, RFC 8301 3, RFC 8463.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.authentication.answers import Dns, DnsAnswer
from gateway.authentication.signatures.tag_list import decode_base64, parse_tags, squeezed

SHORTEST_RSA = 1024
LONGEST_RSA = 4096
MOST_RECORDS = 5
LONGEST_RECORD = 8192
_LONGEST_EXPONENT = 32


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may verify. `testing`: the owner only tries it (`t=y`); `exact`: `t=s`."""

    public: RSAPublicKey | Ed25519PublicKey
    testing: bool
    exact: bool


@dataclass(frozen=True, slots=True)
class BadKey:
    """A key record that verifies nothing. `refused`: a good one that we do not take."""

    reason: str
    refused: bool = False


async def fetch_key_records(dns: Dns, selector: str, domain: str) -> DnsAnswer:
    """Ask for the key of a signature."""
    return await dns.query(f"{selector}._domainkey.{domain}", "TXT")


def read_keys(answer: DnsAnswer) -> list[Key | BadKey]:
    """Return the keys of an answer that did not fail."""
    return [read_key(one) for one in answer.octets[:MOST_RECORDS]] or [BadKey("no_key")]


def read_key(record: bytes) -> Key | BadKey:
    """Read one TXT record."""
    tags = parse_tags(record) if len(record) <= LONGEST_RECORD else None
    if tags is None or "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        return BadKey("key_unusable")
    if "v" in tags and next(iter(tags)) != "v":
        return BadKey("key_unusable")
    if not tags["p"]:
        return BadKey("key_revoked")
    if not _offers(tags.get("h", "*"), {"*", "sha256"} if "h" in tags else {"*"}):
        return BadKey("key_not_for_sha256")
    if not _offers(tags.get("s", "*"), {"*", "email"}):
        return BadKey("key_not_for_email")
    flags = squeezed(tags.get("t", "")).lower().split(":")
    public = _public_key(tags.get("k", "rsa").lower(), squeezed(tags["p"]))
    return public if isinstance(public, BadKey) else Key(public, "y" in flags, "s" in flags)


def _offers(value: str, wanted: set[str]) -> bool:
    return not wanted.isdisjoint(squeezed(value).lower().split(":"))


def _public_key(kind: str, text: str) -> RSAPublicKey | Ed25519PublicKey | BadKey:
    octets = decode_base64(text)
    if octets is None or kind not in {"rsa", "ed25519"}:
        return BadKey("key_unusable")
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        public = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return BadKey("key_unusable")
    if not isinstance(public, RSAPublicKey):
        return BadKey("key_unusable")
    # RFC 8301 3.2: shorter keys can be broken; longer ones only cost us time.
    if not SHORTEST_RSA <= public.key_size <= LONGEST_RSA:
        short = public.key_size < SHORTEST_RSA
        return BadKey("key_too_short" if short else "key_too_long", refused=True)
    if public.public_numbers().e.bit_length() > _LONGEST_EXPONENT:
        return BadKey("key_unusable")
    return public


def has_kind(key: Key, algorithm: str) -> bool:
    """Whether the key is one for `rsa-sha256`, or one for `ed25519-sha256`."""
    return isinstance(key.public, RSAPublicKey) == (algorithm == "rsa-sha256")


def verifies(key: Key, signature: bytes, octets: bytes) -> bool:
    """Whether the owner of the key has signed the octets."""
    try:
        if isinstance(key.public, RSAPublicKey):
            key.public.verify(signature, octets, PKCS1v15(), SHA256())
        else:  # RFC 8463 3: what is signed is the hash
            key.public.verify(signature, hashlib.sha256(octets).digest())
    except InvalidSignature:
        return False
    return True
