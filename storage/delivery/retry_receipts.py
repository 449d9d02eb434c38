"""Retry receipts: how a message that is sent again after a lost 250 is recognised.

- One receipt for each route of a delivery, until the sender has shown that it saw the reply, and
  for five days at most. The same bytes from the same sender by the same route are a retry as long
  as it exists.
- A receipt that a session may still confirm, of this process or recently of another, is waited for
  first; a retry renews it for the session that may confirm it now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b

from storage.clock import DAY, SECOND
from storage.database import Row, Tx
from storage.delivery.arrivals import Arrival, Unsettled
from storage.delivery.batch import DeliveryBatch, LookUp
from storage.directory.resolve import Resolution
from storage.sql import chunks, in_list, padded

RECEIPTS_KEPT = 5 * DAY
# Within this time another process has stored the confirmations of its senders, even if it had to
# wait for the store first.
OTHERS_SETTLE = 10 * SECOND
_AT_ONCE = 512


def digests_of(arrival: Arrival, routes: Iterable[Resolution]) -> list[bytes]:
    """Return one digest for each route; a retry of this delivery by that route has the same one."""
    sender = arrival.reverse_path.encode("utf-8", "surrogateescape")
    base = blake2b(arrival.content.sha256, digest_size=16)
    # With its length: a sender and a route must not read as another sender and route.
    base.update(len(sender).to_bytes(2, "big") + sender)
    digests = []
    for route in routes:
        one = base.copy()
        one.update(route.list_id or route.inbox_id or b"")
        digests.append(one.digest())
    return digests


async def earlier_delivery(
    batch: DeliveryBatch, digest: bytes, arrival: Arrival
) -> bytes | Unsettled | None:
    """Find the earlier message with this digest whose reply was never confirmed, if any."""
    # Stored in this very transaction: its session is still open.
    just_now = batch.receipts.get(digest)
    if just_now is not None:
        return Unsettled(digest, is_ours=True) if arrival.patient else just_now
    if digest not in batch.looked_up:
        row = await batch.tx.fetch_one(_EARLIER_ONE, {"digest": digest})
        batch.looked_up[digest] = row
    row = batch.looked_up[digest]
    # RFC 5321 4.5.4.1: senders give up after four to five days, so no retry comes later.
    if row is None or row["received_at"] <= arrival.received_at - RECEIPTS_KEPT:
        return None
    is_ours = bytes(row["owner"]) == batch.owner
    recent = row["received_at"] > arrival.received_at - OTHERS_SETTLE
    if arrival.patient and (batch.is_open(digest) if is_ours else recent):
        return Unsettled(digest, is_ours)
    return bytes(row["message_id"])


def receipt_look_ups(batch: DeliveryBatch, digests: Collection[bytes]) -> Iterator[LookUp]:
    """The look-ups for the receipts of several deliveries."""
    for some in chunks(sorted(digests), _AT_ONCE):
        chosen, names = in_list(padded(some))
        yield LookUp(_EARLIER.format(chosen), names, partial(_take, batch, some))


def _take(batch: DeliveryBatch, digests: Sequence[bytes], rows: Sequence[Row]) -> None:
    found = {bytes(row["digest"]): row for row in rows}
    batch.looked_up |= {digest: found.get(digest) for digest in digests}


def keep_receipts(batch: DeliveryBatch, arrival: Arrival, messages: Mapping[bytes, bytes]) -> None:
    """Write a receipt for each digest of `messages`, which maps it to its message."""
    for digest, message_id in messages.items():
        batch.add(
            _RECEIPT,
            digest=digest,
            message_id=message_id,
            owner=batch.owner,
            now=arrival.received_at,
        )


async def forget_confirmed(tx: Tx, confirmed: Sequence[bytes], owner: bytes) -> None:
    """Delete the receipts of deliveries whose sender has seen the reply of this process.

    One that another process has renewed, or written anew, since is of a reply of its own.
    """
    if confirmed:
        await tx.execute_many(
            "DELETE FROM receipts WHERE digest = :digest AND owner = :owner",
            [{"digest": digest, "owner": owner} for digest in confirmed],
        )


_EARLIER = """
    SELECT digest, message_id, received_at, owner FROM receipts WHERE digest IN ({})
"""
_EARLIER_ONE = _EARLIER.format(":digest")
_RECEIPT = """
    INSERT INTO receipts (digest, message_id, received_at, owner)
    VALUES (:digest, :message_id, :now, :owner)
    ON CONFLICT (digest) DO UPDATE
    SET message_id = excluded.message_id, received_at = excluded.received_at,
        owner = excluded.owner
"""
