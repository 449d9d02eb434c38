"""One mail transaction: its envelope, and everything from 354 to the replies to the dot.

- A message that was read whole is checked, delivered and reported; a fault of ours is raised to the
  session.
- SMTP has one reply for the message. LMTP has one for each recipient, in the order of RCPT, and a
  recipient without a route does not fail the others (`gateway.smtp.lmtp`).
- A delivered message is logged, whether or not the reply could be given.

RFC 5321 4.1.1.4, RFC 2033 4.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from config.logs import event
from config.settings import Settings
from gateway.delivery.ports import DeliveryPort, EmptyListPort, RatePort
from gateway.message import header_scan
from gateway.message.arrival import arrival
from gateway.smtp import lmtp, loop_check, replies
from gateway.smtp.admission import Claim, Space
from gateway.smtp.command_arguments import Path
from gateway.smtp.connection import Connection
from gateway.smtp.receive import Received, receive
from gateway.smtp.recipients import Recipients
from gateway.smtp.replies import Reply, ReplyCounts
from gateway.transport.networks import is_exempt
from gateway.transport.origin import Origin
from gateway.transport.tls import Certificate
from storage import ids
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.delivery.arrivals import (
    Arrival,
    NamedBy,
    Outcome,
    PolicyRefused,
    Recipient,
    Repeated,
    RouteChanged,
    Stored,
    Unsettled,
)
from storage.directory.resolve import Resolution, Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The objects that all sessions of the process share."""

    settings: Settings
    recipients: Recipients
    contents: ContentDirectory
    deliverer: DeliveryPort
    space: Space
    deferred: EmptyListPort
    rates: RatePort | None
    clock: Clock
    certificate: Certificate | None

    @property
    def keywords(self) -> tuple[str, ...]:
        """The extensions that EHLO and LHLO offer."""
        size = f"SIZE {self.settings.size_limit}"
        return ("PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(slots=True)
class Envelope:
    """One transaction: begun by MAIL, filled by RCPT, ended by the reply to the dot or a reset.

    DATA has to come before `until`, by the loop's clock.
    """

    reverse_path: Path | None
    smtputf8: bool
    declared_size: int | None
    until: float
    under_way: bool = True
    tenant_id: bytes | None = None
    recipients: list[Recipient] = field(default_factory=list)
    routes: list[Resolution] = field(default_factory=list)


class Sender(NamedTuple):
    """The client of a transaction, as trace fields and logs name it.

    With XFORWARD the client is another one than the peer, of which the trace field tells.
    `protocol` is the name after "with" in the trace (`ESMTP`, `LMTPS`), `tls` the version in use;
    `session` names the session. `named_by` tells how we know the client's address;
    `behind_relay`: it is the address of a relay, and nobody named the one before it.
    """

    session: str
    client_ip: str
    helo: str
    peer_ip: str
    peer_helo: str
    protocol: str
    tls: str | None
    each_recipient: bool
    named_by: NamedBy
    behind_relay: bool


def sender_of(
    session: str,
    connection: Connection,
    origin: Origin,
    settings: Settings,
    *,
    forwarded: Mapping[str, str],
    helo: str,
    protocol: str,
    smtputf8: bool,
    exempt: bool,
) -> Sender:
    """Name the client; `forwarded` is from XFORWARD, `protocol` from the greeting."""
    is_lmtp, tls = origin.protocol == "LMTP", connection.tls_version
    if smtputf8:
        protocol = "UTF8LMTP" if is_lmtp else "UTF8SMTP"
    if tls and protocol != "SMTP":  # RFC 3848 has no name for HELO under TLS
        protocol += "S"
    named = forwarded.get("ADDR")
    directly: NamedBy = "proxy" if origin.proxied else "socket"
    return Sender(
        session=session,
        client_ip=named or connection.client_ip,
        helo=forwarded.get("HELO", "") if named else helo,
        peer_ip=connection.client_ip,
        peer_helo=helo,
        protocol=protocol,
        tls=tls,
        each_recipient=is_lmtp,
        named_by="xforward" if named else directly,
        behind_relay=is_exempt(settings, named) if named else exempt,
    )


class Transaction(NamedTuple):
    """The objects that take one message. `counts` are those of its session."""

    context: SessionContext
    connection: Connection
    envelope: Envelope
    sender: Sender
    claim: Claim
    counts: ReplyCounts


async def take_message(transaction: Transaction, arrived: Callable[[], None]) -> Reply | None:
    """Read, judge and deliver what follows 354; a refusal, or None once the dot was answered.

    `arrived` is called when the message is whole. Raises HangUp, StoreUnavailable, StoreFull.
    """
    context, connection, envelope, sender, claim, _ = transaction
    received = await receive(
        connection, context.settings, context.contents, context.space, context.clock, claim=claim
    )
    if isinstance(received, Reply):
        return received
    ended_at = perf_counter()
    try:
        judged = _judge(context, envelope, sender, received)
    except Exception:
        received.discard()
        raise
    if isinstance(judged, Reply):
        received.discard()
        return judged
    arrived()
    size, held = received.content.size, len(received.content.body or b"")
    waiting = context.deliverer.submit(judged, received.spool)
    del received, judged  # the bytes are another process's now, or soon the store's
    context.space.held += held
    # A possible retry waits here for the earlier delivery, and its sender may leave meanwhile.
    connection.tell_of_loss(lambda: context.deliverer.withdraw(waiting))
    try:
        outcome = await waiting
    finally:
        connection.tell_of_loss(None)
        context.space.held -= held
    return await _report(transaction, outcome, size, perf_counter() - ended_at)


def _judge(
    context: SessionContext, envelope: Envelope, sender: Sender, received: Received
) -> Arrival | Reply:
    """The message as it will be stored, or the reply that refuses it."""
    scan = header_scan.scan(received.head)
    lists = [route.address for route in envelope.routes]
    hostname = context.settings.hostname
    refusal = loop_check.check_hops(scan, lists, hostname)
    return refusal or arrival(
        scan,
        received.content,
        tenant_id=envelope.routes[0].tenant_id,
        recipients=envelope.recipients,
        reverse_path=envelope.reverse_path.raw if envelope.reverse_path else "",
        client_ip=sender.client_ip,
        helo=sender.helo,
        peer=(sender.peer_ip, sender.peer_helo),
        protocol=sender.protocol,
        tls=sender.tls,
        hostname=hostname,
        transaction_id=sender.session,
        each_recipient=sender.each_recipient,
        named_by=sender.named_by,
        behind_relay=sender.behind_relay,
        now=context.clock(),
    )


async def _report(
    transaction: Transaction, outcome: Outcome, size: int, seconds: float
) -> Reply | None:
    """Answer the dot; a reply that is left to the session to give."""
    context, connection, envelope, sender, _, counts = transaction
    assert not isinstance(outcome, Unsettled)
    stored = outcome.others if isinstance(outcome, PolicyRefused) else outcome
    if stored is not None and stored.refused:
        _note_empty_lists(context, envelope, stored)
    if isinstance(outcome, PolicyRefused):
        _log_policy(envelope, sender, outcome, size)
    if not isinstance(stored, Stored | Repeated):
        refusal = replies.ROUTE_CHANGED if stored is outcome else replies.DMARC_REFUSED
        if not sender.each_recipient:
            return refusal
        refusals = lmtp.replies_to_dot(len(envelope.recipients), outcome)
        for reply in refusals:
            connection.send(reply)
        counts.add_all(lmtp.counted(refusals))
        return None
    name = ids.to_text("msg", stored.message_id)
    said: Sequence[Reply] = (replies.accepted(name),)
    if sender.each_recipient:
        said = lmtp.replies_to_dot(len(envelope.recipients), outcome)
        counts.add_all(lmtp.counted(said))
    patience = context.settings.command_timeout
    try:
        await connection.send_accepted(said, stored.digests, seconds=patience)
    finally:  # it is stored, whether or not the reply could be given
        by_policy = outcome.refused if isinstance(outcome, PolicyRefused) else ()
        _log(envelope, sender, stored, name, by_policy, size=size, seconds=seconds)
    return None


def _log(
    envelope: Envelope,
    sender: Sender,
    outcome: Stored | Repeated,
    name: str,
    by_policy: Sequence[int],
    *,
    size: int,
    seconds: float,
) -> None:
    taken = [one.text for one in envelope.recipients]
    if by_policy or outcome.refused:
        refused = {*by_policy, *(position for position, _ in outcome.refused)}
        taken = [text for at, text in enumerate(taken) if at not in refused]
    event(
        logger,
        "accepted" if isinstance(outcome, Stored) else "repeated",
        session=sender.session,
        message=name,
        client=sender.client_ip,
        sender=envelope.reverse_path.raw if envelope.reverse_path else "",
        rcpt=taken,
        size=size,
        ms=round(seconds * 1000, 1),
    )


def _log_policy(envelope: Envelope, sender: Sender, outcome: PolicyRefused, size: int) -> None:
    event(
        logger,
        "refused",
        session=sender.session,
        client=sender.client_ip,
        sender=envelope.reverse_path.raw if envelope.reverse_path else "",
        rcpt=[envelope.recipients[at].text for at in outcome.refused],
        reason="dmarc",
        size=size,
    )


def _note_empty_lists(
    context: SessionContext, envelope: Envelope, outcome: Stored | Repeated | RouteChanged
) -> None:
    """Count the attempts at lists that have lost their last member since RCPT."""
    for position, verdict in outcome.refused:
        list_id = envelope.routes[position].list_id
        if verdict is Verdict.EMPTY_LIST and list_id is not None:
            context.deferred.note(list_id)
