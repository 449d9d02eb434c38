"""The values a delivery takes and gives: arrivals in, outcomes out.

Arrivals are named tuples, which are cheap to make and to send to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from storage.content.message_bytes import Content
from storage.directory.resolve import Verdict

# Who said what the client's address is: its own connection, a proxy of ours, or a relay of ours.
NamedBy = Literal["socket", "proxy", "xforward"]

# Recipients that were accepted and have no route any more, by position. ROUTE stands for one whose
# route leads to another tenant now.
Refused = tuple[tuple[int, Verdict], ...]


class Recipient(NamedTuple):
    """One accepted forward-path: `text` as the peer wrote it, and its parts."""

    text: str
    local_part: str
    domain: str


class Arrival(NamedTuple):
    """A message that arrived whole and waits to be stored.

    `references` are the ids that may name its thread, the likeliest first; `mailboxes` is a JSON
    object of To and Cc; `received_field` is the trace field of this gateway; `received_at` is in
    microseconds since 1970. `patient`: wait for an earlier delivery of the same bytes that may
    still be confirmed. `each_recipient`: each recipient has its own reply (LMTP), so one without a
    route does not fail the others. `named_by` tells how the client's address is known;
    `behind_relay`: it is the address of a relay of ours, and the one before it is not known.
    `dmarc_override` is why a message is stored that a policy would have had refused.
    """

    content: Content
    recipients: tuple[Recipient, ...]
    tenant_id: bytes
    reverse_path: str
    client_ip: str
    helo: str
    protocol: str
    tls: str | None
    received_field: bytes
    received_at: int
    header_message_id: str | None
    references: tuple[str, ...]
    from_name: str
    from_email: str
    subject: str
    mailboxes: bytes
    automatic: bool
    patient: bool = True
    each_recipient: bool = False
    named_by: NamedBy = "socket"
    behind_relay: bool = False
    dmarc_override: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Every copy is in its inbox. `digests` name the receipts that wait for confirmation."""

    message_id: bytes
    digests: tuple[bytes, ...]
    copies: int = 0
    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """Every recipient had this delivery already, by one whose reply was never confirmed."""

    message_id: bytes
    digests: tuple[bytes, ...]
    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class RouteChanged:
    """A recipient accepted before is deleted, empty or another tenant's now; nothing was stored.

    `refused` names the recipients when each has its own reply.
    """

    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class PolicyRefused:
    """The author's domain wants the message refused; recipients by position.

    `others` is the outcome for recipients who get all mail (LMTP: postmaster, abuse); None when
    nothing was stored.
    """

    refused: tuple[int, ...]
    others: Stored | Repeated | RouteChanged | None = None

    @property
    def digests(self) -> tuple[bytes, ...]:
        """The receipts of the others."""
        return self.others.digests if isinstance(self.others, Stored | Repeated) else ()


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The same bytes came in a session that is still open; try again when that one settles.

    `is_ours`: it is a session of this process.
    """

    digest: bytes
    is_ours: bool


Outcome = Stored | Repeated | RouteChanged | PolicyRefused | Unsettled
