"""The word of a relay: which fields are believed, and how they are read."""

from __future__ import annotations

from pathlib import Path

import authres
import pytest

from gateway.authentication.relay_word import RelayWord, Stated, read_relay_word, read_results
from gateway.authentication.result import Arc, Dkim, Spf
from tests.support.cases import cases

RELAY = b"Received: from relay by us; Tue, 1 Jul 2025 10:20:30 +0000\r\n"
HOP = b"Received: from sender by relay; Tue, 1 Jul 2025 10:20:29 +0000\r\n"
# As they come on Debian 12: OpenDKIM and OpenDMARC write a field each, rspamd one.
OPENDKIM = (
    b"Authentication-Results: mx.example.test;\r\n\tdkim=pass (2048-bit key; unprotected)"
    b" header.d=sender.test header.i=@sender.test\r\n\theader.a=rsa-sha256 header.s=s1"
    b' header.b="AbCd/1+=";\r\n\tdkim-atps=neutral\r\n'
)
OPENDMARC = (
    b"Authentication-Results: mx.example.test; dmarc=fail (p=reject dis=none)"
    b" header.from=sender.test\r\n"
)
SPF = b"Authentication-Results: mx.example.test; spf=fail smtp.mailfrom=ann@sender.test\r\n"
RSPAMD = (
    b"Authentication-Results: mx.example.test;\r\n"
    b"\tdkim=none;\r\n"
    b"\tspf=pass (mx.example.test: domain of ann@sender.test designates 192.0.2.7 as permitted"
    b" sender) smtp.mailfrom=ann@sender.test;\r\n"
    b'\tarc=pass ("lists.test:s=1:i=1");\r\n'
    b"\tdmarc=pass (policy=none) header.from=sender.test\r\n"
)
NAMES = ["MX.example.test."]


def word(*fields: bytes) -> RelayWord | None:
    return read_relay_word(b"".join(fields) + b"From: ann@sender.test\r\n\r\nbody", NAMES)


def test_the_fields_of_debians_filters_are_read_wherever_they_stand() -> None:
    filters = OPENDMARC, OPENDKIM, SPF
    wanted = RelayWord(
        spf=Spf("fail", "mailfrom", "sender.test"),
        dkim=(Dkim("pass", "sender.test", "s1", "rsa-sha256"),),
        dmarc="fail",
        author="sender.test",
    )
    assert word(*filters, RELAY, HOP) == wanted  # a milter that prepends
    assert word(RELAY, *filters, HOP) == wanted  # one that inserts at index 1
    assert word(RSPAMD, RELAY, HOP) == RelayWord(
        spf=Spf("pass", "mailfrom", "sender.test"),
        dkim=(),
        dmarc="pass",
        author="sender.test",
        arc=Arc("pass"),
    )


# What Debian 12's programs made of it behind its Postfix: SPF, DKIM, and the result of DMARC. The
# sender's `Authentication-Results: mx.relay.test; dmarc=pass …; spf=pass …` stands in all that lie.
MILTERS = Path(__file__).parents[2] / "vectors" / "milters"
OF_MILTERS: dict[str, tuple[str | None, list[str] | None, str | None] | None] = {
    "opendkim-signed": (None, ["pass"], None),
    "opendkim-changed-and-lying": (None, ["fail"], None),
    "opendmarc-changed-and-lying": ("pass", None, "pass"),
    "opendkim-opendmarc-changed-and-lying": ("pass", ["fail"], "pass"),
    "rspamd-signed": ("pass", ["pass"], "pass"),
    "rspamd-changed-and-lying": ("pass", ["fail"], "pass"),
    "rspamd-unsigned-and-lying": ("pass", [], "pass"),
    # OpenDKIM says nothing of unsigned mail, and leaves the lie where rspamd would write.
    "opendkim-unsigned-and-lying": ("pass", None, "pass"),
    # So docs/postfix.md has Postfix take the fields of others away.
    "opendkim-header-checks-unsigned-and-lying": None,
}


