"""DKIM: the examples of the RFCs, dkimpy's data, and all ways in which a signature is no proof."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from gateway.authentication.answers import Dns, DnsAnswer, Kind
from gateway.authentication.result import Dkim
from gateway.authentication.signatures.dkim import check_signatures
from gateway.authentication.signatures.header_block import cut
from gateway.authentication.signed_message import read_signed
from tests.support.dns_zone import VECTORS, Zone, key_file, zone
from tests.support.signing import MESSAGE, KeyPair, ed25519_key, rsa_key, sign

NOW = 1_800_000_000
KEY = "s1._domainkey.sender.test"
DKIMPY = VECTORS / "dkimpy"
GMAIL = (
    "k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh+eBCsSTrqmwIYYvywlbh"
    "bqoo2DymndFkbjOVIPIldNs/m40KF+yzMn1skyoxcTUGCQs8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07"
    "wlNWwIt8svnxgdxGkVbbhzY8i+RQ9DpSVpPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5OctMEeWUw"
    "g8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NOZK9vlfuac0598HY+vtSBczUiKERHv1yRbcaQtZFh5wtiRr"
    "N04BLUTD21MycBX5jYchHjPY/wIDAQAB"
)


async def check(message: bytes, dns: Dns, now: int = NOW) -> list[Dkim]:
    read = read_signed([message])
    checked = await check_signatures(cut(read.header), read.body_hashes, dns, now=now)
    return [one.dkim for one in checked]


async def outcome(message: bytes, dns: Dns, now: int = NOW) -> tuple[str, str | None]:
    (found,) = await check(message, dns, now)
    return found.result, found.reason


def data(name: str) -> bytes:
    return (DKIMPY / name).read_bytes()


def smtp(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize(("folder", "file", "count"), [("rfc6376", "a2", 1), ("rfc8463", "a", 2)])
async def test_the_examples_of_the_rfcs_verify(folder: str, file: str, count: int) -> None:
    message = smtp((VECTORS / folder / f"{file}.eml").read_bytes())
    found = await check(message, key_file(VECTORS / folder / "keys.txt"))

    assert [one.result for one in found] == ["pass"] * count


async def test_dkimpys_signed_messages_come_out_as_in_its_tests() -> None:
    dns = zone({"20120113._domainkey.gmail.com": GMAIL})
    dns.publish("sed._domainkey.test.ex", "TXT", data("eximtest.dns").strip())
    dns.publish("test._domainkey.football.example.com", "TXT", data("test.txt").strip())
    rfc8463 = key_file(VECTORS / "rfc8463" / "keys.txt")
    dns.records.update({k: v for k, v in rfc8463.records.items() if k[0].startswith("brisbane")})

    wanted = {
        "test2.message": ("pass", None),  # degenerate folding
        "ed25519test2.msg": ("pass", None),  # by Exim
        "rfc6376.signed.rsa.msg": ("pass", None),
        "rfc6376.signed.no_t.msg": ("fail", "header_changed"),
        "test.message.baddomain": ("permerror", "syntax"),
    }
    found = {name: await outcome(smtp(data(name)), dns) for name in wanted}
    assert found == wanted
    both = await check(smtp(data("rfc6376.signed.msg")), dns)
    assert [one.result for one in both] == ["pass", "pass"]


FORMS = [(head, body) for head in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]


async def test_dkimpys_keys_verify_in_all_forms() -> None:
    """All that dkimpy signs in its tests, with the keys that it publishes there."""
    ed = KeyPair(
        data("ed25519test.key"), data("ed25519test.dns").decode().strip(), b"ed25519-sha256"
    )
    published = [
        *[("test.private", name) for name in ("test.txt", "test2.txt")],
        ("1024_testkey.key", "1024_testkey_wo_markers.pub.txt"),
        ("1024_testkey.key", "1024_testkey_wo_markers.pub.rsa.txt"),
        ("2048_testkey.key", "2048_testkey_wo_markers.pub.txt"),
        ("2048_testkey.key", "2048_testkey_wo_markers.pub.rsa.txt"),
        ("2048_testkey_PKCS8.key", "2048_testkey_PKCS8.key.pub.txt"),
    ]
    keys = [KeyPair(data(a), data(b).decode().strip(), b"rsa-sha256") for a, b in published]
    wrong = []
    for key, forms, name in itertools.product(
        [*keys, ed], FORMS, ("test.message", "rfc6376.w1258.msg")
    ):
        message = sign(smtp(data(name)), key=key, forms=forms, names=(b"from", b"subject"))
        found = await outcome(message, zone({KEY: key.record}))
        wrong += [] if found == ("pass", None) else [(key.record[:60], forms, name, found)]
    assert wrong == []
    for bad in ("badk.txt", "badversion.txt"):
        message = sign(smtp(data("test.message")), key=keys[0])
        found = await outcome(message, zone({KEY: data(bad).decode().strip()}))
        assert found == ("permerror", "key_unusable"), bad


def good() -> tuple[bytes, Zone]:
    return sign(), zone({KEY: rsa_key().record})


@pytest.mark.parametrize("forms", FORMS)
async def test_what_was_changed_after_signing_is_named(forms: tuple[bytes, bytes]) -> None:
    message, dns = sign(forms=forms), zone({KEY: rsa_key().record})

    assert await outcome(message, dns) == ("pass", None)
    assert await outcome(message + b"more\r\n", dns) == ("fail", "body_changed")
    changed = message.replace(b"The  offer", b"Our offer")
    assert await outcome(changed, dns) == ("fail", "header_changed")
    assert await outcome(b"From: eve@sender.test\r\n" + message, dns) == ("fail", "header_changed")
    below = message.replace(b"\r\n\r\n", b"\r\nFrom: eve@sender.test\r\n\r\n", 1)
    assert await outcome(below, dns) == ("fail", "header_changed")


async def test_bare_line_feeds_hash_as_the_signer_saw_them() -> None:
    message, dns = good()
    assert await outcome(message.replace(b"\r\n", b"\n"), dns) == ("pass", None)


RECORD = rsa_key().record


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([RECORD.replace("v=DKIM1; ", "")], ("pass", None)),
        ([RECORD + "; t=s; n=a note; x-new=1"], ("pass", None)),
        ([RECORD + "; s=email : tlsrpt; h=sha1:sha256"], ("pass", None)),
        (["v=spf1 -all", ed25519_key().record, RECORD], ("pass", None)),
        ([RECORD.replace("; p=", "; p= \t").replace("A", "A ")], ("pass", None)),
        ([RECORD.replace("v=DKIM1", "v=DKIM2")], ("permerror", "key_unusable")),
        ([RECORD[11:] + "; v=DKIM1"], ("permerror", "key_unusable")),
        ([RECORD + "; k=rsa"], ("permerror", "key_unusable")),
        ([RECORD + "; s=tlsrpt"], ("permerror", "key_not_for_email")),
        ([RECORD + "; h=sha1"], ("permerror", "key_not_for_sha256")),
        (["v=DKIM1; k=rsa; p="], ("permerror", "key_revoked")),
        (["v=DKIM1; k=rsa; p=!!"], ("permerror", "key_unusable")),
        (["v=DKIM1; k=rsa; p=AAAA"], ("permerror", "key_unusable")),
        (["v=DKIM1; k=ecdsa; p=AAAA"], ("permerror", "key_unusable")),
        (["v=DKIM1; k=ed25519; p=AAAA"], ("permerror", "key_unusable")),
        (["v=DKIM1"], ("permerror", "key_unusable")),
        (["\xff\xfe"], ("permerror", "key_unusable")),
        ([RECORD + "; n=" + "x" * 65_000], ("permerror", "key_unusable")),
        ([ed25519_key().record], ("permerror", "key_of_other_kind")),
        ([rsa_key(1024).record], ("fail", "header_changed")),
        ([*[rsa_key(1024).record] * 5, RECORD], ("fail", "header_changed")),
        ([], ("permerror", "no_key")),
    ],
)
async def test_a_key_record_is_taken_as_rfc_6376_says(
    records: list[str], wanted: tuple[str, str | None]
) -> None:
    dns = Zone()
    dns.publish(KEY, "TXT", *records)

    assert await outcome(sign(), dns) == wanted


def bare_rsa(bits: int, exponent: int = 65537) -> str:
    """The record of a key of so many bits, made without looking for primes."""
    from base64 import b64encode

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; p={b64encode(der).decode()}"


async def test_keys_that_prove_nothing_or_cost_too_much_are_not_used() -> None:
    wanted = {
        bare_rsa(1023): ("policy", "key_too_short"),
        bare_rsa(4097): ("policy", "key_too_long"),
        bare_rsa(16_384): ("policy", "key_too_long"),
        bare_rsa(4096): ("fail", "header_changed"),
        bare_rsa(2048, (1 << 2000) + 1): ("permerror", "key_unusable"),
    }
    found = {record: await outcome(sign(), zone({KEY: record})) for record in wanted}
    assert found == wanted


async def test_a_failure_in_test_mode_is_neutral_and_a_success_stays_one() -> None:
    message, _ = good()
    dns = zone({KEY: rsa_key().record + "; t=y:s"})

    assert await outcome(message, dns) == ("pass", None)
    assert await outcome(message + b"more\r\n", dns) == ("neutral", "body_changed")


async def test_a_name_server_that_fails_or_is_silent_is_a_temporary_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message, dns = good()
    dns.failing.add(KEY)
    assert await outcome(message, dns) == ("temperror", "dns")

    monkeypatch.setattr("gateway.authentication.signatures.dkim.SECONDS_FOR_A_KEY", 0.01)
    async with asyncio.timeout(5):
        assert await outcome(message, Zone(hangs=True)) == ("temperror", "dns")


def with_tag(message: bytes, old: bytes, new: bytes) -> bytes:
    assert old in message
    return message.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"rsa-sha256", b"rsa-sha1", ("policy", "sha1")),
        (b"rsa-sha256", b"rsa-md5", ("permerror", "unknown_algorithm")),
        (b"rsa-sha256", b"ed25519-sha256", ("permerror", "key_of_other_kind")),
        (b"v=1", b"v=2", ("permerror", "version")),
        (b"v=1; ", b"", ("permerror", "syntax")),
        (b"v=1;", b"v=1; v=1;", ("permerror", "syntax")),
        (b"v=1;", b"v=1;;", ("permerror", "syntax")),
        (b"v=1;", b"v=1; \xff=1;", ("permerror", "syntax")),
        (b"v=1;", b"v=1; x-any=thing;", ("fail", "header_changed")),
        (b"q=dns/txt", b"q=http", ("permerror", "unknown_query")),
        (b"q=dns/txt", b"q=http : dns/txt", ("fail", "header_changed")),
        (b"v=1;", b"v=1; t=" + b"9" * 77 + b";", ("permerror", "syntax")),
        (b"v=1;", b"v=1; t=2000000000; x=1900000000;", ("permerror", "syntax")),
        (b"d=sender.test", b"d=sender..test", ("permerror", "syntax")),
        (b"i=@sender.test", b"i=ann@other.test", ("permerror", "syntax")),
        (b"i=@sender.test", b"i=ann@sub.sender.test", ("fail", "header_changed")),
        (b"bh=", b"bh=!", ("permerror", "syntax")),
        (b" : from", b" : fom", ("fail", "header_changed")),
        (b"c=relaxed/relaxed", b"c=nowsp", ("permerror", "syntax")),
    ],
)
async def test_a_signature_that_breaks_the_rules_has_the_result_of_rfc_8601(
    old: bytes, new: bytes, wanted: tuple[str, str]
) -> None:
    message, dns = good()
    assert await outcome(with_tag(message, old, new), dns) == wanted


async def test_from_has_to_be_signed() -> None:
    import re

    message, dns = good()
    unsigned = re.sub(rb"h=from : ", b"h=", message).replace(b" : from;", b";")
    assert await outcome(unsigned, dns) == ("permerror", "syntax")


async def test_a_signature_that_leaves_a_part_open_or_has_expired_is_not_taken() -> None:
    dns = zone({KEY: rsa_key().record})
    short = sign(length=True)
    assert await outcome(short, dns) == ("pass", None)
    assert await outcome(short + b"more\r\n", dns) == ("policy", "body_not_covered")
    nothing = sign(MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", length=True)
    assert b"l=0;" in nothing
    assert await outcome(nothing + b"anything\r\n", dns) == ("policy", "body_not_covered")


async def test_an_expiry_counts_only_when_it_has_passed() -> None:
    message = expiring(1_799_999_999)
    dns = zone({KEY: rsa_key().record})

    assert await outcome(message, dns, now=1_799_999_999) == ("pass", None)
    assert await outcome(message, dns, now=1_800_000_000) == ("policy", "expired")


def expiring(second: int) -> bytes:
    """A message with `x=`, which dkimpy does not write: signed by hand."""
    import hashlib
    from base64 import b64encode

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    body = b"Hello\r\n"
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    named = f"v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test; s=s1; x={second}; h=from"
    tags = f"{named}; bh={digest}; b="
    octets = f"from:Ann <ann@sender.test>\r\ndkim-signature:{tags}".encode()
    key = load_pem_private_key(rsa_key().private, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = b64encode(key.sign(octets, padding.PKCS1v15(), hashes.SHA256())).decode()
    head = f"DKIM-Signature: {tags}{signed}\r\nFrom: Ann <ann@sender.test>\r\n\r\n"
    return head.encode() + body


async def test_the_authors_signatures_are_never_pushed_out() -> None:
    message, dns = good()
    tags = "v=1; a=rsa-sha256; b=AA==; bh=AA==; s=s; h=from"
    strangers = "".join(f"DKIM-Signature: {tags}; d=d{n}.example\r\n" for n in range(600))
    found = await check(strangers.encode() + message, dns)

    assert len(found) == 8
    assert (found[0].domain, found[0].result) == ("sender.test", "pass")
    assert len(dns.asked) == 8


class Slow:
    """Counts how many keys are asked for at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return DnsAnswer(state="no_such_name")


async def test_keys_are_asked_for_side_by_side() -> None:
    message = MESSAGE
    for number in range(4):
        message = sign(message, selector=f"s{number}", key=rsa_key(1024))
    slow = Slow()
    assert [one.reason for one in await check(message, slow)] == ["no_key"] * 4
    assert slow.most == 4


async def test_ten_thousand_signatures_end_in_a_result() -> None:
    tags = b"DKIM-Signature: v=1; a=rsa-sha256; b=AA==; bh=AA==; s=s; h=from; d=sender.test\r\n"
    found = await check(tags * 10_000 + MESSAGE, Zone())

    assert {(one.result, one.reason) for one in found} == {("permerror", "header_too_long")}
    assert len(found) == 8
