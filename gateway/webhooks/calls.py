"""The webhook job: due deliveries are claimed, called and recorded, until the process ends.

- One task talks to the store: one transaction records results and claims the next deliveries, on
  PostgreSQL one for each tenant that has some. Each
  call is a task of its own and cheap; no call waits for another.
- Endpoints that answered last time have places of their own, and so have new ones: hanging
  endpoints, however many, delay none of them. One tenant does not get all places.
- A call is retried at least until its lease ends; when the process dies, another one calls again.
- A fault of this machine (no descriptor left) is no failure of the endpoint.
- A result that the store does not take, by a fault of ours, concerns its own alert only: that one
  waits as after a failure, and the others go on.
- A test call is made immediately, beside all this, and records nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

import orjson

from admin_api.service.webhook_port import Tried
from config.logs import event
from gateway.background import parted
from gateway.webhooks.answer import Answer, NotCalled
from gateway.webhooks.caller import Caller
from gateway.webhooks.signing import signed_headers
from storage.alerts.alerts import ANSWERING, FAILING, NEW, Alert
from storage.clock import SECOND, Clock, rfc3339
from storage.database import PartitionWrites, Tx
from storage.errors import StoreUnavailable
from storage.events.catalogue import body_of
from storage.events.log import Event
from storage.ids import to_text
from storage.notifications import webhook_outcomes, webhook_queue
from storage.notifications.webhook_outcomes import WebhookClaim, WebhookResult
from storage.notifications.webhook_queue import Room, WebhookCall
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.webhooks")

PLACES = {ANSWERING: 256, NEW: 256, FAILING: 128}
_OF_ONE_TENANT = 0.75
_CLAIMED_AT_ONCE = 100
_PARTITIONS = 50
_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 0.002
_AWAY_SECONDS = 2.0
_NOT_CALLED_AGAIN = 5 * SECOND
TEST_TYPE = "alert.test"


class WebhookCalls:
    """The webhook task of this process; `wake` is its wake-up, set when a call may be due."""

    def __init__(self, database: PartitionWrites, clock: Clock, caller: Caller) -> None:
        self.wake = WakeUp()
        self._database = database
        self._clock = clock
        self._caller = caller
        self._owner = os.urandom(16)
        self._under_way: dict[asyncio.Task[None], WebhookClaim] = {}
        self._outcomes: list[WebhookResult] = []
        self._not_called: list[WebhookClaim] = []
        self._interrupted: list[WebhookClaim] = []

    async def run(self) -> None:
        """Call what is due, and whatever comes to be, until cancelled."""
        try:
            while True:
                woken = self.wake.wait_next()
                try:
                    pause = await self._turn()
                except StoreUnavailable as error:
                    event(logger, "webhooks_wait", level=logging.WARNING, cause=repr(error))
                    pause = _AWAY_SECONDS
                except Exception:  # a fault of ours must not silence all later calls
                    logger.exception("webhooks_failed")
                    pause = _AWAY_SECONDS
                await woken_within(woken, pause)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            await self._stop()

    async def _turn(self) -> float:
        """Keep what came of calls, make the next ones; how long there is nothing to do then."""
        due = await self._database.read_quick(webhook_queue.next_due)
        now = self._clock()
        is_due = due is not None and due <= now
        if not (is_due or self._outcomes or self._not_called):
            return _POLL_SECONDS if due is None else min(_POLL_SECONDS, (due - now) / SECOND)
        due_in: list[bytes] = []
        if is_due:
            due_in = await self._database.read_quick(
                partial(webhook_queue.due_partitions, now=now, limit=_PARTITIONS)
            )
        outcomes = parted(self._database, self._outcomes, lambda one: one.claim.tenant_id)
        not_called = parted(self._database, self._not_called, lambda one: one.tenant_id)
        most = 0
        for part in dict.fromkeys([*outcomes, *not_called, *due_in]):
            kept, given_back = outcomes.get(part, []), not_called.get(part, [])
            claims = await self._keep_and_claim(part, kept, given_back)
            if claims:
                await self._begin(claims)
            most = max(most, len(claims))
        return 0 if most >= _CLAIMED_AT_ONCE or len(due_in) >= _PARTITIONS else _POLL_SECONDS

    async def _keep_and_claim(
        self, part: bytes, kept: Sequence[WebhookResult], given_back: Sequence[WebhookClaim]
    ) -> list[WebhookClaim]:
        """Record results and claim deliveries of a partition; unrecorded results stay."""
        busy = {one.alert_id for one in self._under_way.values()}

        async def work(tx: Tx) -> tuple[list[WebhookClaim], list[WebhookClaim]]:
            now = self._clock()
            disabled = await self._finish(tx, kept, now)
            later = now + _NOT_CALLED_AGAIN
            await webhook_outcomes.release_uncalled(tx, given_back, owner=self._owner, now=later)
            claims: list[WebhookClaim] = []
            for lane in PLACES:
                if room := self._room(part, lane, busy):
                    claims += await webhook_queue.claim(tx, owner=self._owner, room=room, now=now)
            return claims, disabled

        try:
            claims, disabled = await self._database.write_in(part, work)
        except StoreUnavailable:
            raise
        except Exception:  # whatever of it was the fault, the rest is kept
            for outcome in kept:
                await self._keep_alone(outcome)
                self._outcomes.remove(outcome)
            raise
        for outcome in kept:
            self._outcomes.remove(outcome)
        for claimed in given_back:
            self._not_called.remove(claimed)
        _log_disabled(disabled)
        return claims

    async def _finish(self, tx: Tx, kept: Sequence[WebhookResult], now: int) -> list[WebhookClaim]:
        # Calls that failed at one time must not all come again at one time.
        jitter = random.random()
        return await webhook_outcomes.finish(tx, kept, owner=self._owner, jitter=jitter, now=now)

    async def _keep_alone(self, outcome: WebhookResult) -> None:
        """Keep one outcome; one that the store cannot take, as a failure of which nothing is known.

        When that fails as well the lease runs out, and the call is made again: so many times at
        most as any other.
        """
        unknown = WebhookResult(outcome.claim, outcome.target, error=webhook_outcomes.UNKNOWN)
        for one in (outcome, unknown):
            try:
                finish = partial(self._finish, kept=[one], now=self._clock())
                part = self._database.partition_of(outcome.claim.tenant_id)
                disabled = await self._database.write_in(part, finish)
            except StoreUnavailable:
                raise
            except Exception:
                alert = to_text("alr", outcome.claim.alert_id)
                logger.exception("webhook_not_kept", extra={"pairs": {"alert": alert}})
                continue
            _log_disabled(disabled)
            return

    def _room(self, part: bytes, lane: int, busy: set[bytes]) -> Room | None:
        mine = [one for one in self._under_way.values() if one.lane == lane]
        most = PLACES[lane] * _OF_ONE_TENANT
        tenants = Counter(one.tenant_id for one in mine)
        full = [tenant_id for tenant_id, count in tenants.items() if count >= most]
        limit = min(PLACES[lane] - len(mine), _CLAIMED_AT_ONCE)
        return Room(part, lane, limit, busy, full) if limit > 0 else None

    async def _begin(self, claims: Sequence[WebhookClaim]) -> None:
        """Make the calls; those that cannot be looked up now are given back."""
        now = self._clock()
        try:
            calls = await self._database.read(lambda tx: webhook_queue.load(tx, claims, now=now))
        except BaseException:
            # Else they would wait for the end of their lease.
            self._not_called += claims
            raise
        for call in calls:
            if call.event is None:
                self._outcomes.append(WebhookResult(call.claim, call.target, dropped=True))
                self.wake.set()
                continue
            task = asyncio.create_task(self._make(call, call.event))
            self._under_way[task] = call.claim
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claimed = self._under_way.pop(task)
        if task.cancelled():
            self._interrupted.append(claimed)
        self.wake.set()

    async def _make(self, call: WebhookCall, told: Event) -> None:
        claimed = call.claim
        # The same at each try: by it a receiver knows a call that it has had.
        name = to_text("dlv", claimed.delivery_id)
        began = time.monotonic()
        try:
            body = orjson.dumps(body_of(told, claimed.inbox_id))
            answer = await self._send(call.target, call.secrets, name, body)
        except NotCalled as error:
            event(logger, "webhook_not_called", level=logging.WARNING, cause=str(error))
            self._not_called.append(claimed)
            return
        except Exception:  # a fault of ours, which the next try may meet again
            logger.exception("webhook_fault")
            answer = Answer(None, "the call could not be made")
        self._outcomes.append(
            WebhookResult(
                claimed,
                call.target,
                status=answer.status,
                error=answer.error,
                wait=answer.wait,
                gone=answer.gone,
            )
        )
        event(
            logger,
            "webhook",
            alert=to_text("alr", claimed.alert_id),
            delivery=name,
            attempt=claimed.tries,
            status=answer.status,
            error=answer.error,
            ms=_milliseconds(began),
        )

    async def _send(self, target: str, secrets: Sequence[bytes], name: str, body: bytes) -> Answer:
        seconds = self._clock() // SECOND
        signed = signed_headers(secrets, name=name, seconds=seconds, body=body)
        return await self._caller.call(target, {**_HEADERS, **signed}, body)

    async def test(self, alert: Alert) -> Tried:
        """Send one signed call to an alert's webhook now, on or off; what came of it."""
        now = self._clock()
        secrets = await self._database.read(
            lambda tx: webhook_queue.secrets_of(tx, alert_id=alert.alert_id, now=now)
        )
        ids = {
            "inbox_id": to_text("inb", alert.inbox_id),
            "alert_id": to_text("alr", alert.alert_id),
        }
        body = orjson.dumps({"type": TEST_TYPE, "timestamp": rfc3339(now), "data": ids})
        began = time.monotonic()
        try:
            name = f"test_{os.urandom(16).hex()}"
            answer = await self._send(alert.target, secrets, name, body)
        except NotCalled:
            return Tried(None, "the server could not make the call now", _milliseconds(began))
        return Tried(answer.status, answer.error, _milliseconds(began))

    async def _stop(self) -> None:
        """End what is under way; it is somebody else's at once."""
        tasks = dict(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kept = parted(self._database, self._outcomes, lambda one: one.claim.tenant_id)
        given_back = parted(self._database, self._not_called, lambda one: one.tenant_id)
        interrupted = parted(self._database, self._interrupted, lambda one: one.tenant_id)

        async def work(tx: Tx, *, part: bytes) -> None:
            now, owner = self._clock(), self._owner
            await self._finish(tx, kept.get(part, ()), now)
            uncalled, begun = given_back.get(part, ()), interrupted.get(part, ())
            await webhook_outcomes.release_uncalled(tx, uncalled, owner=owner, now=now)
            await webhook_outcomes.release_interrupted(tx, begun, owner=owner, now=now)

        for part in dict.fromkeys([*kept, *given_back, *interrupted]):
            try:
                await self._database.write_in(part, partial(work, part=part))
            except StoreUnavailable as error:  # the leases run out
                event(logger, "webhooks_not_kept", level=logging.WARNING, cause=repr(error))
            except Exception:
                logger.exception("webhooks_failed")


def _log_disabled(claims: Sequence[WebhookClaim]) -> None:
    for one in claims:
        event(
            logger,
            "webhook_disabled",
            level=logging.WARNING,
            alert=to_text("alr", one.alert_id),
            inbox=to_text("inb", one.inbox_id),
        )


_HEADERS = {"content-type": "application/json", "user-agent": "Postroom"}


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
