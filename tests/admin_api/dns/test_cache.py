"""The DNS cache: what it remembers, for how long, and what it asks."""

import asyncio
from dataclasses import dataclass, field

import pytest

from admin_api.dns import cache
from admin_api.dns.cache import DnsCache, dns_cache
from admin_api.dns.questions import Kind, Reply
from config.values import Endpoint
from tests.support.dns_server import DnsServer, Mood, open_dns_server


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scripted:
    """A name server that answers as it is told, once it may."""

    reply: Reply
    asked: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, name: str, kind: Kind) -> Reply:
        self.asked.append(name)
        await self.may_answer.wait()
        return self.reply


def answering(reply: Reply) -> Scripted:
    server = Scripted(reply)
    server.may_answer.set()
    return server


def of(server: DnsServer) -> DnsCache:
    return dns_cache(Endpoint("127.0.0.1", server.port))


async def test_every_kind_of_record_comes_as_it_was_published() -> None:
    long = "v=spf1 " + "ip4:192.0.2.0/24 " * 40
    async with open_dns_server() as server:
        server.publish("a.example", "TXT", '"one" "two"', f'"{long[:200]}" "{long[200:400]}"')
        server.publish("a.example", "MX", "10 MX.a.example.")
        server.publish("a.example", "A", "192.0.2.1")
        server.publish("a.example", "AAAA", "2001:db8::1")
        server.publish("1.2.0.192.in-addr.arpa", "PTR", "a.example.")
        server.publish("alias.example", "CNAME", "a.example.")
        dns = of(server)
        txt = await dns.lookup("A.example.", "TXT")  # does not fit in 512 octets: by TCP
        mx = await dns.lookup("a.example", "MX")
        a = await dns.lookup("alias.example", "A")
        aaaa = await dns.lookup("a.example", "AAAA")
        ptr = await dns.lookup("1.2.0.192.in-addr.arpa", "PTR")
        no_name = await dns.lookup("nobody.test", "A")
        no_record = await dns.lookup("a.example", "PTR")

    assert sorted(txt.records) == [b"onetwo", long[:400].encode()]
    assert mx.records == (b"10 MX.a.example.",)
    assert (a.records, aaaa.records) == ((b"192.0.2.1",), (b"2001:db8::1",))
    assert ptr.records == (b"a.example.",)
    assert (no_name.state, no_record.state) == ("no_such_name", "no_records")


@pytest.mark.parametrize("name", ["", ".", "a..example", "x" * 64 + ".example", "a." * 130 + "b"])
async def test_a_name_that_cannot_be_one_is_not_there(name: str) -> None:
    assert (await dns_cache(Endpoint("127.0.0.1", 1)).lookup(name, "TXT")).state in {
        "no_such_name",
        "failed",
    }


async def test_odd_octets_in_a_name_are_asked_as_they_are() -> None:
    async with open_dns_server() as server:
        found = await of(server).lookup("a\\000b\x01é.example", "TXT")

    assert found.state == "no_such_name"
    assert server.asked == [("a\\\\000b\\001\\195\\169.example.", "TXT")]


@pytest.mark.parametrize(("records", "state"), [(200, "found"), (300, "failed")])
async def test_an_answer_of_more_than_256_records_is_not_read(records: int, state: str) -> None:
    addresses = [f"192.0.{one // 250}.{one % 250}" for one in range(records)]
    async with open_dns_server() as server:
        server.publish("a.example", "A", *addresses)
        answer = await of(server).lookup("a.example", "A")  # by TCP

    assert answer.state == state
    assert sorted(answer.records) == sorted(
        one.encode() for one in (addresses if state == "found" else [])
    )


