"""What tests of webhooks need: alerts in a store, and the jobs that tell of its events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from ipaddress import ip_network

from admin_api.dns.cache import dns_cache
from gateway.jobs.alert_fan_out import Alerting
from gateway.webhooks.caller import Caller
from gateway.webhooks.calls import WebhookCalls
from gateway.webhooks.resolver import Names
from gateway.webhooks.targets import Network
from storage.alerts.alerts import Alert, Draft, create_alert, find_alert
from storage.clock import Clock
from storage.database import Store
from storage.notifications.webhook_deliveries import Delivery, list_deliveries
from storage.wakeup import WakeUp
from tests.builders import SALES, World

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
RECEIVED = "message.received"


async def webhook(
    world: World, target: str, *events: str, inbox: str = SALES, **chosen: str
) -> tuple[Alert, str]:
    """A new alert of an inbox, and its secret."""
    return await _alert(world, Draft(events or (RECEIVED,), "webhook", target, chosen), inbox)


async def task_alert(world: World, title: str, *events: str, inbox: str = SALES) -> Alert:
    """A new alert that makes tasks."""
    alert, _ = await _alert(world, Draft(events or (RECEIVED,), "task", title, {}), inbox)
    return alert


async def _alert(world: World, draft: Draft, inbox: str) -> tuple[Alert, str]:
    alert, secret = await world.database.write(
        lambda tx: create_alert(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[inbox],
            draft=draft,
            created_by=None,
            now=world.clock(),
        )
    )
    return alert, secret or ""


async def current(world: World, alert: Alert) -> Alert:
    """The alert as it is now."""
    return await world.database.read(
        lambda tx: find_alert(
            tx, tenant_id=alert.tenant_id, inbox_id=alert.inbox_id, alert_id=alert.alert_id
        )
    )


async def deliveries(world: World, alert: Alert) -> list[Delivery]:
    """The deliveries of an alert, oldest first."""
    found = await world.database.read(lambda tx: list_deliveries(tx, alert=alert, limit=10_000))
    return found[::-1]


async def owed(world: World, alert: Alert, count: int) -> list[Delivery]:
    """Wait until an alert has so many deliveries, whatever became of them, and return them."""
    async with asyncio.timeout(20):
        while len(found := await deliveries(world, alert)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def settled(
    world: World, alert: Alert, *statuses: str, seconds: float = 20
) -> list[Delivery]:
    """Wait until the deliveries of an alert have these statuses, and return them."""
    found: list[Delivery] = []
    try:
        async with asyncio.timeout(seconds):
            while [each.status for each in found] != list(statuses):
                found = await deliveries(world, alert)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"the deliveries are {found}") from None
    return found


@contextlib.asynccontextmanager
async def telling(
    database: Store,
    clock: Clock,
    commits: WakeUp,
    *,
    caller: Caller | None = None,
    allowed: Collection[Network] = LOOPBACK,
) -> AsyncIterator[WebhookCalls]:
    """The jobs of one gateway."""
    calls = WebhookCalls(database, clock, caller or Caller(Names(dns_cache(None)), allowed))
    alerting = Alerting(database, commits, clock, calls.wake.set)
    jobs = [asyncio.create_task(alerting.run()), asyncio.create_task(calls.run())]
    try:
        yield calls
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
