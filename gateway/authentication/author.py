"""The author: the one domain in the one From of a message.

- From is read by the header scan, as it is read for what is stored and shown.
- Several From fields, several addresses in one, or none: there is no author's domain, and so
  nothing that could be verified. RFC 9989 5.3.1 would take several addresses of one domain; we do
  not, because only one of them is shown as the sender.
- A domain in Unicode is taken as its A-label; an address literal is no domain.

RFC 9989 5.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.authentication.domain_names import domain_name
from gateway.authentication.signatures.header_block import HeaderBlock
from gateway.message.header_scan import scan


@dataclass(frozen=True, slots=True)
class Author:
    """The author's domain; None with the reason why there is none."""

    domain: str | None
    reason: str | None = None


def author_of(block: HeaderBlock) -> Author:
    """Read the From of a message."""
    fields = block.named(b"from")
    if len(fields) > 1:
        return Author(None, "several_from")
    # Content-Type tells how raw octets are read.
    head = b"".join(one.raw for one in (*fields, *block.named(b"content-type")))
    mailboxes = scan(head).from_
    if len(mailboxes) > 1:
        return Author(None, "several_from")
    email = mailboxes[0].email if mailboxes else ""
    if not email:
        return Author(None, "no_from")
    domain = domain_name(email.rpartition("@")[2])
    return Author(domain, None if domain else "no_domain")
