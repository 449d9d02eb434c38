"""The addresses of a host, from the DNS and from nowhere else: no hosts file, no search list.

A name that is not there, or has no address, is `NoSuchHost`; a server that is silent or fails is
`NamesUnavailable`, never a verdict about the name.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from admin_api.dns.questions import answers, resolver_at
from config.values import Endpoint
from gateway.webhooks.targets import Address

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
                self._resolver = await resolver_at(
                    self._server, one_try=_ONE_TRY, patience=_PATIENCE
                )
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


async def _found(resolver: Resolver, host: str, kind: str) -> list[Address]:
    return [ip_address(item.to_text()) for item in await answers(resolver, host, kind)]
