"""Threading: which thread a message joins.

- The thread of the message it replies to: In-Reply-To first, then References, the newest first (RFC
  5322 3.6.4); never across tenants. Of a Message-ID used twice the first counts.
- Every referenced id is remembered for the thread, so replies to mail we never saw still meet.
- Where no id leads to a thread, the token in a recipient's address does (`team+r.TOKEN`): it is
  looked up beside the ids, and never remembered. Mail without a token asks nothing more.
- A report about a letter is of that letter's thread, whatever it refers to.
- A message that joins a closed thread reopens it; the event goes to inboxes that see the message.
  Joining changes no visibility.
- Threads and their events get ids before the message does: an inbox that sees only this message
  must not see the thread it reopens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b

from storage.database import Row
from storage.delivery.arrivals import Arrival
from storage.delivery.batch import DeliveryBatch, Join, Known, LookUp
from storage.directory.address_tokens import reply_reference, reply_token_of
from storage.sql import chunks, in_list, padded

# Each reference is a row and a look-up under the write lock; a header holds thousands.
_MAX_REFERENCES = 100
_AT_ONCE = 512


async def join_thread(batch: DeliveryBatch, arrival: Arrival) -> tuple[bytes, bytes]:
    """Return the thread of the first known reference, else a new one, and the message's new id.

    All references are remembered for the thread. When they are known in two threads, these are
    joined at the end of the transaction, and the message belongs to the older one.
    """
    keys, own = _keys_of(arrival)
    tokens = _tokens_of(arrival)
    known = await _known_threads(batch, arrival.tenant_id, [*keys, *tokens] if tokens else keys)
    # Most mail begins a thread: nothing is to be chosen, joined or reopened.
    thread_id, other = _threads_of(keys, known, own) if known else (None, None)
    if thread_id is None and tokens:
        thread_id = next((known[one].thread_id for one in tokens if one in known), None)
    if thread_id is None:
        # Before the message's id: see the rule on ids above.
        thread_id = batch.tx.new_id()
        batch.add(
            _THREAD, thread_id=thread_id, tenant_id=arrival.tenant_id, now=arrival.received_at
        )
        message_id = batch.tx.new_id()
    elif other is None:
        is_closed = thread_id in batch.closed
        message_id = await _reopen(batch, arrival, thread_id) if is_closed else batch.tx.new_id()
    else:
        older, younger = sorted((thread_id, other))
        message_id = await _join(batch, arrival, older, younger)
        thread_id = older
    tenant_id = arrival.tenant_id
    for key in keys:
        is_own = key == own
        if key not in known:
            batch.add(
                _REFERENCE,
                tenant_id=tenant_id,
                reference=key,
                thread_id=thread_id,
                is_message=int(is_own),
            )
        elif is_own and not known[key].is_message:
            batch.add(_IS_MESSAGE, tenant_id=tenant_id, reference=key)
        else:
            continue
        batch.threads[tenant_id, key] = Known(thread_id, is_own)
    return thread_id, message_id


async def join_letter(
    batch: DeliveryBatch, arrival: Arrival, letter_id: bytes
) -> tuple[bytes, bytes]:
    """Return the thread of the letter that a message reports about, and the message's new id.

    A closed thread is reopened. Of what the report refers to, only its own id is remembered.
    """
    row = await batch.tx.fetch_one(
        "SELECT thread_id FROM letters WHERE tenant_id = :tenant_id AND message_id = :letter_id",
        {"tenant_id": arrival.tenant_id, "letter_id": letter_id},
    )
    if row is None:  # deleted since its token was looked up
        return await join_thread(batch, arrival)
    found = bytes(row["thread_id"])
    thread_id = batch.joined.get(found, found)
    message_id = await _reopen(batch, arrival, thread_id)
    _, own = _keys_of(arrival)
    if own and not await _known_threads(batch, arrival.tenant_id, [own]):
        reference = {"tenant_id": arrival.tenant_id, "reference": own}
        batch.add(_REFERENCE, **reference, thread_id=thread_id, is_message=1)
        batch.threads[arrival.tenant_id, own] = Known(thread_id, True)
    return thread_id, message_id


def thread_look_ups(batch: DeliveryBatch, arrivals: Sequence[Arrival]) -> Iterator[LookUp]:
    """The look-ups for the threads of several messages."""
    asked: dict[bytes, set[bytes]] = {}
    for arrival in arrivals:
        names = (*_keys_of(arrival)[0], *_tokens_of(arrival))
        asked.setdefault(arrival.tenant_id, set()).update(names)
    for tenant_id, keys in asked.items():
        for some in chunks(sorted(keys), _AT_ONCE):
            sql, params = _threads_query(tenant_id, padded(some))
            yield LookUp(sql, params, partial(_take, batch, tenant_id, some))


def _take(
    batch: DeliveryBatch, tenant_id: bytes, keys: Sequence[bytes], rows: Sequence[Row]
) -> None:
    found = _threads_in(batch, rows)
    batch.threads |= {(tenant_id, key): known for key, known in found.items()}
    batch.unknown |= {(tenant_id, key) for key in keys if key not in found}


def _keys_of(arrival: Arrival) -> tuple[list[bytes], bytes | None]:
    """The references of a message, its own Message-ID last, and that one alone."""
    own = reference_key(arrival.header_message_id) if arrival.header_message_id else None
    if not arrival.references:  # most mail: this runs within the store's one write transaction
        return [own] if own else [], own
    named = map(reference_key, that_count(arrival.references))
    return [*dict.fromkeys([*named, *([own] if own else [])])], own


def that_count(references: Sequence[str]) -> list[str]:
    """Those of a message's references that count: the likeliest, and the root of the thread."""
    likeliest, others = references[:_MAX_REFERENCES], references[_MAX_REFERENCES:]
    return [*likeliest, *others[-1:]]  # the root comes last


