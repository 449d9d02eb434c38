"""A DNS that says anything at all: there is a record all the same, within the limits."""

from __future__ import annotations

import json
import random

import pytest

from gateway.authentication.answers import DnsAnswer, Kind, State
from gateway.authentication.check import check
from gateway.authentication.result import Hop
from gateway.authentication.signed_message import read_signed
from tests.support.signing import rsa_key, seal, sign

_TERMS = (
    *("a", "mx", "ptr", "all", "include:%s", "exists:%s", "redirect=%s", "exp=%s", "ip4:%s"),
    *("ip6:%s", "a:%s/24//64", "mx/33", "ptr:%s", "%%{%s}", "x=%s", "unknown:%s"),
)
_NAMES = (
    *("e.test", "sender.test", "%{i}.e.test", "%{l1r-}.%{d2}", "%{p}.e.test", "%{h}", "%{s}"),
    *("%{v}.%{ir}", "..", "a" * 70 + ".test", "1.2.3.4/8", "::1", "%{c}", "%{", "%", "\x00"),
    *("é.test", "%{d99999999999999999999}", "", "%{L}%{S}", "[::]"),
)
_TAGS = ("p=reject", "p=none", "sp=x", "psd=y", "psd=n", "t=y", "adkim=s", "np=reject", "=", "p")
_VALUES = (
    *("192.0.2.7", "::1", "", "x y z", " ", "10 mx.e.test.", "0 .", ".", "junk\x00", "é.test."),
    *("999.1.1.1", "1.2.3.4%eth0", "fe80::1%x"),
)
_LOCAL_PARTS = ("ann", '"a b"', "é", "%{d}", "a" * 300, "", "\x00", "a@b")
_DOMAINS = ("sender.test", "e.test", "é.test", "[1.2.3.4]", "", "a.b.c.d.e.f.g.h.i.j.test")
_ADDRESSES = ("192.0.2.7", "::1", "::ffff:192.0.2.7", "fe80::1%eth0", "junk", "", None)


class WildDns:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.asked = 0

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        self.asked += 1
        assert len(name) < 400
        name.encode()
        chance = self._chance
        luck = chance.random()
        if luck < 0.35:
            states: tuple[State, ...] = ("failed", "no_such_name", "no_records")
            return DnsAnswer(state=chance.choice(states))
        if kind == "TXT":
            return DnsAnswer(tuple(self._text() for _ in range(chance.choice((1, 1, 1, 2, 12)))))
        return DnsAnswer(tuple(chance.choices(_VALUES, k=chance.choice((1, 1, 3, 15)))))

    def _text(self) -> bytes:
        chance = self._chance
        luck = chance.random()
        if luck < 0.4:
            terms = chance.choices(_TERMS, k=chance.randint(0, 8))
            signs = (chance.choice(("", "+", "-", "~", "?")) for _ in terms)
            filled = (one.replace("%s", chance.choice(_NAMES)) for one in terms)
            return ("v=spf1 " + " ".join(map("".join, zip(signs, filled, strict=True)))).encode()
        if luck < 0.6:
            return rsa_key().record.encode()
        if luck < 0.8:
            return (
                "v=DMARC1; " + "; ".join(chance.choices(_TAGS, k=chance.randint(0, 5)))
            ).encode()
        return chance.randbytes(chance.randint(0, 200))


async def wild_checks(count: int, seed: int) -> None:
    chance = random.Random(seed)
    results = b"Authentication-Results: mx.test; spf=pass\r\n"
    messages = [sign(), seal(results + sign(), domain="lists.test")]
    for _ in range(count):
        sender = f"{chance.choice(_LOCAL_PARTS)}@{chance.choice(_DOMAINS)}"
        helo = chance.choice(("mx.e.test", "[::1]", "é", "", "x" * 300))
        dns = WildDns(chance)
        found = await check(
            read_signed([chance.choice(messages)]),
            Hop(chance.choice(_ADDRESSES), helo, chance.choice((sender, "", "ann")), False),
            dns,
            now=1_800_000_000_000_000,
            hostname="mx.example.test",
            arc_trusted_sealers=frozenset({"lists.test"}),
        )
        json.dumps(found.authentication.as_record())
        assert dns.asked <= 75 + 8 + 51 + 11 * 8 + 1


async def test_a_wild_dns_ends_in_a_record_within_the_limits() -> None:
    await wild_checks(200, seed=5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_wild_dns_ends_in_a_record_a_great_many_times() -> None:
    await wild_checks(50_000, seed=random.randrange(1 << 30))
