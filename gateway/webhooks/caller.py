"""One webhook call: a POST to a checked address, and its result.

- The host is resolved for each call, every address must be allowed, and the connection goes to one
  of exactly these: later DNS answers do not matter. TLS verifies the name as it was written.
- 2xx is success and everything else a failure; a redirect is not followed. All of it takes 15
  seconds at most. The response's body is discarded, read only as far as a clean end of the
  connection needs.
- Faults are reported in our words: no text of the endpoint is ever shown.
- The DNS client and the certificates are loaded at the first call: an installation without webhooks
  does not pay for them.

Standard Webhooks; RFC 9110 15 (statuses), 10.2.3 (Retry-After).
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Collection, Mapping, Sequence

from gateway.webhooks.answer import Answer
from gateway.webhooks.http_client import post
from gateway.webhooks.resolver import Names, NamesUnavailable, NoSuchHost
from gateway.webhooks.targets import (
    Address,
    BadTarget,
    Network,
    Target,
    parse_target,
    require_outside,
)

PATIENCE = 15.0


class Caller:
    """Makes calls, as many at a time as it is asked to. `trust` is for tests with their own CA."""

    def __init__(
        self,
        names: Names,
        allowed: Collection[Network] = (),
        *,
        trust: ssl.SSLContext | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._names = names
        self._allowed = allowed
        self._trust = trust
        self._patience = patience
        self._prepared: asyncio.Task[ssl.SSLContext] | None = None

    async def call(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST `body`. Raises NotCalled."""
        trust = await self._prepare()
        try:
            async with asyncio.timeout(self._patience):
                target = parse_target(url, self._allowed)
                addresses = await self._vetted(target)
                return await post(target, addresses, headers, body, trust)
        except BadTarget as error:
            return Answer(None, f"the URL {error}")
        except NoSuchHost:
            return Answer(None, "the host was not found")
        except NamesUnavailable:
            return Answer(None, "the DNS did not answer")
        except TimeoutError:
            return Answer(None, f"no answer within {self._patience:g} seconds")

    async def _prepare(self) -> ssl.SSLContext:
        """Import the DNS client and read the certificates, once, where it keeps nobody waiting."""
        if self._prepared is None or (self._prepared.done() and self._prepared.exception()):
            self._prepared = asyncio.create_task(asyncio.to_thread(_prepared, self._trust))
        # A call that is cancelled must not take it away from the others who wait for it.
        return await asyncio.shield(self._prepared)

    async def _vetted(self, target: Target) -> Sequence[Address]:
        """Where the call may go. Raises BadTarget, NoSuchHost, NamesUnavailable."""
        literal = target.address
        found = [literal] if literal else await self._names.addresses(target.host)
        # Every address: a name with an outer and an inner one could else lead us inside.
        require_outside(found, target, self._allowed)
        return found


def _prepared(trust: ssl.SSLContext | None) -> ssl.SSLContext:
    importlib.import_module("dns.asyncresolver")
    return trust or ssl.create_default_context()
