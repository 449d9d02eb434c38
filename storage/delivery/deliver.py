"""The delivery transaction: a message, its routes and a copy in every inbox, all or nothing.

- Routes are resolved again here, so the members at the commit count. When a recipient accepted at
  RCPT is deleted or empty by now, nothing of that message is stored. Over LMTP, where each
  recipient has its own reply, the others are stored.
- One copy for each inbox, by however many routes it is reached; the copy names every route.
- One event row for each message; the copies say which inboxes it concerns.
- Each route has a receipt until the sender has shown that it saw the reply. The same bytes from the
  same sender by the same route, while the receipt exists, are a retry and make no copy. A confirmed
  receipt is deleted, so two identical messages sent on purpose are two messages.
- A letter of ours that comes back makes no second copy where it is held already; a report about a
  letter is of that letter's thread (`own_letters`, `thread_join`).
- Several messages share one transaction; a statement runs once for all of them where it can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from storage.content.places import require_stored
from storage.database import Row, Tx
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    Recipient,
    Refused,
    Repeated,
    RouteChanged,
    Stored,
    Unsettled,
)
from storage.delivery.batch import CopiesToMake, DeliveryBatch, LookUp, look_up_together
from storage.delivery.own_letters import HOLDS, all_hold, own_letter
from storage.delivery.retry_receipts import (
    digests_of,
    earlier_delivery,
    forget_confirmed,
    keep_receipts,
    receipt_look_ups,
)
from storage.delivery.thread_join import join_letter, join_thread, thread_look_ups
from storage.delivery.thread_merge import merge_threads
from storage.directory.resolve import (
    MailboxName,
    Resolution,
    Verdict,
    resolve,
    routes_in,
    routes_query,
)
from storage.index.copy_index import index_new_copies
from storage.sql import chunks, in_list, padded
from storage.tenant_wall import for_all_tenants

_Chosen = tuple[int, Recipient, Resolution]


class _Fresh(NamedTuple):
    """A new message whose rows are still to be written; only then its copies are counted."""

    message_id: bytes
    digests: tuple[bytes, ...]
    refused: Refused

    def stored(self, owed: Mapping[bytes, int]) -> Stored:
        """Its outcome; `owed` has the copies made of each message."""
        return Stored(self.message_id, self.digests, owed.get(self.message_id, 0), self.refused)


_MOST_GUESSES = 1000
_LISTS_AT_ONCE = 512


async def deliver(
    tx: Tx,
    arrivals: Sequence[Arrival],
    *,
    confirmed: Sequence[bytes],
    owner: bytes,
    is_open: Callable[[bytes], bool],
    postmaster: str,
    guesses: dict[MailboxName, Resolution] | None = None,
) -> list[Outcome]:
    """Store `arrivals` in order; one outcome for each.

    `guesses` are routes of earlier calls; a wrong one costs time and nothing else. `confirmed` are
    digests whose receipts can be deleted. `owner` names this process in receipts; for its own
    deliveries `is_open` tells by digest whether their session may still confirm them.
    """
    # Before the look-ups: a receipt that is confirmed must not make a second message a retry.
    await forget_confirmed(tx, confirmed, owner)
    batch = DeliveryBatch(tx, owner, is_open, postmaster)
    # SQLite runs in this process: there is no round trip to save.
    if tx.dialect["engine"] == "postgres":
        await _look_ahead(batch, arrivals, {} if guesses is None else guesses)
    found = [await _deliver_one(batch, arrival) for arrival in arrivals]
    await batch.write_rows()
    outcomes: list[Outcome] = [
        one.stored(batch.owed) if isinstance(one, _Fresh) else one for one in found
    ]
    # After the rows are written: a merge moves the new messages too.
    for join in batch.joins:
        now = max(arrival.received_at for arrival in arrivals)
        await merge_threads(tx, **join._asdict(), now=now)
    await index_new_copies(tx, sum(batch.owed.values()))
    return outcomes


async def _look_ahead(
    batch: DeliveryBatch, arrivals: Sequence[Arrival], guesses: dict[MailboxName, Resolution]
) -> None:
    """Ask together what each message would ask: across a network each query is a round trip.

    Receipts and members depend on the routes. Those of earlier batches tell which to ask for; where
    they were others, it is asked again.
    """
    names = {(one.local_part, one.domain) for arrival in arrivals for one in arrival.recipients}
    look_ups = [*thread_look_ups(batch, arrivals)]
    if (query := routes_query(names)) is not None:
        look_ups.append(LookUp(*query, partial(_take_routes, batch, names)))
    guessed = [(one, _guessed(one, guesses)) for one in arrivals]
    await look_up_together(batch.tx, [*look_ups, *_by_routes(batch, guessed)])
    resolved = [(one, (await _resolve_all(batch, one))[0]) for one in arrivals]
    found = [(one, [route for _, _, route in chosen]) for one, chosen in resolved]
    await look_up_together(batch.tx, [*_by_routes(batch, found)])
    if len(guesses) > _MOST_GUESSES:
        guesses.clear()
    guesses.update(batch.resolutions)


def _take_routes(batch: DeliveryBatch, names: Collection[MailboxName], rows: Sequence[Row]) -> None:
    batch.resolutions |= routes_in(rows, names)


def _guessed(arrival: Arrival, guesses: Mapping[MailboxName, Resolution]) -> list[Resolution]:
    found = (guesses.get((one.local_part, one.domain)) for one in arrival.recipients)
    return [one for one in found if one is not None and one.verdict is Verdict.ROUTE]


def _by_routes(
    batch: DeliveryBatch, routed: Sequence[tuple[Arrival, Sequence[Resolution]]]
) -> Iterator[LookUp]:
    """The look-ups of receipts, and of the numbers of members, that are still to be made."""
    digests = {digest for arrival, routes in routed for digest in digests_of(arrival, routes)}
    yield from receipt_look_ups(batch, digests - batch.looked_up.keys())
    ids = {route.list_id for _, routes in routed for route in routes if route.list_id is not None}
    for some in chunks(sorted(ids - batch.members.keys()), _LISTS_AT_ONCE):
        chosen, names = in_list(padded(some))
        yield LookUp(_MEMBERS.format(chosen), names, partial(_take_members, batch, some))


def _take_members(batch: DeliveryBatch, ids: Sequence[bytes], rows: Sequence[Row]) -> None:
    found = {bytes(row["list_id"]): int(row["members"]) for row in rows}
    batch.members |= {one: found.get(one, 0) for one in ids}


async def _deliver_one(
    batch: DeliveryBatch, arrival: Arrival
) -> _Fresh | Repeated | RouteChanged | Unsettled:
    chosen, refused = await _resolve_all(batch, arrival)
    # SMTP has one reply for all recipients: a sender could not be told of a partial delivery.
    if not chosen or (refused and not arrival.each_recipient):
        return RouteChanged(refused if arrival.each_recipient else ())
    routes = [route for _, _, route in chosen]
    letter_id = await own_letter(batch.tx, arrival)
    if letter_id is not None and await all_hold(batch.tx, letter_id, routes):
        return Repeated(letter_id, (), refused)
    digests = digests_of(arrival, routes)
    earlier: dict[bytes, bytes] = {}
    for digest in dict.fromkeys(digests):
        found = await earlier_delivery(batch, digest, arrival)
        if isinstance(found, Unsettled):
            return found
        if found is not None:
            earlier[digest] = found
    # This session may confirm them from now on; the store tells other processes.
    keep_receipts(batch, arrival, earlier)
    # Every route had these bytes already: a retry after a lost 250 makes no second copy.
    if len(earlier) == len(set(digests)):
        return Repeated(earlier[digests[0]], tuple(earlier), refused)
    fresh: list[_Chosen] = []
    repeated: list[_Chosen] = []
    for one, digest in zip(chosen, digests, strict=True):
        (repeated if digest in earlier else fresh).append(one)
    message_id = await _store(batch, arrival, fresh, letter_id)
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
    keep_receipts(batch, arrival, stored)
    return _Fresh(message_id, tuple(dict.fromkeys(digests)), refused)


async def _resolve_all(batch: DeliveryBatch, arrival: Arrival) -> tuple[list[_Chosen], Refused]:
    """Split the recipients into those with a route, with their positions, and those without."""
    chosen: list[_Chosen] = []
    refused: list[tuple[int, Verdict]] = []
    for position, recipient in enumerate(arrival.recipients):
        key = (recipient.local_part, recipient.domain)
        route = batch.resolutions.get(key)
        if route is None:
            route = batch.resolutions[key] = await _resolve(batch, recipient, arrival.tenant_id)
        # The domain may be another tenant's since RCPT, which must not get this mail: the sender
        # tries again, and hears then what the new tenant has to say.
        if route.verdict is Verdict.ROUTE and route.tenant_id == arrival.tenant_id:
            chosen.append((position, recipient, route))
            continue
        refused.append((position, route.verdict))
        if not arrival.each_recipient:
            break
    return chosen, tuple(refused)


async def _resolve(batch: DeliveryBatch, recipient: Recipient, tenant_id: bytes) -> Resolution:
    """Resolve a recipient, first among the addresses of the message's tenant."""
    ask = partial(
        resolve,
        batch.tx,
        local_part=recipient.local_part,
        domain=recipient.domain,
        postmaster=batch.postmaster,
    )
    found = await ask()
    if found.verdict is Verdict.ROUTE:
        return found
    # Another tenant may have it now, or the setting `postmaster` may lead from one to another.
    async with for_all_tenants(batch.tx, back_to=tenant_id):
        return await ask()


