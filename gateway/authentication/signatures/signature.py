"""A signature as its field states it: of a DKIM-Signature, or of an ARC-Message-Signature.

Both have the same tags, but for `v=` and `i=` (RFC 8617 4.1.2); without `c=` the latter is relaxed,
as all who write and test ARC have it. Empty names in `h=` cover nothing and harm nobody. A field
that breaks the rules is refused with the result that RFC 8601 2.7.1 has for it: `permerror`, or
`policy` for one that we do not take although others may: SHA-1 (RFC 8301 3.1).

RFC 6376 3.5 and 6.1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gateway.authentication.domain_names import domain_name, is_within
from gateway.authentication.signatures.canonical import Canonicalization
from gateway.authentication.signatures.header_block import RawField
from gateway.authentication.signatures.tag_list import decode_base64, parse_tags, squeezed

ALGORITHMS = {"rsa-sha256", "ed25519-sha256"}
_NOT_TAKEN = {"rsa-sha1"}
_FORMS: dict[str, tuple[Canonicalization, Canonicalization]] = {
    "simple": ("simple", "simple"),
    "relaxed": ("relaxed", "simple"),
    "simple/simple": ("simple", "simple"),
    "simple/relaxed": ("simple", "relaxed"),
    "relaxed/simple": ("relaxed", "simple"),
    "relaxed/relaxed": ("relaxed", "relaxed"),
}
_NUMBER = re.compile(r"[0-9]{1,76}")
# Base 64 of the longest signature that we verify (RSA with 4,096 bits) has 684.
_LONGEST_B = 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """A well-formed signature. `identity` is the domain of `i=`, times are in seconds."""

    field: RawField
    domain: str
    selector: str
    algorithm: str
    header_form: Canonicalization
    body_form: Canonicalization
    names: tuple[bytes, ...]
    signed: bytes
    body_digest: bytes
    length: int | None
    identity: str
    signed_at: int | None
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A signature that is not verified at all."""

    result: Literal["permerror", "policy"]
    reason: str
    domain: str | None = None
    selector: str | None = None
    algorithm: str | None = None


def read_signature(field: RawField, *, arc: bool = False) -> Signature | Refused:
    """Read the value of a field; `arc` for an ARC-Message-Signature."""
    tags = parse_tags(field.value)
    if tags is None:
        return Refused("permerror", "syntax")
    domain, selector = domain_name(tags.get("d", "")), domain_name(tags.get("s", ""))
    algorithm = tags.get("a", "").lower()
    known = algorithm in ALGORITHMS | _NOT_TAKEN
    named = domain, selector, algorithm if known else None
    if reason := _fault(tags, arc):
        return Refused("permerror", reason, *named)
    if domain is None or selector is None:
        return Refused("permerror", "syntax", *named)
    if algorithm in _NOT_TAKEN:
        return Refused("policy", "sha1", *named)
    if not known:
        return Refused("permerror", "unknown_algorithm", *named)
    read = _values(field, tags, domain, selector, arc)
    return read or Refused("permerror", "syntax", *named)


def _fault(tags: dict[str, str], arc: bool) -> str | None:
    if not arc and tags.get("v") != "1":
        return "version" if "v" in tags else "syntax"
    if not {"a", "b", "bh", "d", "h", "s"} <= tags.keys() or (arc and "i" not in tags):
        return "syntax"
    methods = squeezed(tags.get("q", "dns/txt")).lower().split(":")
    return None if "dns/txt" in methods or "dns" in methods else "unknown_query"


def _values(
    field: RawField, tags: dict[str, str], domain: str, selector: str, arc: bool
) -> Signature | None:
    signed, digest = _octets(tags["b"]), _octets(tags["bh"])
    default = "relaxed/relaxed" if arc else "simple/simple"
    forms = _FORMS.get(squeezed(tags.get("c", default)).lower())
    names = [name for name in squeezed(tags["h"]).lower().split(":") if name]
    numbers = {name: tags[name] for name in ("l", "t", "x") if name in tags}
    identity = domain if arc else domain_name(tags.get("i", f"@{domain}").rpartition("@")[2])
    if not signed or not digest or forms is None or identity is None:
        return None
    if not all(_NUMBER.fullmatch(one) for one in numbers.values()):
        return None
    # RFC 6376 5.4: a signature without From says nothing of who wrote the message.
    if not is_within(identity, domain) or (not arc and "from" not in names):
        return None
    length, signed_at, expires_at = (
        int(numbers[name]) if name in numbers else None for name in ("l", "t", "x")
    )
    if signed_at is not None and expires_at is not None and expires_at < signed_at:
        return None
    return Signature(
        field=field,
        domain=domain,
        selector=selector,
        algorithm=tags["a"].lower(),
        header_form=forms[0],
        body_form=forms[1],
        names=tuple(name.encode() for name in names),
        signed=signed,
        body_digest=digest,
        length=length,
        identity=identity,
        signed_at=signed_at,
        expires_at=expires_at,
    )


def _octets(text: str) -> bytes | None:
    base64 = squeezed(text)
    return decode_base64(base64) if 0 < len(base64) <= _LONGEST_B else None