def test_what_debians_programs_wrote_is_read() -> None:
    with cases() as case:
        for name, wanted in OF_MILTERS.items():
            with case(name):
                octets = (MILTERS / f"{name}.eml").read_bytes()
                found = read_relay_word(octets, ["mx.relay.test", "relay.client.example"])
                said = found and (
                    found.spf and found.spf.result,
                    None if found.dkim is None else [one.result for one in found.dkim],
                    found.dmarc,
                )
                assert said == wanted


def test_below_the_relays_received_counts_only_what_nothing_above_contradicts() -> None:
    lie = SPF.replace(b"=fail", b"=pass")
    assert word(lie, RELAY, HOP) == word(RELAY, lie, HOP) == word(RELAY, lie)
    assert word(OPENDKIM, RELAY, lie, HOP) == word(OPENDKIM, RELAY, HOP)
    none = b"Authentication-Results: mx.example.test; none\r\n"
    assert word(none, RELAY, lie, HOP) is None


def test_the_word_of_a_stranger_counts_nowhere() -> None:
    assert word(RELAY, HOP, SPF) is None
    assert word(RELAY, b"received : folded\r\n again\r\n", SPF) is None
    assert word(SPF.replace(b"mx.example", b"mx.evil")) is None
    assert word(b"X-" + SPF) is None
    assert read_relay_word(RELAY + b"\r\n" + SPF, NAMES) is None
    assert read_relay_word(SPF, []) is None


def test_of_one_method_the_uppermost_result_counts() -> None:
    found = word(SPF.replace(b"=fail", b"=pass"), SPF)
    assert found is not None and found.spf == Spf("pass", "mailfrom", "sender.test")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("spf=pass smtp.helo=mx.a.test", [("spf", "pass", {"smtp.helo": "mx.a.test"})]),
        ("spf = pass ( a ; (b) \\) ) smtp.mailfrom = a", [("spf", "pass", {"smtp.mailfrom": "a"})]),
        (
            'DKIM/1=Pass reason="a;b" header.d=X',
            [("dkim", "pass", {"reason": "a;b", "header.d": "X"})],
        ),
        ("spf=pass smtp.mailfrom=SRS0=x=y@z", [("spf", "pass", {"smtp.mailfrom": "SRS0=x=y@z"})]),
        ('spf=pass smtp.mailfrom="a\\"b"@c', [("spf", "pass", {"smtp.mailfrom": 'a"b'})]),
        ("none", []),
        ("", []),
        (";;;", []),
        ("spf=", []),
        ("=pass", []),
        ("spf=fail (never closed; dkim=pass", [("spf", "fail", {})]),
        ('spf=fail "never closed; dkim=pass', [("spf", "fail", {})]),
        ("spf=pass; dkim=pass header.d", [("spf", "pass", {}), ("dkim", "pass", {})]),
    ],
)
def test_results_are_read_as_rfc_8601_writes_them(
    value: str, wanted: list[tuple[str, str, dict[str, str]]]
) -> None:
    assert list(read_results(value.encode()).results) == [Stated(*one) for one in wanted]


@pytest.mark.parametrize("field", [OPENDKIM, OPENDMARC, SPF, RSPAMD], ids=repr)
def test_authres_reads_the_same(field: bytes) -> None:
    value = field.partition(b":")[2]
    theirs = authres.AuthenticationResultsHeader.parse(field.decode().replace("\r\n", ""))
    ours = read_results(value, has_server=True)

    assert ours.server == theirs.authserv_id
    assert [(one.method, one.result) for one in ours.results] == [
        (one.method, one.result) for one in theirs.results
    ]
    for mine, other in zip(ours.results, theirs.results, strict=True):
        said = {f"{one.type}.{one.name}": one.value for one in other.properties}
        assert mine.properties == said


def test_a_field_that_is_meant_to_hurt_is_read_in_time() -> None:
    for piece in (b"(", b'"', b"\\", b"spf=pass;", b"a=", b"=", b"((a)", b'"\\', b";", b" a.b=c"):
        field = b"Authentication-Results: mx.example.test; spf=fail " + piece * 20_000 + b"\r\n"
        found = word(field)
        assert found is None or found.spf is None or found.spf.result == "fail"
    many = word(*[OPENDKIM] * 900)
    assert many is not None and many.dkim is not None and len(many.dkim) <= 50
