"""Checks against a DNS on loopback that means harm: through our resolver, cache and limits.

Each message ends in a result that is not `verified`, after few questions, and none in a fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from admin_api.dns import questions
from admin_api.dns.cache import DnsCache
from admin_api.dns.questions import NameServer
from config.values import Endpoint
from gateway.authentication.check import Checked
from gateway.authentication.result import Hop
from gateway.jobs.sender_check import Rules, SenderCheck, Sent
from gateway.server.checking import CheckDns
from tests.support.dns_server import DnsServer, Mood, open_dns_server
from tests.support.signing import MESSAGE, rsa_key, sign

NOW = 1_800_000_000_000_000
STRANGER = Hop("198.51.100.9", "mx.evil.test", "ann@sender.test", behind_relay=False)
SPF, KEY, DMARC = "sender.test", "s1._domainkey.sender.test", "_dmarc.sender.test"
# SPF's 75, two names for each of eight signatures, two walks of eight, TCP for each.
MOST_QUESTIONS = 2 * (75 + 16 + 16)


@asynccontextmanager
async def checking(server: DnsServer) -> AsyncIterator[Callable[[bytes], asyncio.Task[Checked]]]:
    cache = DnsCache(NameServer(Endpoint("127.0.0.1", server.port)))
    checks = SenderCheck(CheckDns(cache), Rules("mx.example.test"), size_limit=1 << 26)

    def check(message: bytes) -> asyncio.Task[Checked]:
        sent = Sent(message, len(message), STRANGER, is_relayed=False)
        return asyncio.create_task(checks.check(sent, now=NOW))

    try:
        yield check
    finally:
        await checks.close()
        await cache.close()


def quoted(text: str) -> str:
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))


def loop(dns: DnsServer) -> None:
    for name in (SPF, KEY, DMARC):
        dns.publish(name, "CNAME", f"again.{name}.")
        dns.publish(f"again.{name}", "CNAME", f"{name}.")


def chain(dns: DnsServer) -> None:
    for name in (SPF, KEY, DMARC):
        dns.publish(name, "CNAME", f"l0.{name}.")
        for link in range(30):
            dns.publish(f"l{link}.{name}", "CNAME", f"l{link + 1}.{name}.")


def huge(dns: DnsServer) -> None:
    for name, begin in ((SPF, "v=spf1 "), (KEY, "v=DKIM1; p="), (DMARC, "v=DMARC1; p=reject; ")):
        dns.publish(name, "TXT", quoted(begin + "a" * 64_000))


def storm(dns: DnsServer) -> None:
    dns.publish(SPF, "TXT", quoted("v=spf1 " + " ".join(f"include:n{n}.none" for n in range(300))))
    dns.publish(DMARC, "TXT", quoted("v=DMARC1; p=reject"))


def circle(dns: DnsServer) -> None:
    dns.publish(SPF, "TXT", quoted(f"v=spf1 include:{SPF} redirect={SPF}"))
    dns.publish(DMARC, "TXT", quoted("v=DMARC1; p=reject; psd=y"))
    dns.publish(KEY, "TXT", *(quoted("v=DKIM1; p=" + "A" * 300 + str(n)) for n in range(60)))


def many(dns: DnsServer) -> None:
    dns.publish(SPF, "TXT", *(quoted(f"v=spf1 +all exp=n{n}.test") for n in range(50)))
    dns.publish(DMARC, "TXT", *(quoted(f"v=DMARC1; p=none; x={n}") for n in range(50)))
    dns.publish(KEY, "TXT", quoted("v=DKIM1; k=rsa; p=" + "A" * 2_740))


@pytest.mark.parametrize("zone", [loop, chain, huge, storm, circle, many])
async def test_a_hostile_zone_ends_in_a_result_after_few_questions(
    zone: Callable[[DnsServer], None],
) -> None:
    signed = sign()
    many_signed = signed[: signed.index(b"From:")] * 700 + signed
    async with open_dns_server() as server, checking(server) as check:
        zone(server)
        for message in (signed, many_signed, signed.replace(b"offer", b"other")):
            server.asked.clear()
            found = (await asyncio.wait_for(check(message), 41)).authentication
            assert found.verdict != "verified", found
            assert len(found.dkim) <= 8
            assert len(server.asked) <= MOST_QUESTIONS


async def test_wrong_answers_are_temporary_and_silence_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(questions, "_PATIENCE", 0.5)
    moods: tuple[Mood, ...] = (
        *("fails", "refuses", "talks nonsense", "answers another question"),
        "is silent",
    )
    async with open_dns_server() as server:
        for mood in moods:
            server.mood = mood
            async with checking(server) as check:
                found = await asyncio.wait_for(check(sign()), 41)
            assert (found.authentication.verdict, found.temporary) == ("unknown", True), mood
            assert found.authentication.spf.result == "temperror", mood


async def test_a_second_from_behind_a_bare_line_end_is_seen_by_scan_and_verifier_alike() -> None:
    key = quoted(rsa_key().record)
    async with open_dns_server() as server, checking(server) as check:
        server.publish(KEY, "TXT", key)
        server.publish(DMARC, "TXT", quoted("v=DMARC1; p=reject"))
        assert (await check(sign())).authentication.verdict == "verified"
        for smuggled in (b"\r", b"\n", b"\r\r\n", b"\r\n "):
            second = b"X: y" + smuggled + b"From: Boss <boss@bank.test>\r\n"
            found = (await check(second + sign())).authentication
            if smuggled == b"\r\n ":  # a continuation: no second From
                assert found.verdict == "verified"
            else:
                assert (found.verdict, found.from_domain) != ("verified", "sender.test"), smuggled
        open_body = sign(length=True)
        appended = (await check(open_body + b"More.\r\n")).authentication
        assert [one.result for one in appended.dkim] == ["policy"]
        assert appended.verdict == "failed"
        nothing = (await check(MESSAGE)).authentication
        assert nothing.verdict == "failed"
