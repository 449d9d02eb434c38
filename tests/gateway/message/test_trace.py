"""The Received field is well-formed whatever the peer called itself."""

from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.header_scan import scan
from gateway.message.trace import date_time, received_field

AT = 1_751_365_230_123_456


def field(
    *, helo: str = "a.example", client_ip: str = "192.0.2.1", tls: str | None = None
) -> bytes:
    return received_field(
        helo=helo,
        client_ip=client_ip,
        hostname="mx.example.test",
        protocol="ESMTP",
        transaction_id="s1.1",
        received_at=AT,
        tls=tls,
    )


def test_the_field_tells_who_how_and_when() -> None:
    assert field() == (
        b"Received: from a.example ([192.0.2.1])\r\n"
        b"\tby mx.example.test with ESMTP id s1.1;\r\n"
        b"\tTue, 1 Jul 2025 10:20:30 +0000\r\n"
    )


def test_our_own_scan_finds_our_name_in_it() -> None:
    scanned = scan(field() + b"\r\n")
    assert scanned.received_count == 1
    assert scanned.received_by == ("mx.example.test",)


@pytest.mark.parametrize(
    ("client_ip", "shown"),
    [
        ("2001:db8::1", b" ([IPv6:2001:db8::1])\r\n"),
        ("fe80::1%eth0", b" ([IPv6:fe80::1])\r\n"),
        ("", b"a.example\r\n"),
        ("/run/lmtp", b"a.example\r\n"),
    ],
)
def test_the_address_of_the_peer_is_shown_as_a_literal(client_ip: str, shown: bytes) -> None:
    assert field(client_ip=client_ip).splitlines(keepends=True)[0].endswith(shown)


@pytest.mark.parametrize("helo", ["a.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "MY_PC", "x."])
def test_a_plain_name_is_kept(helo: str) -> None:
    assert field(helo=helo).startswith(b"Received: from " + helo.encode() + b" (")


@pytest.mark.parametrize(
    "helo",
    [
        "",
        "a b",
        "a)",
        "(a",
        "a\r\nX: y",
        "a\n",
        "a;b",
        "bücher.example",
        "<a@x>",
        "a" * 300,
        "\x00",
    ],
)
def test_what_is_no_name_is_unknown(helo: str) -> None:
    assert field(helo=helo).startswith(b"Received: from unknown ([192.0.2.1])\r\n")


def test_the_tls_version_is_a_comment() -> None:
    assert b"with ESMTP (TLSv1.3) id" in field(tls="TLSv1.3")
    assert b"with ESMTP (unknown) id" in field(tls=") forged (")


@given(st.text(), st.text())
def test_nothing_a_peer_says_makes_another_field(helo: str, client_ip: str) -> None:
    message = message_from_bytes(field(helo=helo, client_ip=client_ip) + b"\r\n")
    assert message.keys() == ["Received"]
    assert field(helo=helo, client_ip=client_ip).count(b"\r\n") == 3


@given(st.integers(0, 4_102_444_800_000_000))
def test_a_time_is_written_as_python_reads_it(moment: int) -> None:
    assert parsedate_to_datetime(date_time(moment)).timestamp() == moment // 1_000_000
