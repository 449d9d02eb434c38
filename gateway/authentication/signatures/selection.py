"""Which signatures of a message are verified.

- Eight of DKIM: those of the author's domain first, then those of its parents, children and
  siblings, then the others; of the same kind the upper one. So signatures of strangers do not push
  out the author's.
- Of ARC the newest message signature alone (RFC 8617 5.2 leaves the older ones open: each forwarder
  may have changed the body).
"""

from __future__ import annotations

import re

from gateway.authentication.author import author_of
from gateway.authentication.domain_names import domain_name, is_within
from gateway.authentication.signatures.header_block import HeaderBlock, RawField
from gateway.authentication.signatures.tag_list import parse_tags

MOST_SIGNATURES = 8
ARC_RESULTS = b"arc-authentication-results"
ARC_SIGNATURE = b"arc-message-signature"

_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,4})[ \t\r\n]*(?:;|\Z)")
_ANY_INSTANCE = re.compile(
    rb"(?:\A|;)[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,4})[ \t\r\n]*(?:;|\Z)"
)


def chosen(block: HeaderBlock) -> list[RawField]:
    """Return the signatures that are verified, in their order."""
    author = author_of(block).domain or ""
    fields = block.named(b"dkim-signature")
    ranked = sorted(fields, key=lambda field: _distance(field, author))
    # Each costs a query and a verification, and a header has room for a hundred of them.
    return ranked[:MOST_SIGNATURES]


def _distance(field: RawField, author: str) -> int:
    tags = parse_tags(field.value) or {}
    domain = domain_name(tags.get("d", ""))
    if domain is None:
        return 3
    if domain == author:
        return 0
    related = is_within(domain, author) or is_within(author, domain)
    return 1 if related or _registered(domain) == _registered(author) else 2


def _registered(name: str) -> str:
    """The last two labels: near enough for an order."""
    return ".".join(name.split(".")[-2:])


def newest_signature(block: HeaderBlock) -> RawField | None:
    """Return the message signature with the highest number."""
    numbered = [(instance_of(one), one) for one in block.named(ARC_SIGNATURE)]
    known = [(number, one) for number, one in numbered if number]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def instance_of(field: RawField) -> int:
    """Return the instance that a field belongs to, 0 for none."""
    pattern = _INSTANCE.match if field.name == ARC_RESULTS else _ANY_INSTANCE.search
    found = pattern(field.value)
    return int(found[1]) if found else 0
