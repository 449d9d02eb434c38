"""RFC 7208's suite through our cache and resolver: over UDP, and by TCP where an answer is cut."""

from __future__ import annotations

from dns.exception import DNSException
from dns.name import Name

from admin_api.dns.cache import DnsCache
from admin_api.dns.questions import NameServer
from config.values import Endpoint
from gateway.authentication.answers import DnsAnswer, Kind
from gateway.authentication.spf import check_spf
from tests.gateway.authentication.test_spf import SuiteZone, cases
from tests.support.dns_server import DnsServer, open_dns_server

# Beside each TXT record, so that the answer does not fit into a datagram.
PADDING = " ".join(['"' + "x" * 250 + '"'] * 3)


class ThroughDns:
    """The DNS as the checks get it; the answer of the suite is published while it is asked for."""

    def __init__(self, cache: DnsCache, server: DnsServer, zone: SuiteZone) -> None:
        self._cache, self._server, self._zone = cache, server, zone

    async def query(self, name: str, kind: Kind) -> DnsAnswer:
        wanted = await self._zone.query(name, kind)
        try:
            shown = Name([*(part.encode() for part in name.split(".")), b""]).to_text().lower()[:-1]
        except DNSException:  # too long: nobody can publish it
            shown = "too-long.test"
        values = [_as_in_a_zone_file(one, kind) for one in wanted.records]
        if values and kind == "TXT":
            values.append(PADDING)
        self._server.mood = "fails" if wanted.state == "failed" else "answers"
        published = {"found": (shown, kind), "no_records": (f"below.{shown}", "A")}
        at = published.get(wanted.state)
        if at is not None:
            self._server.publish(*at, *(values or ["192.0.2.1"]))
        reply = await self._cache.lookup(name, kind, fresh=True)
        if at is not None:
            self._server.publish(*at)
        assert reply.state == wanted.state, name
        octets = kind == "TXT"
        return DnsAnswer(
            tuple(one if octets else one.decode() for one in reply.records), reply.state
        )


def _as_in_a_zone_file(value: str | bytes, kind: str) -> str:
    if isinstance(value, str):
        return value.rstrip(".") + "." if kind in {"MX", "PTR"} else value
    pieces = [value[at : at + 250] for at in range(0, len(value), 250)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in one) + '"' for one in pieces)


async def test_the_203_cases_come_out_the_same_through_the_dns() -> None:
    wrong, count = {}, 0
    async with open_dns_server() as server:
        cache = DnsCache(NameServer(Endpoint("127.0.0.1", server.port)))
        for name, data, hop, wanted in cases():
            count += 1
            dns = ThroughDns(cache, server, SuiteZone(data))
            found = (await check_spf(hop, dns, hostname="mx.example.test")).spf
            if found.result not in wanted:
                wrong[name] = f"{found.result} ({found.reason}), not {wanted}"
        cut = sum(kind == "TXT" for _, kind in server.asked)
        await cache.close()
    assert (wrong, count) == ({}, 203)
    assert cut > 203  # each cut answer is asked for twice