async def _store(
    batch: DeliveryBatch, arrival: Arrival, routes: Sequence[_Chosen], letter_id: bytes | None
) -> bytes:
    """Write one message; its id. Inboxes that hold the letter get no copy."""
    reported = next((route.letter_id for _, _, route in routes if route.letter_id), None)
    if reported is None:
        thread_id, message_id = await join_thread(batch, arrival)
    else:
        thread_id, message_id = await join_letter(batch, arrival, reported)
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
        _copy(batch, message_id, position, route, several=len(routes) > 1, unless=letter_id)
    batch.add_message(
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
        named_by=arrival.named_by,
        behind_relay=int(arrival.behind_relay),
        dmarc_override=arrival.dmarc_override,
    )
    if reported is not None:
        batch.add(_REPORTS, message_id=message_id, letter_id=reported)
    content = arrival.content
    # The removal of orphans may have come before this transaction: then no row may name them.
    if content.file is not None:
        await require_stored(batch.tx, content)
    batch.add(
        _CONTENT,
        message_id=message_id,
        sha256=content.sha256,
        size=content.size,
        body=content.body,
        file=content.file,
    )
    batch.record_received(arrival, message_id, thread_id)
    return message_id


def _copy(
    batch: DeliveryBatch,
    message_id: bytes,
    position: int,
    route: Resolution,
    *,
    several: bool,
    unless: bytes | None,
) -> None:
    """Make a copy for every inbox behind `route` that has none yet, and holds not the letter
    `unless`.

    Of several routes the first counts, so their copies are made in order.
    """
    list_id = route.list_id
    target: dict[str, object] = {
        "message_id": message_id,
        "position": position,
        "list_id": list_id,
        "inbox_id": route.inbox_id,
    }
    to_list = list_id is not None
    copies = _LIST_COPIES if to_list else _INBOX_COPY
    routed = _LIST_COPY_ROUTES if to_list else _INBOX_COPY_ROUTE
    if unless is not None:
        target["letter"] = unless
        copies, routed = (_LIST_BUT, _LIST_BUT_ROUTES) if to_list else (_INBOX_BUT, routed)
    made = batch.members.get(list_id) if list_id is not None else 1
    if several:
        batch.add(routed, **target)
    uncertain = several or unless is not None
    batch.copies.append(CopiesToMake(copies, target, message_id, None if uncertain else made))


