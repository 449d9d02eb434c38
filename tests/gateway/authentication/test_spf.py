"""SPF: RFC 7208's own suite, our limits, and records that are meant to hurt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import yaml

from gateway.authentication.answers import DnsAnswer, Kind
from gateway.authentication.result import Hop, Spf
from gateway.authentication.spf import MOST_QUERIES, check_spf
from tests.support.dns_zone import VECTORS, Zone, zone

SUITE = VECTORS / "rfc7208" / "rfc7208-tests.yml"
CLIENT = "192.0.2.7"


@dataclass(slots=True)
class SuiteZone:
    """The zone of one scenario: CNAMEs are followed, TIMEOUT fails, SPF stands for TXT."""

    data: dict[str, list[object]]
    chance: random.Random | None = None
    inner: Zone = field(default_factory=Zone)

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        self.inner.records, self.inner.chance = {}, self.chance
        self.inner.failing = set()
        target = name.lower()
        for _ in range(5):
            entries = self.data.get(target)
            if entries is None:
                break
            values = self._values(entries, kind)
            if values is None:
                self.inner.failing.add(name.lower())
                break
            self.inner.publish(name, "NONE", "")
            if values or not (aliases := self._of_kind(entries, "CNAME")):
                self.inner.publish(name, kind, *values)
                break
            target = str(aliases[0]).lower()
        return await self.inner.query(name, kind)

    def _values(self, entries: list[object], kind: str) -> list[str] | None:
        found = self._of_kind(entries, kind)
        if kind == "TXT" and not found:
            found = self._of_kind(entries, "SPF")
        values = [one for one in found if one != "NONE"]
        if "TIMEOUT" in values or (not values and "TIMEOUT" in entries):
            return None
        return [_text(one) for one in values]

    @staticmethod
    def _of_kind(entries: list[object], kind: str) -> list[object]:
        return [one[kind] for one in entries if isinstance(one, dict) and kind in one]


def _text(value: object) -> str:
    if isinstance(value, list):
        is_mx = bool(value) and isinstance(value[0], int)
        return f"{value[0]} {value[1]}." if is_mx else "".join(value)
    return str(value)


def cases() -> Iterator[tuple[str, dict[str, list[object]], Hop, list[str]]]:
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        data = {name.lower(): entries for name, entries in scenario["zonedata"].items()}
        for name, test in scenario["tests"].items():
            hop = Hop(str(test["host"]), test["helo"], test["mailfrom"] or "", behind_relay=False)
            wanted = test["result"]
            label = f"{scenario['description']}: {name}"
            yield label, data, hop, [wanted] if isinstance(wanted, str) else wanted


@pytest.mark.parametrize("seed", [None, 1])
async def test_the_203_cases_of_rfc_7208_come_out_as_they_say(seed: int | None) -> None:
    """With a seed the answers are late and shuffled."""
    chance = random.Random(seed) if seed else None
    wrong, count = {}, 0
    for name, data, hop, wanted in cases():
        count += 1
        found = (await check_spf(hop, SuiteZone(data, chance), hostname="mx.example.test")).spf
        if found.result not in wanted:
            wrong[name] = f"{found.result} ({found.reason}), not {wanted}"
    assert (wrong, count) == ({}, 203)


async def spf(dns: Zone, hop: Hop | None = None) -> Spf:
    hop = hop or Hop(CLIENT, "mx.sender.test", "ann@sender.test", behind_relay=False)
    return (await check_spf(hop, dns, hostname="mx.example.test")).spf


async def test_the_domain_is_that_of_the_envelope_or_of_helo() -> None:
    dns = zone({"sender.test": "v=spf1 ip4:192.0.2.0/24 -all", "mx.sender.test": "v=spf1 -all"})

    assert await spf(dns) == Spf("pass", "mailfrom", "sender.test")
    bounce = Hop(CLIENT, "mx.sender.test", "", behind_relay=False)
    assert await spf(dns, bounce) == Spf("fail", "helo", "mx.sender.test")
    u_label = Hop(CLIENT, "mx", "ann@bücher.test", behind_relay=False)
    assert await spf(dns, u_label) == Spf("none", "mailfrom", "xn--bcher-kva.test")


async def test_behind_a_relay_nothing_is_asked() -> None:
    dns = zone({"sender.test": "v=spf1 -all"})
    relayed = Hop("10.0.0.1", "relay.test", "ann@sender.test", behind_relay=True)

    assert await spf(dns, relayed) == Spf("none", "mailfrom", "sender.test", reason="behind_relay")
    bounce = Hop("10.0.0.1", "relay.test", "", behind_relay=True)
    assert await spf(dns, bounce) == Spf("none", "helo", None, reason="behind_relay")
    local = Hop(None, "relay.test", "ann@sender.test", behind_relay=False)
    assert await spf(dns, local) == Spf("none", "mailfrom", "sender.test", reason="no_address")
    assert dns.asked == []


@pytest.mark.parametrize(
    ("reverse_path", "helo"),
    [("ann@", "x"), ("", "[192.0.2.7]"), ("ann@[192.0.2.7]", "x"), ("", ""), ("a@b..c", "x")],
)
async def test_what_is_no_domain_is_asked_for_by_nobody(reverse_path: str, helo: str) -> None:
    dns = Zone()
    found = await spf(dns, Hop(CLIENT, helo, reverse_path, behind_relay=False))

    assert (found.result, found.reason, dns.asked) == ("none", "no_domain", [])


async def test_records_that_would_ask_without_end_are_a_permanent_error() -> None:
    loop = zone({"sender.test": "v=spf1 include:sender.test -all"})
    mx = zone({"sender.test": f"v=spf1 {' '.join(f'mx:m{n}.sender.test' for n in range(10))} -all"})
    for n in range(10):
        mx.publish(f"m{n}.sender.test", "MX", *(f"{k} h{k}-{n}.sender.test." for k in range(10)))
        for k in range(10):
            mx.publish(f"h{k}-{n}.sender.test", "A", "198.51.100.1")
    voids = zone({"sender.test": "v=spf1 a:v1.test a:v2.test a:v3.test -all"})

    assert await spf(loop) == Spf("permerror", "mailfrom", "sender.test", reason="too_many_queries")
    assert await spf(mx) == Spf("permerror", "mailfrom", "sender.test", reason="too_many_queries")
    assert await spf(voids) == Spf(
        "permerror", "mailfrom", "sender.test", reason="too_many_queries"
    )
    assert len(loop.asked) <= 11 and len(mx.asked) == MOST_QUERIES and len(voids.asked) == 4


async def test_a_name_that_fails_is_a_temporary_error() -> None:
    dns = zone({"sender.test": "v=spf1 include:gone.test -all"})
    dns.failing.add("gone.test")

    assert await spf(dns) == Spf("temperror", "mailfrom", "sender.test", reason="dns")


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 " + "a" * 65_000,
        "v=spf1 " + "ip4:1.2.3.4 " * 5_000,
        "v=spf1 exists:%{" + "9" * 5_000 + "d}.test -all",
        "v=spf1 exists:%{i" + "9" * 300 + "r}.test -all",
        "v=spf1 ip4:1.2.3.4/" + "9" * 5_000,
        "v=spf1 a:\xff\x00.test -all\n",
        "v=spf1 redirect=%{l}.%{s}.%{o}",
        "v=spf1 exp=%{c}.test -all",
    ],
    ids=lambda record: record[:24].strip(),
)
async def test_a_record_that_is_meant_to_hurt_has_a_result(record: str) -> None:
    hop = Hop(CLIENT, "mx.sender.test", '"a b\x00%{d}"@sender.test', behind_relay=False)
    checked = await check_spf(hop, zone({"sender.test": record}), hostname="mx.example.test")

    assert checked.spf.result in {"permerror", "fail", "neutral", "none"}
    assert sum(map(len, checked.trace)) <= 400 * 500
