"""Shares: a card offered to a teammate, or requested from one, as both parties see it.

- An offer goes to the future holder of the card, a request to its presumed holder: a request
  reveals nothing about whether there is such a card until its receiver accepts.
- A pending share expires (`lapsed`) after 30 days by itself, also before a job has recorded it. A
  resolved share is deleted after 7 days, a withdrawn one immediately.
- They are made in `storage.sharing.offers` and resolved in `storage.sharing.resolutions`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from storage.address import canonical_or_none
from storage.clock import DAY
from storage.contacts.contacts import Contact
from storage.database import Row, Tx
from storage.errors import NotFound
from storage.events.record import record_event
from storage.sharing.contact_activity import Happening, record_activity

LAPSE = 30 * DAY
KEPT = 7 * DAY

Direction = Literal["incoming", "outgoing"]
Status = Literal["pending", "accepted", "declined", "lapsed"]


@dataclass(frozen=True, slots=True)
class Share:
    """A stored share. `address` is the requested address, or the first one of the offered card."""

    share_id: bytes
    type: str
    status: str
    from_inbox_id: bytes
    to_inbox_id: bytes
    contact_id: bytes | None
    address: str | None
    include_notes: bool
    note: str | None
    labels: tuple[str, ...]
    created_at: int
    resolved_at: int | None

    @property
    def canonical(self) -> str | None:
        return canonical_or_none(self.address) if self.address else None

    @property
    def giver(self) -> bytes:
        """The inbox that has the card."""
        return self.from_inbox_id if self.type == "offer" else self.to_inbox_id

    @property
    def taker(self) -> bytes:
        """The inbox that gets the copy."""
        return self.to_inbox_id if self.type == "offer" else self.from_inbox_id


async def find_share(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, share_id: bytes, direction: Direction, now: int
) -> Share:
    """Return a share received or sent by an inbox. Raises NotFound, also for others' shares."""
    row = await tx.fetch_one(
        f"{SHARE} AND share_id = :share_id AND {_PARTY[direction]} = :inbox_id",
        {"tenant_id": tenant_id, "share_id": share_id, "inbox_id": inbox_id},
    )
    if row is None:
        raise NotFound("no such share")
    share = _at(share_of(row), now)
    if share.resolved_at is not None and share.resolved_at <= now - KEPT:
        raise NotFound("no such share any more")
    return share


async def list_shares(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    direction: Direction,
    status: Status,
    after: bytes | None,
    limit: int,
    now: int,
) -> list[Share]:
    """Return the shares received or sent by an inbox, oldest first, behind `after`."""
    rows = await tx.fetch_all(
        f"""
        {SHARE} AND {_PARTY[direction]} = :inbox_id AND {_STATUS[status]} AND share_id > :after
        ORDER BY share_id LIMIT :limit
        """,
        {
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "status": status,
            "alive": now - LAPSE,
            "kept": now - KEPT,
            "long_gone": now - LAPSE - KEPT,
            "after": after or b"",
            "limit": limit,
        },
    )
    return [_at(share_of(row), now) for row in rows]


_PARTY = {"incoming": "to_inbox_id", "outgoing": "from_inbox_id"}
_RESOLVED = "(status = :status AND resolved_at > :kept)"
_STATUS: dict[Status, str] = {
    "pending": "status = 'pending' AND created_at > :alive",
    "accepted": _RESOLVED,
    "declined": _RESOLVED,
    "lapsed": f"""({_RESOLVED} OR (status = 'pending' AND created_at <= :alive
                                   AND created_at > :long_gone))""",
}


def _at(share: Share, now: int) -> Share:
    """Return the share as it is now: it may have expired before a job recorded that."""
    if share.status == "pending" and share.created_at <= now - LAPSE:
        # As of the moment it expired, not of the job's: both parties then see one time.
        return replace(share, status="lapsed", resolved_at=share.created_at + LAPSE)
    return share


async def tell_party(
    tx: Tx,
    kind: str,
    tenant_id: bytes,
    share: Share,
    *,
    inbox_id: bytes,
    by_inbox_id: bytes | None,
    now: int,
) -> None:
    """Write the event of a share for one of its parties."""
    await record_event(
        tx,
        kind,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        share_id=share.share_id,
        by_inbox_id=by_inbox_id,
        now=now,
    )


async def record_step(
    tx: Tx,
    tenant_id: bytes,
    share: Share,
    kind: str,
    *,
    now: int,
    received: Contact | None = None,
) -> None:
    """Record a step in the feeds of both parties; the taker's entry names its source."""
    for party, other in (
        (share.from_inbox_id, share.to_inbox_id),
        (share.to_inbox_id, share.from_inbox_id),
    ):
        got = received is not None and party == share.taker
        contact_id = share.contact_id if party == share.giver and share.type == "offer" else None
        happening = Happening(
            f"contact.share_{kind}",
            (share.canonical,) if share.canonical else (),
            received.contact_id if got and received else contact_id,
            share.share_id,
            other,
            share.giver if got else None,
        )
        await record_activity(tx, tenant_id=tenant_id, inbox_id=party, happening=happening, now=now)


COLUMNS = """
    share_id, tenant_id, type, status, from_inbox_id, to_inbox_id, contact_id, address,
    include_notes, note, labels, created_at, resolved_at
"""
SHARE = f"SELECT {COLUMNS} FROM shares WHERE tenant_id = :tenant_id"


def share_of(row: Row) -> Share:
    """Make the share of a row of `SHARE`."""
    return Share(
        bytes(row["share_id"]),
        row["type"],
        row["status"],
        bytes(row["from_inbox_id"]),
        bytes(row["to_inbox_id"]),
        None if row["contact_id"] is None else bytes(row["contact_id"]),
        row["address"],
        bool(row["include_notes"]),
        row["note"],
        tuple(json.loads(row["labels"])),
        row["created_at"],
        row["resolved_at"],
    )
