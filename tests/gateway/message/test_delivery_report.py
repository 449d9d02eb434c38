"""Reports of other servers are read as they are written, odd ones too."""

import random

from gateway.message.delivery_report import MAX_OCTETS, read_report
from gateway.parser.ipc import HEADER, lengths, read_result, result_frame
from gateway.parser.message import parse
from storage.message_format.delivery_report import LONGEST_FIELD, MOST_REPORTED
from storage.message_format.mime_parts import Parsed
from tests.support.cases import cases
from tests.support.reports import report

FAILED = ("grace@sender.test", "failed", "5.1.1", "550 5.1.1 no such user")
MTA = b"Reporting-MTA: dns; a.test\r\n\r\n"
# The fields of a recipient, and what is read: address, state, status, diagnostic.
GROUPS: dict[bytes, tuple[str, str | None, str, str]] = {
    b"Final-Recipient: rfc822;a@x.test\r\nAction: failed\r\nStatus: 5.1.1 (bad mailbox)\r\n": (
        *("a@x.test", "bounced", "5.1.1", ""),
    ),
    b"Final-Recipient: RFC822; <a@x.test>\nAction: Failed\nStatus: 4.4.7\n"
    b"Diagnostic-Code: smtp;450 4.2.1 too\n long\n": (
        *("a@x.test", "bounced", "4.4.7", "450 4.2.1 too long"),
    ),
    b"Final-Recipient: a@x.test\r\nAction: delayed\r\nStatus: 4.0.0\r\n": (
        *("a@x.test", "delayed", "4.0.0", ""),
    ),
    b"Final-Recipient: rfc822;a@x.test\r\nAction: relayed\r\nStatus: 2.1.9\r\n": (
        *("a@x.test", None, "2.1.9", ""),
    ),
    b"Final-Recipient: rfc822;a@x.test\r\nStatus: 5.7.1\r\nDiagnostic-Code: 550 no\r\n": (
        *("a@x.test", "bounced", "5.7.1", "550 no"),
    ),
    b"Final-Recipient: rfc822;a@x.test\r\nStatus: 2.0.0\r\n": (
        *("a@x.test", "delivered", "2.0.0", ""),
    ),
    b"Final-Recipient: rfc822;a@x.test\r\nAction: delivered\r\n": (
        *("a@x.test", "delivered", "", ""),
    ),
    b"Final-Recipient: utf-8;\\x{44F}@x.test\r\nAction: failed\r\n": (
        *("\u044f@x.test", "bounced", "", ""),
    ),
    b"Final-Recipient: rfc822;a@x.test\r\nAction: \xff\x00\r\nStatus: 9.9.9\r\n": (
        *("a@x.test", None, "", ""),
    ),
}


def test_each_way_to_write_a_recipient_is_read() -> None:
    with cases() as case:
        for group, (address, state, status, said) in GROUPS.items():
            with case(repr(group)):
                found = read_report(MTA + group)
                assert found is not None
                (one,) = found.recipients
                assert (one.addresses[0], one.state) == (address, state)
                assert (one.status, one.diagnostic) == (status, said)
        with case("the original recipient comes first, with xtext and without"):
            found = read_report(
                MTA + b"Original-Recipient: rfc822;a+2Bb@x.test\nFinal-Recipient: rfc822;c@y.test\n"
            )
            assert found is not None
            assert found.recipients[0].addresses == ("a+2Bb@x.test", "c@y.test", "a+b@x.test")
        with case("no recipient and no envelope is no report"):
            assert read_report(MTA) is None
            assert read_report(b"") is None
        with case("there is an end to what is read"):
            many = b"".join(b"Final-Recipient: rfc822;a%d@x.test\n\n" % n for n in range(500))
            found = read_report(MTA + many)
            assert found is not None
            assert len(found.recipients) == MOST_REPORTED
            long = read_report(b"\nFinal-Recipient: rfc822;" + b"a" * MAX_OCTETS + b"@x.test")
            assert long is None or len(long.recipients[0].final) <= LONGEST_FIELD


def test_a_report_in_a_message_comes_through_the_parser() -> None:
    def read(body: bytes) -> Parsed:
        octets = result_frame(parse(body, lambda: True))
        json, rest = lengths(octets[:HEADER])
        found = read_result(
            octets[HEADER : HEADER + json], octets[HEADER + json :][:rest], len(body)
        )
        assert isinstance(found, Parsed)
        return found

    body = report(FAILED, ("b@x.test", "delayed", "4.4.1", "busy"), envelope="abc")
    with cases() as case:
        with case("its recipients and its envelope"):
            found = read(body).report
            assert found is not None
            assert found.envelope_id == "abc"
            assert [(one.final, one.state) for one in found.recipients] == [
                ("grace@sender.test", "bounced"),
                ("b@x.test", "delayed"),
            ]
        with case("an attached report is none"):
            outer = (
                b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n'
                b"Content-Type: message/rfc822\r\n\r\n" + body + b"\r\n--o--\r\n"
            )
            assert read(outer).report is None
        with case("neither is a part of that name in other mail"):
            assert read(body.replace(b"multipart/report", b"multipart/mixed")).report is None
        with case("no damage makes it raise"):
            draw = random.Random(7)
            for _ in range(200):
                damaged = bytearray(body)
                for _ in range(draw.randrange(1, 20)):
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
                read(bytes(damaged))
