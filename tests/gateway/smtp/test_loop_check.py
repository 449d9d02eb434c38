"""A loop is stopped, and ordinary mail is not taken for one."""

import pytest

from gateway.message.header_scan import HeaderScan, scan
from gateway.smtp import replies
from gateway.smtp.loop_check import check_hops
from gateway.smtp.replies import Reply

OURS = (
    b"Received: from a.example by MX.example.test. with ESMTP id 1; Tue, 1 Jul 2025 0:0:0 +0000\r\n"
)
THEIRS = b"Received: from mx.example.test by mx.example.com with ESMTP id 1\r\n"
LISTS = ["team@example.test", "te am@example.test"]


def outcome(head: bytes) -> Reply | None:
    return check_hops(scan(head + b"\r\n"), LISTS, "mx.example.test")


def test_the_fifty_first_hop_is_one_too_many() -> None:
    assert outcome(THEIRS * 50) is None
    assert outcome(THEIRS * 51) is replies.TOO_MANY_HOPS


@pytest.mark.parametrize(
    "value",
    [
        b"team@example.test",
        b"<Team@EXAMPLE.test.>",
        b'"team"@example.test',
        b'"te am"@example.test',
    ],
)
def test_a_list_is_not_delivered_to_twice(value: bytes) -> None:
    delivered = b"Delivered-To: other@example.com\r\nDelivered-To: " + value + b"\r\n"
    assert outcome(OURS + delivered) is replies.LOOP
    assert outcome(THEIRS + OURS + delivered) is replies.LOOP


def test_a_forged_or_foreign_delivered_to_is_no_loop() -> None:
    delivered = b"Delivered-To: team@example.test\r\n"
    assert outcome(delivered) is None
    assert outcome(THEIRS + delivered) is None
    assert outcome(OURS + b"Delivered-To: other@example.test\r\n") is None
    assert outcome(OURS + b"Delivered-To:\r\nDelivered-To: \x00@@\r\n") is None
    assert outcome(OURS) is None


def test_a_field_of_the_body_counts_for_nothing() -> None:
    head: HeaderScan = scan(b"Subject: x\r\n\r\n" + OURS + b"Delivered-To: team@example.test\r\n")
    assert check_hops(head, LISTS, "mx.example.test") is None
