"""DNS queries: which server, and the answers to one query.

Names are absolute and nothing is cached between queries. A missing name or type is an empty answer;
all other faults are dnspython's own, or OSError.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from config.values import Endpoint

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.rdata import Rdata


async def resolver_at(server: Endpoint | None, *, one_try: float, patience: float) -> Resolver:
    """Make a resolver of `server`, or the machine's own.

    Seconds for one try and for all. Raises OSError.
    """
    from dns.asyncresolver import Resolver
    from dns.nameserver import Do53Nameserver

    resolver = Resolver(configure=server is None)
    if server is not None:
        loop = asyncio.get_running_loop()
        known = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        resolver.nameservers = [Do53Nameserver(str(known[0][4][0]), server.port)]
    resolver.timeout = one_try
    resolver.lifetime = patience
    resolver.cache = None
    return resolver


async def answers(resolver: Resolver, name: str, kind: str) -> Iterable[Rdata]:
    """Return the records of this type, such as `MX`. Raises DNSException, OSError."""
    from dns.resolver import NXDOMAIN, NoAnswer

    try:
        return await resolver.resolve(f"{name}.", kind, search=False)
    except (NXDOMAIN, NoAnswer):
        return ()
