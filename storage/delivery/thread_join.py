"""Threading: which thread a message joins.

- The thread of the message it replies to: In-Reply-To first, then References, the newest first (RFC
  5322 3.6.4); never across tenants. Of a Message-ID used twice the first counts.
- Every referenced id is remembered for the thread, so replies to mail we never saw still meet.
- A message that joins a closed thread reopens it; the event goes to inboxes that see the message.
  Joining changes no visibility.
- Threads and their events get ids before the message does: an inbox that sees only this message
  must not see the thread it reopens.
"""

from __future__ import annotations

from hashlib import blake2b

from storage.delivery.arrivals import Arrival
from storage.delivery.batch import DeliveryBatch

_MAX_REFERENCES = 100


async def join_thread(batch: DeliveryBatch, arrival: Arrival) -> tuple[bytes, bytes]:
    """Return the thread of the first known reference, else a new one, and the message's new id.

    All references are remembered for the thread.
    """
    named = [*arrival.references[:_MAX_REFERENCES]]
    named += arrival.references[_MAX_REFERENCES:][-1:]  # the root of the thread comes last
    if arrival.header_message_id:
        named.append(arrival.header_message_id)
    keys = [blake2b(name.encode("utf-8", "replace"), digest_size=16).digest() for name in named]
    known: dict[bytes, bytes] = {}
    for key in keys:
        found = await _known_thread(batch, arrival.tenant_id, key)
        if found is not None:
            known[key] = found
            break
    thread_id = next(iter(known.values()), None)
    if thread_id is None:
        # Before the message's id: see the rule on ids above.
        thread_id = batch.tx.new_id()
        batch.add(
            _THREAD, thread_id=thread_id, tenant_id=arrival.tenant_id, now=arrival.received_at
        )
        message_id = batch.tx.new_id()
    else:
        message_id = await _reopen(batch, arrival, thread_id)
    for key in keys:
        if key not in known and (arrival.tenant_id, key) not in batch.threads:
            batch.threads[arrival.tenant_id, key] = thread_id
            batch.add(_REFERENCE, tenant_id=arrival.tenant_id, reference=key, thread_id=thread_id)
    return thread_id, message_id


async def _known_thread(batch: DeliveryBatch, tenant_id: bytes, reference: bytes) -> bytes | None:
    made = batch.threads.get((tenant_id, reference))
    if made is not None:
        return made
    row = await batch.tx.fetch_one(
        """
        SELECT thread_id FROM thread_references
        WHERE tenant_id = :tenant_id AND reference = :reference
        """,
        {"tenant_id": tenant_id, "reference": reference},
    )
    return bytes(row["thread_id"]) if row else None


async def _reopen(batch: DeliveryBatch, arrival: Arrival, thread_id: bytes) -> bytes:
    """Reopen the thread if it is closed; return the message's id, which is the cause of it."""
    reopened = await batch.tx.execute(
        """
        UPDATE threads SET status = 'open'
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND status = 'closed'
        """,
        {"tenant_id": arrival.tenant_id, "thread_id": thread_id},
    )
    if not reopened:
        return batch.tx.new_id()
    # In this order: an inbox that sees only this message must not see the act below its id.
    event_id, entry_id, message_id = (batch.tx.new_id() for _ in range(3))
    act: dict[str, object] = {
        "tenant_id": arrival.tenant_id,
        "thread_id": thread_id,
        "message_id": message_id,
        "now": arrival.received_at,
    }
    batch.add(_REOPENED_EVENT, event_id=event_id, **act)
    batch.add(_REOPENED, entry_id=entry_id, **act)
    return message_id


_THREAD = """
    INSERT INTO threads (thread_id, tenant_id, status, created_at)
    VALUES (:thread_id, :tenant_id, 'open', :now)
"""
_REFERENCE = """
    INSERT INTO thread_references (tenant_id, reference, thread_id)
    VALUES (:tenant_id, :reference, :thread_id)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_REOPENED_EVENT = """
    INSERT INTO events (event_id, tenant_id, type, thread_id, by_message_id, created_at)
    VALUES (:event_id, :tenant_id, 'thread.reopened', :thread_id, :message_id, :now)
"""
_REOPENED = """
    INSERT INTO thread_history
        (entry_id, tenant_id, thread_id, type, by_message_id, created_at)
    VALUES (:entry_id, :tenant_id, :thread_id, 'reopened', :message_id, :now)
"""
