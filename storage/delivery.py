"""The delivery transaction: a message, its routes and a copy in every inbox, all or nothing.

- Routes are resolved again here, so what a list is at the commit is what counts; when one that was
  accepted is gone or empty by now, nothing of that message is stored.
- One copy per inbox, by however many routes it is reached; the copy names every route it came by.
- One event row per message: which inboxes it concerns is derived from the copies.
- A receipt is kept for each route until the sender has shown that it saw the reply. The same bytes
  from the same sender by the same route, while the receipt is there, are a repetition and make no
  copy. A receipt that was confirmed is gone, so two intended twins are two messages.
- Several messages share one transaction; each statement that can runs once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from storage.clock import DAY, SECOND
from storage.content import Content
from storage.database import Tx
from storage.directory import Resolution, Verdict, resolve

RECEIPTS_KEPT = 5 * DAY
# Within this time another process has written down what its senders confirmed.
OTHERS_SETTLE = 3 * SECOND
_MAX_REFERENCES = 100


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path that was accepted: `text` as the peer wrote it, and its parts."""

    text: str
    local_part: str
    domain: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that has arrived whole and waits to be stored.

    `references` are the ids that may name its thread, the likeliest first; `mailboxes` is a JSON
    object of To and Cc; `received_field` the trace field this gateway adds; `received_at` in
    microseconds since the epoch. `patient` says that an earlier delivery of the same bytes, which
    may still be confirmed, is to be waited for.
    """

    tenant_id: bytes
    recipients: tuple[Recipient, ...]
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
    content: Content
    patient: bool = True


@dataclass(frozen=True, slots=True)
class Stored:
    """Every copy is in its inbox. `digests` name the receipts that wait for confirmation."""

    message_id: bytes
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """All of it was here already, from a delivery whose reply was never confirmed."""

    message_id: bytes
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RouteChanged:
    """A recipient accepted before is gone, empty or another tenant's now; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The same bytes came in a session that is still open: judge again when that one settles.

    `is_ours` says that it is a session of this process.
    """

    digest: bytes
    is_ours: bool


Outcome = Stored | Repeated | RouteChanged | Unsettled
_Chosen = tuple[int, Recipient, Resolution]


async def deliver(
    tx: Tx,
    arrivals: Sequence[Arrival],
    *,
    confirmed: Sequence[bytes],
    owner: bytes,
    is_open: Callable[[bytes], bool],
    postmaster: str,
) -> list[Outcome]:
    """Store `arrivals` in order; one outcome for each.

    `confirmed` are digests whose receipts are done with. `owner` names this process in receipts;
    of its own deliveries `is_open` tells by digest whether their session may still confirm them.
    """
    await forget_confirmed(tx, confirmed)
    batch = _Batch(tx, owner, is_open, postmaster)
    outcomes = [await _deliver_one(batch, arrival) for arrival in arrivals]
    await batch.write_rows()
    return outcomes


async def forget_confirmed(tx: Tx, confirmed: Sequence[bytes]) -> None:
    """Drop the receipts of deliveries whose sender has seen the reply."""
    if confirmed:
        await tx.execute_many(
            "DELETE FROM receipts WHERE digest = :digest",
            [{"digest": digest} for digest in confirmed],
        )


async def forget_receipts(tx: Tx, *, now: int) -> int:
    """Drop the receipts that are too old to stop a repetition; how many there were."""
    return await tx.execute(
        "DELETE FROM receipts WHERE received_at <= :since", {"since": now - RECEIPTS_KEPT}
    )


@dataclass(slots=True)
class _Batch:
    """What the messages of one transaction share: answers already known, rows still to write."""

    tx: Tx
    owner: bytes
    is_open: Callable[[bytes], bool]
    postmaster: str
    resolutions: dict[tuple[str, str], Resolution] = field(default_factory=dict)
    threads: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def add(self, statement: str, **row: object) -> None:
        self.rows.setdefault(statement, []).append(row)

    async def write_rows(self) -> None:
        for statement, rows in self.rows.items():
            await self.tx.execute_many(statement, rows)


async def _deliver_one(batch: _Batch, arrival: Arrival) -> Outcome:
    routes = await _resolve_all(batch, arrival)
    if routes is None:
        return RouteChanged()
    digests = _digests(arrival, routes)
    earlier: dict[bytes, bytes] = {}
    for digest in dict.fromkeys(digests):
        found = await _earlier_delivery(batch, digest, arrival)
        if isinstance(found, Unsettled):
            return found
        if found is not None:
            earlier[digest] = found
    # The session that may confirm them now is this one, and another process has to know.
    _keep_receipts(batch, arrival, earlier)
    if len(earlier) == len(set(digests)):
        return Repeated(earlier[digests[0]], tuple(earlier))
    fresh: list[_Chosen] = []
    repeated: list[_Chosen] = []
    for position, (recipient, route, digest) in enumerate(
        zip(arrival.recipients, routes, digests, strict=True)
    ):
        (repeated if digest in earlier else fresh).append((position, recipient, route))
    message_id = await _store(batch, arrival, fresh)
    for position, recipient, route in repeated:
        batch.add(
            _REPEATED_ROUTE,
            message_id=message_id,
            position=position,
            recipient=recipient.text,
            address=route.address,
            list_id=route.list_id,
            rule=route.rule,
        )
    stored = dict.fromkeys((digest for digest in digests if digest not in earlier), message_id)
    batch.receipts |= stored
    _keep_receipts(batch, arrival, stored)
    return Stored(message_id, tuple(dict.fromkeys(digests)))


def _keep_receipts(batch: _Batch, arrival: Arrival, messages: Mapping[bytes, bytes]) -> None:
    for digest, message_id in messages.items():
        batch.add(
            _RECEIPT,
            digest=digest,
            message_id=message_id,
            owner=batch.owner,
            now=arrival.received_at,
        )


async def _resolve_all(batch: _Batch, arrival: Arrival) -> list[Resolution] | None:
    routes = []
    for recipient in arrival.recipients:
        key = (recipient.local_part, recipient.domain)
        route = batch.resolutions.get(key)
        if route is None:
            route = await resolve(
                batch.tx,
                local_part=recipient.local_part,
                domain=recipient.domain,
                postmaster=batch.postmaster,
            )
            batch.resolutions[key] = route
        if route.verdict is not Verdict.ROUTE or route.tenant_id != arrival.tenant_id:
            return None
        routes.append(route)
    return routes


def _digests(arrival: Arrival, routes: Iterable[Resolution]) -> list[bytes]:
    """For each route: what a repetition of this delivery by that route would have as well."""
    sender = arrival.reverse_path.encode("utf-8", "surrogateescape")
    base = blake2b(arrival.content.sha256, digest_size=16)
    base.update(len(sender).to_bytes(2, "big") + sender)
    digests = []
    for route in routes:
        one = base.copy()
        one.update(route.list_id or route.inbox_id or b"")
        digests.append(one.digest())
    return digests


async def _earlier_delivery(
    batch: _Batch, digest: bytes, arrival: Arrival
) -> bytes | Unsettled | None:
    """The message that brought the same before and was never confirmed, if there is one."""
    just_now = batch.receipts.get(digest)
    if just_now is not None:
        return Unsettled(digest, is_ours=True) if arrival.patient else just_now
    row = await batch.tx.fetch_one(
        """
        SELECT message_id, received_at, owner FROM receipts
        WHERE digest = :digest AND received_at > :since
        """,
        {"digest": digest, "since": arrival.received_at - RECEIPTS_KEPT},
    )
    if row is None:
        return None
    is_ours = bytes(row["owner"]) == batch.owner
    recent = row["received_at"] > arrival.received_at - OTHERS_SETTLE
    if arrival.patient and (batch.is_open(digest) if is_ours else recent):
        return Unsettled(digest, is_ours)
    return bytes(row["message_id"])


async def _store(
    batch: _Batch, arrival: Arrival, routes: Sequence[tuple[int, Recipient, Resolution]]
) -> bytes:
    tx = batch.tx
    message_id = tx.new_id()
    thread_id = await _thread(batch, arrival)
    owed = 0
    for position, recipient, route in routes:
        batch.add(
            _ROUTE,
            message_id=message_id,
            position=position,
            recipient=recipient.text,
            address=route.address,
            inbox_id=route.inbox_id,
            list_id=route.list_id,
            rule=route.rule,
        )
        owed += await _copy(tx, message_id, position, route, several=len(routes) > 1)
    batch.add(
        _MESSAGE,
        message_id=message_id,
        tenant_id=arrival.tenant_id,
        thread_id=thread_id,
        received_at=arrival.received_at,
        size=arrival.content.size,
        header_message_id=arrival.header_message_id,
        from_name=arrival.from_name,
        from_email=arrival.from_email,
        subject=arrival.subject,
        mailboxes=arrival.mailboxes,
        reverse_path=arrival.reverse_path,
        client_ip=arrival.client_ip,
        helo=arrival.helo,
        protocol=arrival.protocol,
        tls=arrival.tls,
        received_field=arrival.received_field,
        automatic=int(arrival.automatic),
        owed=owed,
    )
    content = arrival.content
    batch.add(
        _CONTENT,
        message_id=message_id,
        sha256=content.sha256,
        size=content.size,
        body=content.body,
        file=content.file,
    )
    _record(batch, "message.received", arrival, message_id, thread_id)
    return message_id


async def _copy(
    tx: Tx, message_id: bytes, position: int, route: Resolution, *, several: bool
) -> int:
    """Copies for every inbox behind `route` that has none yet; how many were made."""
    target = {
        "message_id": message_id,
        "position": position,
        "list_id": route.list_id,
        "inbox_id": route.inbox_id,
    }
    to_list = route.list_id is not None
    if several:
        await tx.execute(_LIST_COPY_ROUTES if to_list else _INBOX_COPY_ROUTE, target)
    return await tx.execute(_LIST_COPIES if to_list else _INBOX_COPY, target)


async def _thread(batch: _Batch, arrival: Arrival) -> bytes:
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


async def _known_thread(batch: _Batch, tenant_id: bytes, reference: bytes) -> bytes | None:
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


async def _reopen(batch: _Batch, arrival: Arrival, thread_id: bytes) -> None:
    reopened = await batch.tx.execute(
        """
        UPDATE threads SET status = 'open'
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND status = 'closed'
        """,
        {"tenant_id": arrival.tenant_id, "thread_id": thread_id},
    )
    if reopened:
        _record(batch, "thread.reopened", arrival, None, thread_id)
        batch.add(
            _REOPENED,
            entry_id=batch.tx.new_id(),
            tenant_id=arrival.tenant_id,
            thread_id=thread_id,
            now=arrival.received_at,
        )


def _record(
    batch: _Batch, event: str, arrival: Arrival, message_id: bytes | None, thread_id: bytes
) -> None:
    batch.add(
        _EVENT,
        event_id=batch.tx.new_id(),
        tenant_id=arrival.tenant_id,
        type=event,
        message_id=message_id,
        thread_id=thread_id,
        now=arrival.received_at,
    )


_ROUTE = """
    INSERT INTO routes (message_id, position, recipient, address, inbox_id, list_id, rule)
    VALUES (:message_id, :position, :recipient, :address, :inbox_id, :list_id, :rule)
