"""The check of one stored or arriving message, with what a process has for it.

- Header and body hashes of a small message are taken here; a longer one is read in a process of
  its own, of the parser's kind, which gives way to everybody and ends when there was nothing to
  read for a while.
- A relay's word counts only from a peer that is exempt, in the fields of `auth_results_from`.
- A message that cannot be read is `unknown`, with the reason `unreadable`: never an exception.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gateway.authentication.answers import Dns
from gateway.authentication.check import Checked, Trace, check
from gateway.authentication.relay_word import RelayWord, read_relay_word
from gateway.authentication.result import Arc, Authentication, Dmarc, Hop, Override, Scope, Spf
from gateway.authentication.signed_message import SignedMessage, read_signed
from gateway.parser.ipc import Request
from gateway.parser.process import ParserProcess

SMALL = 16 * 1024
_IDLE_SECONDS = 60.0
# A process that has died of a message is started once more for it: it may have been the machine.
_TRIES = 2


def _in_memory() -> AbstractAsyncContextManager[Path | None]:
    return nullcontext()


class Sent(NamedTuple):
    """A message and the client that brought it: octets in memory, or the file that has them.

    `is_relayed`: the peer was exempt, so that its word may count. `at_hand` opens the file, and may
    have to fetch it first.
    """

    body: bytes | None
    size: int
    hop: Hop
    is_relayed: bool
    at_hand: Callable[[], AbstractAsyncContextManager[Path | None]] = _in_memory


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the operator: our name, whose word counts, whose seals count."""

    hostname: str
    auth_results_from: tuple[str, ...] = ()
    arc_trusted_sealers: frozenset[str] = frozenset()


class SenderCheck:
    """Checks messages; one for the process. `close` ends the process that reads long ones."""

    def __init__(self, dns: Dns, rules: Rules, *, size_limit: int) -> None:
        self._dns = dns
        self._rules = rules
        self._process = ParserProcess(size_limit=size_limit)
        self._turn = asyncio.Lock()
        self._last_read = 0.0
        self._resting: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process for long messages, if it runs."""
        return self._process.pid

    async def check(self, sent: Sent, *, now: int) -> Checked:
        """Check a message; `now` in microseconds. Raises ParserUnavailable."""
        message = await self._read(sent)
        if message is None:
            return _unreadable(sent.hop)
        return await check(
            message,
            sent.hop,
            self._dns,
            now=now,
            relay_word=self._word(sent, message),
            hostname=self._rules.hostname,
            arc_trusted_sealers=self._rules.arc_trusted_sealers,
        )

    def _word(self, sent: Sent, message: SignedMessage) -> RelayWord | None:
        names = self._rules.auth_results_from
        # Anybody can write Authentication-Results; only a relay of ours removes those of strangers.
        return read_relay_word(message.header, names) if names and sent.is_relayed else None

    async def _read(self, sent: Sent) -> SignedMessage | None:
        if sent.body is not None and len(sent.body) <= SMALL:
            return read_signed([sent.body])
        for _ in range(_TRIES):
            async with self._turn, sent.at_hand() as file:
                path = None if file is None else str(file)
                request = Request(sent.body or b"", path, sent.size, with_html=False, signed=True)
                found = await self._process.read_signed(request)
                self._last_read = time.monotonic()
            if self._resting is None or self._resting.done():
                self._resting = asyncio.create_task(self._rest())
            if isinstance(found, SignedMessage):
                return found
        return None

    async def _rest(self) -> None:
        """End the process once there was nothing to read for a while."""
        # Each turn sleeps until the earliest moment at which it may be idle.
        while (idle := time.monotonic() - self._last_read) < _IDLE_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(_IDLE_SECONDS - idle)
        async with self._turn:
            await self._process.stop()

    async def close(self) -> None:
        """End the process."""
        if self._resting is not None:
            self._resting.cancel()
            await asyncio.gather(self._resting, return_exceptions=True)
        await self._process.stop()


def _unreadable(hop: Hop) -> Checked:
    scope: Scope = "mailfrom" if hop.reverse_path else "helo"
    authentication = Authentication(
        verdict="unknown",
        source="computed",
        from_domain=None,
        override=None,
        spf=Spf("none", scope, None, reason="unreadable"),
        dkim=(),
        dmarc=Dmarc("none", reason="unreadable"),
        arc=Arc("none"),
    )
    return Checked(authentication, temporary=True, trace=Trace((), (), None, ()))


_DECIDED: Mapping[str | None, Override] = {"exempt": "exempt", "postmaster": "postmaster"}


def with_override(found: Authentication, decided: str | None) -> Authentication:
    """Name why a failed message was taken, when that was decided before it was stored."""
    is_refusable = found.dmarc.result == "fail" and found.dmarc.policy == "reject"
    if not is_refusable or found.override is not None:
        return found
    return replace(found, override=_DECIDED.get(decided))
