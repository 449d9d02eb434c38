"""From a session to what is stored: with XFORWARD the client is not the peer."""

from gateway.message import header_scan
from gateway.message.arrival import arrival
from storage.content.message_bytes import Content
from storage.delivery.arrivals import Recipient


def test_the_named_client_is_stored_and_the_trace_tells_of_the_peer() -> None:
    stored = arrival(
        header_scan.scan(b"Subject: x\r\n\r\n"),
        Content(b"d" * 32, 1, b"x", None),
        tenant_id=b"t" * 16,
        recipients=[Recipient("team@example.test", "team", "example.test")],
        reverse_path="",
        client_ip="192.0.2.77",
        helo="mail.client.example",
        peer=("127.0.0.1", "relay.example"),
        protocol="ESMTPS",
        tls="TLSv1.3",
        hostname="mx.example.test",
        transaction_id="1",
        now=0,
        named_by="xforward",
        behind_relay=False,
    )

    assert (stored.client_ip, stored.helo) == ("192.0.2.77", "mail.client.example")
    assert (stored.named_by, stored.behind_relay) == ("xforward", False)
    assert stored.tls == "TLSv1.3"
    assert stored.received_field.startswith(
        b"Received: from relay.example ([127.0.0.1])\r\n"
        b"\tby mx.example.test with ESMTPS (TLSv1.3) id 1;"
    )