@pytest.mark.parametrize("mood", ["fails", "refuses", "talks nonsense"])
async def test_a_server_that_fails_gives_no_answer_and_none_is_remembered(
    mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.dns.questions._PATIENCE", 1.0)  # nonsense is waited behind
    async with open_dns_server() as server:
        server.publish("a.example", "A", "192.0.2.1")
        dns = of(server)
        server.mood = mood
        failed = await dns.lookup("a.example", "A")
        server.mood = "answers"
        found = await dns.lookup("a.example", "A")

    assert (failed.state, failed.records) == ("failed", ())
    assert failed.cause
    assert found.records == (b"192.0.2.1",)


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_api.dns.questions._PATIENCE", 0.2)
    async with open_dns_server() as server:
        server.mood = "is silent"
        found = await of(server).lookup("a.example", "A")

    assert (found.state, bool(server.asked)) == ("failed", True)


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (Reply("found", (b"x",), 0), 5),
        (Reply("found", (b"x",), 60), 60),
        (Reply("found", (b"x",), 86_400), 3600),
        (Reply("no_such_name"), 60),
        (Reply("no_records"), 60),
    ],
)
async def test_an_answer_is_remembered_for_its_time(reply: Reply, seconds: float) -> None:
    server, clock = answering(reply), Clock()
    dns = DnsCache(server, clock)
    await dns.lookup("a.example", "TXT")
    clock.now += seconds - 0.01
    assert await dns.lookup("A.EXAMPLE.", "TXT") == reply
    assert len(server.asked) == 1
    clock.now += 0.01
    await dns.lookup("a.example", "TXT")
    assert len(server.asked) == 2


async def test_a_fresh_look_asks_again_and_is_remembered() -> None:
    server = answering(Reply("found", (b"old",), 60))
    dns = DnsCache(server, Clock())
    await dns.lookup("a.example", "TXT")
    server.reply = Reply("found", (b"new",), 60)

    assert (await dns.lookup("a.example", "TXT")).records == (b"old",)
    assert (await dns.lookup("a.example", "TXT", fresh=True)).records == (b"new",)
    assert (await dns.lookup("a.example", "TXT")).records == (b"new",)
    assert len(server.asked) == 2


async def test_one_question_of_a_name_is_in_flight_and_outlives_those_who_asked() -> None:
    server = Scripted(Reply("found", (b"x",), 60))
    dns = DnsCache(server, Clock())
    asking = [asyncio.create_task(dns.lookup("a.example", "TXT")) for _ in range(50)]
    await asyncio.sleep(0)
    for gone in asking[:25]:
        gone.cancel()
    server.may_answer.set()
    answered = await asyncio.gather(*asking[25:])

    assert {one.records for one in answered} == {(b"x",)}
    assert server.asked == ["a.example"]
    assert (await dns.lookup("a.example", "TXT")).records == (b"x",)
    assert server.asked == ["a.example"]


async def test_names_octets_and_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_NAMES", 20)
    monkeypatch.setattr(cache, "MOST_OCTETS", 200_000)
    server = answering(Reply("found", (b"x",), 60))
    dns = DnsCache(server, Clock())
    for number in range(50):
        await dns.lookup(f"{number}.example", "A")
        await dns.lookup("0.example", "A")
    assert len(dns) == 20
    assert server.asked.count("0.example") == 1  # in use, so it stays
    server.reply = Reply("found", (b"x" * 65_000,), 60)
    for number in range(10):
        await dns.lookup(f"{number}.large.example", "TXT")
    assert len(dns) == 3
    server.reply = Reply("found", (b"",) * 2_000, 60)
    for number in range(10):
        await dns.lookup(f"{number}.empty.example", "TXT")
    assert len(dns) == 1  # each record takes memory beside its octets

    monkeypatch.setattr(cache, "MOST_IN_FLIGHT", 5)
    silent = Scripted(Reply("found", (b"x",), 60))
    dns = DnsCache(silent, Clock())
    asking = [asyncio.create_task(dns.lookup(f"{n}.example", "A")) for n in range(5)]
    await asyncio.sleep(0)
    assert (await dns.lookup("6.example", "A")).state == "failed"
    await dns.close()
    assert all(isinstance(one, asyncio.CancelledError) for one in await _ends(asking))


async def _ends(asking: list[asyncio.Task[Reply]]) -> list[Reply | BaseException]:
    return await asyncio.gather(*asking, return_exceptions=True)
