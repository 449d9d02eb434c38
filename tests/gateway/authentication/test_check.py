"""The check as a whole: verdicts, the shape of the record, and mail that is meant to hurt."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest

from gateway.authentication.answers import LONGEST_LOG
from gateway.authentication.check import Checked, check
from gateway.authentication.relay_word import RelayWord, read_relay_word
from gateway.authentication.result import Arc, Authentication, Dkim, Dmarc, Hop, Spf
from gateway.authentication.signed_message import read_signed
from tests.support.dns_zone import Zone, zone
from tests.support.mutants import mutants
from tests.support.signing import MESSAGE, rsa_key, seal, sign

NOW = 1_800_000_000_000_000
DIRECT = Hop("192.0.2.7", "mx.sender.test", "ann@sender.test", behind_relay=False)
STRANGER = Hop("198.51.100.9", "mx.evil.test", "eve@evil.test", behind_relay=False)
RELAYED = Hop("10.0.0.1", "relay.test", "ann@sender.test", behind_relay=True)
SPF, KEY, DMARC = "sender.test", "s1._domainkey.sender.test", "_dmarc.sender.test"


def dns(policy: str | None = "v=DMARC1; p=reject") -> Zone:
    made = zone({SPF: "v=spf1 ip4:192.0.2.0/24 -all", KEY: rsa_key().record})
    made.publish("s1._domainkey.lists.test", "TXT", rsa_key().record)
    made.publish("evil.test", "TXT", "v=spf1 +all")
    if policy is not None:
        made.publish(DMARC, "TXT", policy)
    return made


async def checked(
    message: bytes,
    hop: Hop,
    names: Zone,
    *,
    word: RelayWord | None = None,
    trusted: frozenset[str] = frozenset(),
) -> Checked:
    return await check(
        read_signed([message]),
        hop,
        names,
        now=NOW,
        relay_word=word,
        hostname="mx.example.test",
        arc_trusted_sealers=trusted,
    )


async def verdict(message: bytes, hop: Hop, names: Zone) -> tuple[str, bool]:
    found = await checked(message, hop, names)
    return found.authentication.verdict, found.temporary


async def test_a_signed_message_from_its_domain_is_verified() -> None:
    found = await checked(sign(), DIRECT, dns())

    assert found.authentication == Authentication(
        verdict="verified",
        source="computed",
        from_domain="sender.test",
        override=None,
        spf=Spf("pass", "mailfrom", "sender.test", aligned=True),
        dkim=(Dkim("pass", "sender.test", "s1", "rsa-sha256", aligned=True),),
        dmarc=Dmarc("pass", "reject", "sender.test"),
        arc=Arc("none"),
    )
    assert not found.temporary
    assert found.trace.signatures[0].hashed.startswith(b"from:Ann <ann@sender.test>\r\n")
    assert any("mech_match" in line for line in found.trace.spf)
    assert {one.name for one in found.trace.dns} >= {SPF, KEY, DMARC}


async def test_a_record_is_json_in_the_documented_order() -> None:
    found = await checked(seal(results() + sign(), domain="lists.test"), DIRECT, dns())
    record = found.authentication.as_record()

    assert json.loads(json.dumps(record)) == record
    assert [*record] == [
        "verdict", "source", "from_domain", "override", "spf", "dkim", "dmarc", "arc",
    ]  # fmt: skip
    assert record["arc"] == {"result": "pass", "sealers": ["lists.test"]}
    assert record["spf"] == {
        "result": "pass",
        "scope": "mailfrom",
        "domain": "sender.test",
        "aligned": True,
        "reason": None,
    }


def results(dmarc: str = "pass") -> bytes:
    return f"Authentication-Results: mx.test; dmarc={dmarc} header.from=sender.test\r\n".encode()


FORGED = MESSAGE
LISTED = sign().replace(b"the offer", b"the changed offer")


@pytest.mark.parametrize(
    ("message", "hop", "policy", "wanted"),
    [
        (sign(), STRANGER, "v=DMARC1; p=reject", "verified"),  # by its signature
        (FORGED, DIRECT, "v=DMARC1; p=reject", "verified"),  # by SPF
        (FORGED, STRANGER, "v=DMARC1; p=reject", "failed"),
        (FORGED, STRANGER, "v=DMARC1; p=quarantine", "failed"),
        (LISTED, STRANGER, "v=DMARC1; p=reject", "failed"),
        (FORGED, STRANGER, "v=DMARC1; p=none", "unverified"),
        (FORGED, STRANGER, "v=DMARC1; p=reject; t=y", "unverified"),
        (FORGED, STRANGER, None, "unverified"),
        (FORGED, DIRECT, None, "unverified"),  # SPF alone proves no From
        (sign(), STRANGER, None, "verified"),
        (sign(), STRANGER, "v=DMARC1; p=maybe", "verified"),
        (sign().replace(b"From: Ann", b"From: b@other.test, Ann"), DIRECT, None, "unverified"),
        (b"From: b@other.test\r\n" + sign(), DIRECT, "v=DMARC1; p=reject", "unverified"),
        (b"Subject: no author\r\n\r\n", DIRECT, "v=DMARC1; p=reject", "unverified"),
        (b"", DIRECT, None, "unverified"),
        (sign(), RELAYED, "v=DMARC1; p=reject", "verified"),
        (FORGED, RELAYED, "v=DMARC1; p=reject", "unknown"),
        (FORGED, RELAYED, None, "unverified"),
    ],
)
async def test_a_verdict_says_whether_from_is_true(
    message: bytes, hop: Hop, policy: str | None, wanted: str
) -> None:
    assert await verdict(message, hop, dns(policy)) == (wanted, False)


async def test_a_signature_of_another_domain_verifies_nobodys_from() -> None:
    names = dns(None)
    names.publish("s1._domainkey.evil.test", "TXT", rsa_key().record)
    found = (await checked(sign(domain="evil.test"), STRANGER, names)).authentication

    assert [(one.result, one.aligned) for one in found.dkim] == [("pass", False)]
    assert found.verdict == "unverified"


@pytest.mark.parametrize("failing", [KEY, SPF, DMARC, "_dmarc.test"])
async def test_a_name_that_fails_makes_the_verdict_unknown_only_where_it_matters(
    failing: str,
) -> None:
    names = dns()
    names.failing.add(failing)
    message, hop = (MESSAGE, DIRECT) if failing == SPF else (sign(), STRANGER)

    wanted = ("verified", False) if failing == "_dmarc.test" else ("unknown", True)
    assert await verdict(message, hop, names) == wanted
    if failing in {KEY, SPF}:  # the other one is enough
        assert await verdict(sign(), DIRECT, names) == ("verified", False)


async def test_a_trusted_forwarder_is_named_as_the_override() -> None:
    trusted = frozenset({"lists.test"})
    names = dns()
    forwarded = seal(results() + LISTED, domain="lists.test")

    vouched = await checked(forwarded, STRANGER, names, trusted=trusted)
    assert (vouched.authentication.verdict, vouched.authentication.override) == ("failed", "arc")
    unknown = (await checked(forwarded, STRANGER, names)).authentication
    assert (unknown.arc.result, unknown.override) == ("pass", None)
    failed = seal(results("fail") + LISTED, domain="lists.test")
    assert (await checked(failed, STRANGER, names, trusted=trusted)).authentication.override is None
    tested = await checked(FORGED, STRANGER, dns("v=DMARC1; p=reject; t=y"))
    assert tested.authentication.override == "testing"
    names.failing.add("s1._domainkey.lists.test")
    for_now = await checked(forwarded, STRANGER, names, trusted=trusted)
    assert (for_now.authentication.verdict, for_now.temporary) == ("unknown", True)


def word(*results: str) -> RelayWord | None:
    lines = "".join(f"Authentication-Results: relay.test; {one}\r\n" for one in results)
    return read_relay_word(f"{lines}\r\n".encode(), ["relay.test"])


async def test_the_word_of_a_relay_goes_before_what_we_compute() -> None:
    said = word("spf=pass smtp.mailfrom=ann@sender.test")
    found = (await checked(MESSAGE, RELAYED, dns(), word=said)).authentication
    assert (found.verdict, found.source, found.spf.result) == ("verified", "relay", "pass")

    said = word("spf=fail smtp.mailfrom=ann@sender.test", "dkim=fail header.d=sender.test")
    found = (await checked(sign(), RELAYED, dns(), word=said)).authentication
    assert (found.verdict, found.dkim[0].result) == ("failed", "fail")

    said = word("dmarc=pass header.from=sender.test")
    found = (await checked(MESSAGE, RELAYED, dns(), word=said)).authentication
    assert (found.verdict, found.dmarc) == ("verified", Dmarc("pass", "reject", "sender.test"))

    said = word("dmarc=pass header.from=other.test")
    found = (await checked(MESSAGE, RELAYED, dns(), word=said)).authentication
    assert found.verdict == "unknown"

    said = word("dmarc=fail header.from=sender.test")
    names = dns()
    names.failing.add(DMARC)
    lost = await checked(MESSAGE, RELAYED, names, word=said)
    assert (lost.authentication.verdict, lost.temporary) == ("unknown", True)


async def test_a_silent_dns_ends_in_a_result_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.authentication.check.SECONDS", 0.05)
    async with asyncio.timeout(10):
        found = await checked(sign(), DIRECT, Zone(hangs=True))

    assert (found.authentication.verdict, found.temporary) == ("unknown", True)
    assert found.authentication.spf.result == "temperror"
    assert found.authentication.dkim[0].result == "temperror"


def hostile() -> dict[str, bytes]:
    tags = "v=1; a=rsa-sha256; b=AA==; bh=AA==; s=s; h=from"
    many = "".join(f"DKIM-Signature: {tags}; d=d{n}.sender.test\r\n" for n in range(900))
    names = ":".join(["from"] * 20_000)
    chains = "".join(
        f"ARC-Seal: i={n}; a=rsa-sha256; cv={'pass' if n > 1 else 'none'}; d=d{n}.test; s=s;"
        f" b=AA==\r\n"
        f"ARC-Message-Signature: i={n}; a=rsa-sha256; d=d{n}.test; s=s; h=from; bh=AA==; b=AA==\r\n"
        f"ARC-Authentication-Results: i={n}; x; none\r\n"
        for n in range(1, 51)
    )
    texts = {
        "many signatures": many,
        "many names": f"DKIM-Signature: {tags.replace('h=from', f'h={names}')}; d=sender.test\r\n",
        "many tags": f"DKIM-Signature: {tags}; d=sender.test;{' x=1;' * 15_000}\r\n",
        "a long chain": chains,
        "many fields": "X: y\r\n" * 999,
        "many froms": "From: a@b.test\r\n" * 900,
        "a from of commas": f"From: {',' * 90_000}\r\n",
        "nul": "From: a\x00@b\x00.test\r\nDKIM-Signature: \x00\r\n",
    }
    return {name: text.encode() + MESSAGE for name, text in texts.items()}


async def test_a_message_that_is_meant_to_hurt_has_a_result() -> None:
    names = dns()
    for label, message in hostile().items():
        began = time.process_time()
        found = await checked(message, STRANGER, names)
        assert time.process_time() - began < 5, label
        assert found.authentication.verdict in {"failed", "unverified"}, label
        assert len(found.authentication.dkim) <= 8
        assert len(found.trace.dns) <= LONGEST_LOG


async def results_of_mutants(count: int, seed: int) -> None:
    """Whatever a message and the DNS hold, there is a record, and no name of the DNS is broken."""
    chance = random.Random(seed)
    names = dns()
    names.chance = chance
    signature = sign().partition(b"From:")[0]
    for message in mutants(count, seed=seed):
        tags = bytearray(signature)
        for _ in range(chance.randint(0, 3)):
            tags[chance.randrange(len(tags))] = chance.randrange(256)
        found = await checked(bytes(tags) + message, DIRECT, names)
        json.dumps(found.authentication.as_record())
    assert all(len(name) <= 330 for name, _ in names.asked)


async def test_damaged_messages_have_a_record() -> None:
    await results_of_mutants(150, seed=3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_very_many_damaged_messages_have_a_record() -> None:
    await results_of_mutants(20_000, seed=random.randrange(1 << 30))
