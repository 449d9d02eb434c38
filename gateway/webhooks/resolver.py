"""The addresses of a host, from the DNS and from nowhere else: no hosts file, no search list.

A name that is not there, or has no address, is `NoSuchHost`; a server that is silent or fails is
`NamesUnavailable`, never a verdict about the name.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from admin_api.dns.cache import DnsCache
from gateway.webhooks.targets import Address


class NoSuchHost(Exception):
    """The DNS knows no address of this name."""


class NamesUnavailable(Exception):
    """The DNS gives no answer now."""


class Names:
    """Asks the DNS cache of the process."""

    def __init__(self, dns: DnsCache) -> None:
        self._dns = dns

    async def addresses(self, host: str) -> list[Address]:
        """All addresses of a host. Raises NoSuchHost, NamesUnavailable."""
        both = await asyncio.gather(self._dns.lookup(host, "A"), self._dns.lookup(host, "AAAA"))
        found = [ip_address(text.decode()) for reply in both for text in reply.records]
        failed = [reply.cause for reply in both if reply.state == "failed"]
        # A family of addresses that fails is no verdict on the other.
        if failed and not found:
            raise NamesUnavailable(failed[0])
        if not found:
            raise NoSuchHost
        return found
