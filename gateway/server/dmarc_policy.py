"""`dmarc = "reject"`: the check of the sender between the last octet and the reply.

- Refused is only what fails DMARC under a published `p=reject` without `t=y`, with no passing ARC
  chain of a trusted sealer: never on a temporary error, never on SPF alone, never when the check
  takes more than 15 seconds. All else is stored, and checked once more by the job.
- A peer that is exempt is a relay: it has answered 250 already, and a refusal would make it bounce
  to whoever was forged. Its mail is checked only where it names the client (XFORWARD, PROXY).
- Postmaster and abuse get all mail (RFC 5321 4.5.1): with one of them nobody is refused; by LMTP
  the others are.
- The decision is stored with the message (`dmarc_override`), and shown where it mattered.

RFC 9989 5.4, RFC 7372 3.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from config.logs import event
from gateway.authentication.result import Hop
from gateway.delivery.ports import DeliveryPort
from gateway.jobs.sender_check import SenderCheck, Sent
from storage.clock import Clock
from storage.content.message_bytes import SpoolFile
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    PolicyRefused,
    Recipient,
    Repeated,
    RouteChanged,
    Stored,
)
from storage.errors import OutcomeUnknown, StoreUnavailable

logger = logging.getLogger("postroom.authentication")

SECONDS = 15.0
IN_FLIGHT = 50
_ALWAYS = {"postmaster", "abuse"}


@contextlib.asynccontextmanager
async def refusing(
    deliverer: DeliveryPort, sender_check: SenderCheck, clock: Clock
) -> AsyncGenerator[PolicyDeliverer, None]:
    """Give a deliverer that refuses what a policy wants refused; at the end nothing is left."""
    policy = PolicyDeliverer(deliverer, sender_check, clock)
    try:
        yield policy
    finally:
        await policy.close()


class PolicyDeliverer:
    """Checks messages on their way to the deliverer."""

    def __init__(self, deliverer: DeliveryPort, sender_check: SenderCheck, clock: Clock) -> None:
        self._deliverer = deliverer
        self._sender_check = sender_check
        self._clock = clock
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: dict[asyncio.Future[Outcome], asyncio.Task[None]] = {}
        self._submitted: dict[asyncio.Future[Outcome], asyncio.Future[Outcome]] = {}
        self._withdrawn: set[asyncio.Future[Outcome]] = set()

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        """See `gateway.delivery.group_commit.Deliverer.submit`."""
        if arrival.behind_relay:
            return self._deliverer.submit(arrival._replace(dmarc_override="exempt"), spool)
        everybody = [_gets_all(one) for one in arrival.recipients]
        if all(everybody) or (any(everybody) and not arrival.each_recipient):
            return self._deliverer.submit(arrival._replace(dmarc_override="postmaster"), spool)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._tasks[outcome] = asyncio.create_task(self._decide(arrival, spool, outcome))
        return outcome

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        """See `gateway.delivery.group_commit.Deliverer.withdraw`."""
        if outcome in self._submitted:
            self._deliverer.withdraw(self._submitted[outcome])
        elif outcome in self._tasks:
            self._withdrawn.add(outcome)
        else:
            self._deliverer.withdraw(outcome)

    async def close(self) -> None:
        """Give up the checks under way: their messages were never answered."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender_check.close()

    async def _decide(
        self, arrival: Arrival, spool: SpoolFile | None, outcome: asyncio.Future[Outcome]
    ) -> None:
        try:
            refused = await self._is_refused(arrival, spool)
        except asyncio.CancelledError:
            if spool is not None:
                spool.discard()
            _set(outcome, StoreUnavailable("the process ends"))
            del self._tasks[outcome]
            raise
        try:
            _set(outcome, await self._carry_out(arrival, spool, outcome, refused=refused))
        except (Exception, asyncio.CancelledError) as error:  # it is its session's
            _set(
                outcome,
                error if isinstance(error, Exception) else OutcomeUnknown("the process ends"),
            )
        finally:
            del self._tasks[outcome]
            self._submitted.pop(outcome, None)
            self._withdrawn.discard(outcome)

    async def _is_refused(self, arrival: Arrival, spool: SpoolFile | None) -> bool:
        """Whether the author's domain wants it; no after 15 seconds, and after any fault."""
        content = arrival.content
        sent = Sent(
            content.body,
            content.size,
            Hop(arrival.client_ip or None, arrival.helo, arrival.reverse_path, behind_relay=False),
            is_relayed=arrival.named_by == "xforward",
            at_hand=lambda: contextlib.nullcontext(None if spool is None else spool.path),
        )
        try:
            async with asyncio.timeout(SECONDS), self._places:
                checked = await self._sender_check.check(sent, now=self._clock())
        except Exception as error:
            level = logging.WARNING if isinstance(error, TimeoutError) else logging.ERROR
            event(logger, "policy_unchecked", level=level, cause=repr(error))
            return False
        found = checked.authentication
        asks = found.verdict == "failed" and found.dmarc.policy == "reject"
        return asks and not found.dmarc.testing and found.override is None

    async def _carry_out(
        self,
        arrival: Arrival,
        spool: SpoolFile | None,
        outcome: asyncio.Future[Outcome],
        *,
        refused: bool,
    ) -> Outcome:
        if not refused:
            return await self._submit(arrival, spool, outcome)
        places = range(len(arrival.recipients))
        kept = [at for at in places if _gets_all(arrival.recipients[at])]
        away = tuple(at for at in places if at not in kept)
        if not kept:
            if spool is not None:
                await asyncio.to_thread(spool.discard)
            return PolicyRefused(away)
        some = arrival._replace(
            recipients=tuple(arrival.recipients[at] for at in kept), dmarc_override="postmaster"
        )
        others = await self._submit(some, spool, outcome)
        assert isinstance(others, Stored | Repeated | RouteChanged)
        said = tuple((kept[at], verdict) for at, verdict in others.refused)
        return PolicyRefused(away, replace(others, refused=said))

    async def _submit(
        self, arrival: Arrival, spool: SpoolFile | None, outcome: asyncio.Future[Outcome]
    ) -> Outcome:
        submitted = self._submitted[outcome] = self._deliverer.submit(arrival, spool)
        if outcome in self._withdrawn:
            self._deliverer.withdraw(submitted)
        return await asyncio.shield(submitted)


def _gets_all(recipient: Recipient) -> bool:
    return recipient.local_part.lower() in _ALWAYS


def _set(outcome: asyncio.Future[Outcome], result: Outcome | Exception) -> None:
    if outcome.done():
        return
    if isinstance(result, Exception):
        outcome.set_exception(result)
    else:
        outcome.set_result(result)
