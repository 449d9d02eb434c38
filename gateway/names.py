"""The addresses of a host, from the DNS and from nowhere else: no hosts file, no search list.

A name that is not there, or has no address, is `NoSuchHost`; a server that is silent or fails is
`NamesUnavailable`, never a verdict about the name.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from config.values import Endpoint
from gateway.targets import Address

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

_ONE_TRY = 2.0
_PATIENCE = 5.0


class NoSuchHost(Exception):
    """The DNS knows no address of this name."""


class NamesUnavailable(Exception):
    """The DNS gives no answer now."""


class Names:
    """Asks `server`, or the machine's own; nothing is remembered from one question to the next."""

    def __init__(self, server: Endpoint | None) -> None:
        self._server = server
        self._resolver: Resolver | None = None

    async def addresses(self, host: str) -> list[Address]:
        """All addresses of a host. Raises NoSuchHost, NamesUnavailable."""
        from dns.exception import DNSException

        try:
            if self._resolver is None:
                self._resolver = await _resolver(self._server)
            both = await asyncio.gather(
                *(_found(self._resolver, host, kind) for kind in ("A", "AAAA")),
                return_exceptions=True,
            )
        except (DNSException, OSError) as error:
            raise NamesUnavailable(type(error).__name__) from error
        found = [address for one in both if isinstance(one, list) for address in one]
        failed = [one for one in both if isinstance(one, BaseException)]
        for fault in failed:
            if not isinstance(fault, DNSException | OSError):
                raise fault
        if failed and not found:
            raise NamesUnavailable(type(failed[0]).__name__) from failed[0]
        if not found:
            raise NoSuchHost
        return found


async def _resolver(server: Endpoint | None) -> Resolver:
    from dns.asyncresolver import Resolver
    from dns.nameserver import Do53Nameserver

    resolver = Resolver(configure=server is None)
    if server is not None:
        loop = asyncio.get_running_loop()
        known = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        resolver.nameservers = [Do53Nameserver(str(known[0][4][0]), server.port)]
    resolver.timeout = _ONE_TRY
    resolver.lifetime = _PATIENCE
    resolver.cache = None
    return resolver


async def _found(resolver: Resolver, host: str, kind: str) -> list[Address]:
    from dns.resolver import NXDOMAIN, NoAnswer

    try:
        answer = await resolver.resolve(f"{host}.", kind, search=False)
    except (NXDOMAIN, NoAnswer):
        return []
    return [ip_address(item.to_text()) for item in answer]
