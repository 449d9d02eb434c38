"""Which thread a message joins.

- That of the message it replies to: In-Reply-To first, then References, the newest first; never
  across tenants. Of a Message-ID used twice the first counts.
- Every id that is named is remembered for the thread, so replies to mail we never saw still meet.
- A message that joins a closed thread reopens it. Where it joins changes nothing of who sees what.
"""

from __future__ import annotations

from hashlib import blake2b

from storage.arrivals import Arrival
from storage.batch import Batch

_MAX_REFERENCES = 100


async def thread_of(batch: Batch, arrival: Arrival) -> bytes:
    """The thread of the first reference the tenant knows, else a new one; remember them all."""
    named = [*arrival.references[:_MAX_REFERENCES]]
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
        thread_id = batch.tx.new_id()
        batch.add(
            _THREAD, thread_id=thread_id, tenant_id=arrival.tenant_id, now=arrival.received_at
        )
    else:
        await _reopen(batch, arrival, thread_id)
    for key in keys:
        if key not in known and (arrival.tenant_id, key) not in batch.threads:
            batch.threads[arrival.tenant_id, key] = thread_id
            batch.add(_REFERENCE, tenant_id=arrival.tenant_id, reference=key, thread_id=thread_id)
    return thread_id


async def _known_thread(batch: Batch, tenant_id: bytes, reference: bytes) -> bytes | None:
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


async def _reopen(batch: Batch, arrival: Arrival, thread_id: bytes) -> None:
    reopened = await batch.tx.execute(
        """
        UPDATE threads SET status = 'open'
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND status = 'closed'
        """,
        {"tenant_id": arrival.tenant_id, "thread_id": thread_id},
    )
    if reopened:
        batch.record("thread.reopened", arrival, None, thread_id)
        batch.add(
            _REOPENED,
            entry_id=batch.tx.new_id(),
            tenant_id=arrival.tenant_id,
            thread_id=thread_id,
            now=arrival.received_at,
        )


_THREAD = """
    INSERT INTO threads (thread_id, tenant_id, status, created_at)
    VALUES (:thread_id, :tenant_id, 'open', :now)
"""
_REFERENCE = """
    INSERT INTO thread_references (tenant_id, reference, thread_id)
    VALUES (:tenant_id, :reference, :thread_id)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_REOPENED = """
    INSERT INTO thread_history (entry_id, tenant_id, thread_id, type, created_at)
    VALUES (:entry_id, :tenant_id, :thread_id, 'reopened', :now)
"""
