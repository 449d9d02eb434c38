"""DNS queries: which server, and the answer to one query.

- Names are absolute. Over UDP first, and by TCP when the answer was cut (RFC 7766 5); of more than
  256 records none is read (`admin_api.dns.bounded_answers`).
- Missing names and types are answers; every other fault is the state `failed`, and nothing is ever
  raised: no name that a stranger wrote may end the work of its reader.
- A query has `_PATIENCE` seconds in all, each try of it `_ONE_TRY`.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from config.values import Endpoint

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.name import Name
    from dns.rdata import Rdata

Kind = Literal["TXT", "A", "AAAA", "MX", "PTR"]
State = Literal["found", "no_such_name", "no_records", "failed"]

_ONE_TRY = 2.0
_PATIENCE = 5.0
_EDNS_OCTETS = 1232  # fits every path unfragmented


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one query. `cause` names the fault of one that failed.

    A TXT record is its strings, joined; the others are as a zone file writes them. `ttl` is in
    seconds.
    """

    state: State
    records: tuple[bytes, ...] = ()
    ttl: float = 0.0
    cause: str = ""


class NameServer:
    """The DNS server at `server`, or the machine's own."""

    def __init__(self, server: Endpoint | None) -> None:
        self._server = server
        self._resolver: Resolver | None = None

    async def ask(self, name: str, kind: Kind) -> Reply:
        """Send one query."""
        from dns.exception import DNSException

        try:
            asked = _absolute(name)
        except (DNSException, UnicodeError):  # too long for a name: nobody can have published it
            return Reply("no_such_name")
        try:
            async with asyncio.timeout(_PATIENCE):
                if self._resolver is None:
                    self._resolver = await _resolver_at(self._server)
                return await _answer(self._resolver, asked, kind)
        except (DNSException, OSError) as error:  # asyncio's TimeoutError is an OSError
            return Reply("failed", cause=type(error).__name__)


def _absolute(name: str) -> Name:
    """Build the name from its labels: a backslash in one is no escape."""
    from dns.name import Name

    return Name([*(label.encode() for label in name.removesuffix(".").split(".")), b""])


async def _resolver_at(server: Endpoint | None) -> Resolver:
    """Raises DNSException, OSError."""
    from dns.asyncresolver import Resolver

    from admin_api.dns.bounded_answers import BoundedNameserver

    resolver = Resolver(configure=server is None)
    if server is not None:
        loop = asyncio.get_running_loop()
        known = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        resolver.nameservers = [BoundedNameserver(str(known[0][4][0]), server.port)]
    else:
        resolver.nameservers = [
            BoundedNameserver(one, resolver.port) if isinstance(one, str) else one
            for one in resolver.nameservers
        ]
    resolver.timeout = _ONE_TRY
    resolver.lifetime = _PATIENCE
    # DnsCache is the only cache: a second one would hide a record that was just published.
    resolver.cache = None
    resolver.use_edns(0, 0, _EDNS_OCTETS)
    return resolver


async def _answer(resolver: Resolver, name: Name, kind: Kind) -> Reply:
    from dns.resolver import NXDOMAIN, NoAnswer

    try:
        # No search list: a missing name must not be found in a domain of this machine.
        found = await resolver.resolve(name, kind, search=False)
    except NXDOMAIN:
        return Reply("no_such_name")
    except NoAnswer:
        return Reply("no_records")
    records = tuple(_octets(item) for item in found)
    return Reply("found", records, float(found.chaining_result.minimum_ttl))


def _octets(item: Rdata) -> bytes:
    from dns.rdtypes.ANY.TXT import TXT

    return b"".join(item.strings) if isinstance(item, TXT) else item.to_text().encode()