"""
_REPEATED_ROUTE = """
    INSERT INTO repeated_routes (message_id, position, recipient, address, list_id, rule)
    VALUES (:message_id, :position, :recipient, :address, :list_id, :rule)
"""
_LIST_COPIES = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    SELECT m.inbox_id, :message_id, 0, 0, 0, :position
    FROM list_members m WHERE m.list_id = :list_id
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_INBOX_COPY = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    VALUES (:inbox_id, :message_id, 0, 0, 0, :position)
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_LIST_COPY_ROUTES = """
    INSERT INTO copy_routes (inbox_id, message_id, position)
    SELECT m.inbox_id, :message_id, :position FROM list_members m WHERE m.list_id = :list_id
"""
_INBOX_COPY_ROUTE = """
    INSERT INTO copy_routes (inbox_id, message_id, position)
    VALUES (:inbox_id, :message_id, :position)
"""
_MESSAGE = """
    INSERT INTO messages
        (message_id, tenant_id, thread_id, received_at, size, header_message_id, from_name,
         from_email, subject, recipients, reverse_path, client_ip, helo, protocol, tls,
         received_field, automatic, parse_status, copies_owed, copies_gone)
    VALUES
        (:message_id, :tenant_id, :thread_id, :received_at, :size, :header_message_id, :from_name,
         :from_email, :subject, :mailboxes, :reverse_path, :client_ip, :helo, :protocol, :tls,
         :received_field, :automatic, 'pending', :owed, 0)
"""
_CONTENT = """
    INSERT INTO contents (message_id, sha256, size, body, file)
    VALUES (:message_id, :sha256, :size, :body, :file)
"""
_THREAD = """
    INSERT INTO threads (thread_id, tenant_id, status, created_at)
    VALUES (:thread_id, :tenant_id, 'open', :now)
"""
_REFERENCE = """
    INSERT INTO thread_references (tenant_id, reference, thread_id)
    VALUES (:tenant_id, :reference, :thread_id)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_EVENT = """
    INSERT INTO events (event_id, tenant_id, type, message_id, thread_id, created_at)
    VALUES (:event_id, :tenant_id, :type, :message_id, :thread_id, :now)
"""
_REOPENED = """
    INSERT INTO thread_history (entry_id, tenant_id, thread_id, type, created_at)
    VALUES (:entry_id, :tenant_id, :thread_id, 'reopened', :now)
"""
_RECEIPT = """
    INSERT INTO receipts (digest, message_id, received_at, owner)
    VALUES (:digest, :message_id, :now, :owner)
    ON CONFLICT (digest) DO UPDATE
    SET message_id = excluded.message_id, received_at = excluded.received_at,
        owner = excluded.owner
"""