def _tokens_of(arrival: Arrival) -> list[bytes]:
    """The tokens in its recipients' addresses, as they are kept."""
    tagged = [one.local_part for one in arrival.recipients if "+" in one.local_part]
    if not tagged:  # nearly all mail
        return []
    return [reference_key(reply_reference(one)) for one in map(reply_token_of, tagged) if one]


def reference_key(name: str) -> bytes:
    """A Message-ID as it is kept: of one length, whatever a sender wrote."""
    return blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()


def _threads_of(
    keys: Sequence[bytes], known: Mapping[bytes, Known], own: bytes | None
) -> tuple[bytes | None, bytes | None]:
    """The thread of a message, and another that is the same by what it refers to.

    Of a Message-ID used twice the first counts: the second message says nothing of its thread.
    """
    threads = [known[key].thread_id for key in keys if key in known]
    linked = [
        known[key].thread_id
        for key in keys
        if key in known and not (key == own and known[key].is_message)
    ]
    first = threads[0] if threads else None
    return first, next((one for one in linked if one != first), None)


async def _known_threads(
    batch: DeliveryBatch, tenant_id: bytes, keys: Sequence[bytes]
) -> dict[bytes, Known]:
    known: dict[bytes, Known] = {}
    asked: list[bytes] = []
    for key in keys:
        made = batch.threads.get((tenant_id, key))
        if made is not None:
            known[key] = made
        elif (tenant_id, key) not in batch.unknown:
            asked.append(key)
    if asked:
        known |= await _find_threads(batch, tenant_id, asked)
    if batch.joined:
        return {
            key: Known(batch.joined.get(one.thread_id, one.thread_id), one.is_message)
            for key, one in known.items()
        }
    return known


async def _find_threads(
    batch: DeliveryBatch, tenant_id: bytes, keys: Sequence[bytes]
) -> dict[bytes, Known]:
    return _threads_in(batch, await batch.tx.fetch_all(*_threads_query(tenant_id, keys)))


def _threads_query(tenant_id: bytes, keys: Sequence[bytes]) -> tuple[str, dict[str, object]]:
    if len(keys) == 1:
        return _KNOWN_ONE, {"tenant_id": tenant_id, "in0": keys[0]}
    chosen, names = in_list(keys)
    return _KNOWN.format(chosen), {"tenant_id": tenant_id, **names}


def _threads_in(batch: DeliveryBatch, rows: Sequence[Row]) -> dict[bytes, Known]:
    known = {}
    for row in rows:
        thread_id = bytes(row["joined_to"] or row["thread_id"])
        known[bytes(row["reference"])] = Known(thread_id, bool(row["is_message"]))
        if row["status"] == "closed":
            batch.closed.add(thread_id)
    return known


_KNOWN = """
    SELECT r.reference, r.thread_id, r.is_message, t.joined_to,
           COALESCE(j.status, t.status) AS status
    FROM thread_references r
    LEFT JOIN threads t ON t.thread_id = r.thread_id
    LEFT JOIN threads j ON j.thread_id = t.joined_to
    WHERE r.tenant_id = :tenant_id AND r.reference IN ({})
"""
_KNOWN_ONE = _KNOWN.format(":in0")


async def _join(batch: DeliveryBatch, arrival: Arrival, older: bytes, younger: bytes) -> bytes:
    """Have the threads joined when all is written; the message's id.

    One that is open keeps the other open, which is no event; two that are closed are reopened.
    """
    for former, thread_id in list(batch.joined.items()):
        if thread_id == younger:
            batch.joined[former] = older
    batch.joined[younger] = older
    batch.joins.append(Join(arrival.tenant_id, older, younger, since=batch.tx.new_id()))
    chosen, names = in_list([older, younger])
    row = await batch.tx.fetch_one(
        f"""
        SELECT COUNT(*) AS closed FROM threads
        WHERE tenant_id = :tenant_id AND thread_id IN ({chosen}) AND status = 'closed'
        """,
        {"tenant_id": arrival.tenant_id, **names},
    )
    if row is not None and row["closed"] == len(names):
        return await _reopen(batch, arrival, older)
    return batch.tx.new_id()


async def _reopen(batch: DeliveryBatch, arrival: Arrival, thread_id: bytes) -> bytes:
    """Reopen the thread if it is closed; return the message's id, which is the cause of it."""
    # Now, not with the batch: only the count of rows tells whether the thread was still closed.
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
    INSERT INTO thread_references (tenant_id, reference, thread_id, is_message)
    VALUES (:tenant_id, :reference, :thread_id, :is_message)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_IS_MESSAGE = """
    UPDATE thread_references SET is_message = 1
    WHERE tenant_id = :tenant_id AND reference = :reference
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
