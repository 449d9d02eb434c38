"""What arrives, and what becomes of it: the values that a delivery takes and gives.

What arrives is named tuples, which are cheap to make and to hand to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from storage.content.message_bytes import Content
from storage.directory.resolve import Verdict

# Recipients that were accepted and no longer lead anywhere, by their position. ROUTE stands for one
# that leads to another tenant now.
Refused = tuple[tuple[int, Verdict], ...]


class Recipient(NamedTuple):
    """One forward-path that was accepted: `text` as the peer wrote it, and its parts."""

    text: str
    local_part: str
    domain: str


class Arrival(NamedTuple):
    """A message that has arrived whole and waits to be stored.

    `references` are the ids that may name its thread, the likeliest first; `mailboxes` is a JSON
    object of To and Cc; `received_field` the trace field this gateway adds; `received_at` in
    microseconds since the epoch. `patient` says that an earlier delivery of the same bytes, which
    may still be confirmed, is to be waited for. `each_recipient`: each is answered for itself
    (LMTP), so that those whose route is gone take nothing from the others.
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


@dataclass(frozen=True, slots=True)
class Stored:
    """Every copy is in its inbox. `digests` name the receipts that wait for confirmation."""

    message_id: bytes
    digests: tuple[bytes, ...]
    copies: int = 0
    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """All of it was here already, from a delivery whose reply was never confirmed."""

    message_id: bytes
    digests: tuple[bytes, ...]
    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class RouteChanged:
    """A recipient accepted before is gone, empty or another tenant's now; nothing was stored.

    `refused` tells of each recipient when each is answered for itself.
    """

    refused: Refused = ()


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The same bytes came in a session that is still open: judge again when that one settles.

    `is_ours` says that it is a session of this process.
    """

    digest: bytes
    is_ours: bool


Outcome = Stored | Repeated | RouteChanged | Unsettled
