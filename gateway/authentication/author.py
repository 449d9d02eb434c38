"""The author: the one domain in the one From of a message.

- From is read by the header scan, as it is read for what is stored and shown.
- Several From fields, several addresses in one, or none: there is no author's domain, and so
  nothing that could be verified. RFC 9989 5.3.1 would take several addresses of one domain; we do
  not, because only one of them is shown as the sender.
- Raw octets that are no UTF-8 are read in the charset that Content-Type names. Without one the body
  decides how they are shown, which is not at hand here: such a From could be two things, and has no
  author.
- A domain in Unicode is taken as its A-label; an address literal is no domain.

RFC 9989 5.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.authentication.domain_names import domain_name
from gateway.authentication.signatures.header_block import HeaderBlock
from gateway.message.encoded_words import is_utf8
from gateway.message.header_scan import names_charset, scan


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
    types = block.named(b"content-type")[:1]
    if fields and not is_utf8(fields[0].value) and not any(names_charset(t.value) for t in types):
        return Author(None, "unclear_from")
    mailboxes = scan(b"".join(one.raw for one in (*fields, *types))).from_
    # A reader is shown one of them, and another one may be what was verified.
    if len(mailboxes) > 1:
        return Author(None, "several_from")
    email = mailboxes[0].email if mailboxes else ""
    if not email:
        return Author(None, "no_from")
    domain = domain_name(email.rpartition("@")[2])
    return Author(domain, None if domain else "no_domain")