_MEMBERS = """
    SELECT list_id, COUNT(*) AS members FROM list_members WHERE list_id IN ({}) GROUP BY list_id
"""
_ROUTE = """
    INSERT INTO routes (message_id, position, recipient, address, inbox_id, list_id, rule)
    VALUES (:message_id, :position, :recipient, :address, :inbox_id, :list_id, :rule)
"""
_REPEATED_ROUTE = """
    INSERT INTO repeated_routes (message_id, position, recipient, address, list_id, rule)
    VALUES (:message_id, :position, :recipient, :address, :list_id, :rule)
"""
# ON CONFLICT: an inbox on two lists, or on a list and named itself, gets one copy.
_TO_LIST = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    SELECT m.inbox_id, :message_id, 0, 0, 0, :position
    FROM list_members m WHERE m.list_id = :list_id {}
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_LIST_COPIES = _TO_LIST.format("")
_INBOX_COPY = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    VALUES (:inbox_id, :message_id, 0, 0, 0, :position)
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_LIST_COPY_ROUTES = """
    INSERT INTO copy_routes (inbox_id, message_id, position)
    SELECT m.inbox_id, :message_id, :position FROM list_members m WHERE m.list_id = :list_id
"""
# The same, for a letter that came back: not where it is held.
_MEMBER_LACKS = f"AND NOT EXISTS ({HOLDS.format('m.inbox_id')})"
_LIST_BUT = _TO_LIST.format(_MEMBER_LACKS)
_LIST_BUT_ROUTES = f"{_LIST_COPY_ROUTES} {_MEMBER_LACKS}"
_INBOX_BUT = f"""
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    SELECT i.inbox_id, :message_id, 0, 0, 0, :position FROM inboxes i
    WHERE i.inbox_id = :inbox_id AND NOT EXISTS ({HOLDS.format("i.inbox_id")})
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_INBOX_COPY_ROUTE = """
    INSERT INTO copy_routes (inbox_id, message_id, position)
    VALUES (:inbox_id, :message_id, :position)
"""
_MESSAGE = """
    INSERT INTO messages
        (message_id, tenant_id, thread_id, received_at, size, header_message_id, from_name,
         from_email, subject, recipients, reverse_path, client_ip, helo, protocol, tls,
         received_field, automatic, named_by, behind_relay, dmarc_override, parse_status,
         copies_owed, copies_gone)
    VALUES
        (:message_id, :tenant_id, :thread_id, :received_at, :size, :header_message_id, :from_name,
         :from_email, :subject, :mailboxes, :reverse_path, :client_ip, :helo, :protocol, :tls,
         :received_field, :automatic, :named_by, :behind_relay, :dmarc_override, 'pending',
         :owed, 0)
"""
_REPORTS = "UPDATE messages SET bounce_of = :letter_id WHERE message_id = :message_id"
_CONTENT = """
    INSERT INTO contents (message_id, sha256, size, body, file)
    VALUES (:message_id, :sha256, :size, :body, :file)
"""
