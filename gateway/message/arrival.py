"""Builds the `Arrival` that the store takes from a session's envelope and a header scan."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from gateway.message.address_lists import Mailbox
from gateway.message.header_scan import HeaderScan
from gateway.message.trace import received_field
from storage.content.message_bytes import Content
from storage.delivery.arrivals import Arrival, NamedBy, Recipient


def arrival(
    scan: HeaderScan,
    content: Content,
    *,
    tenant_id: bytes,
    recipients: Iterable[Recipient],
    reverse_path: str,
    client_ip: str,
    helo: str,
    protocol: str,
    hostname: str,
    transaction_id: str,
    now: int,
    tls: str | None = None,
    peer: tuple[str, str] | None = None,
    each_recipient: bool = False,
    named_by: NamedBy = "socket",
    behind_relay: bool = False,
) -> Arrival:
    """Build the message as it will be stored. Header values are the sender's claims, no more.

    `peer` has address and HELO of the other end of the connection, where it is not the client.
    """
    peer_ip, peer_helo = peer or (client_ip, helo)
    sender, mailboxes = sender_and_mailboxes(scan)
    return Arrival(
        tenant_id=tenant_id,
        recipients=tuple(recipients),
        reverse_path=reverse_path,
        client_ip=client_ip,
        helo=helo,
        protocol=protocol,
        tls=tls,
        received_field=received_field(
            helo=peer_helo,
            client_ip=peer_ip,
            hostname=hostname,
            protocol=protocol,
            transaction_id=transaction_id,
            received_at=now,
            tls=tls,
        ),
        received_at=now,
        header_message_id=scan.message_id,
        # The likeliest first: the message it answers, then the newest it names (RFC 5322 3.6.4).
        references=(*scan.in_reply_to, *reversed(scan.references)),
        from_name=sender.name,
        from_email=sender.email,
        subject=scan.subject,
        mailboxes=mailboxes,
        automatic=scan.auto,
        content=content,
        each_recipient=each_recipient,
        named_by=named_by,
        behind_relay=behind_relay,
    )


def sender_and_mailboxes(scan: HeaderScan) -> tuple[Mailbox, bytes]:
    """The first of From, and To and Cc as they are stored."""
    sender = scan.from_[0] if scan.from_ else Mailbox("", "")
    return sender, orjson.dumps({"to": _pairs(scan.to), "cc": _pairs(scan.cc)})


def _pairs(mailboxes: Iterable[Mailbox]) -> list[tuple[str, str]]:
    return [(name, email) for name, email in mailboxes]
