"""Calls that make, change and read alerts, and the router that follows a commit."""

from functools import partial
from typing import Any

import httpx2

from storage.alerts import alerts
from storage.alerts.alerts import Alert
from storage.ids import from_text
from storage.notifications.fan_out import find_owed, record_owed
from tests.admin_api.teamwork.team import get, post
from tests.builders import (
    SALES,
    World,
)

Record = dict[str, Any]  # one JSON object; the border of the API

ALERTS = "/v1/alerts/"
INBOX = f"/v1/inboxes/{SALES}/"
HOOK = {"type": "webhook", "target": "https://hooks.example.test/in"}
NEWS = ["message.received"]


def task(title: str) -> Record:
    return {"type": "task", "target": title}


async def made(world: World, who: str = SALES, **parts: object) -> Record:
    answer = await post(world, who, ALERTS, **{"events": NEWS, "delivery": HOOK, **parts})
    assert answer.status_code == 201, answer.text
    record: Record = answer.json()
    return record


async def change(world: World, path: str, who: str = SALES, **body: object) -> httpx2.Response:
    async with world.client(who) as api:
        return await api.patch(path, json=body)


async def routed(world: World) -> None:
    """Do what the router does after a commit, until nothing is new."""
    now = world.clock()
    while batches := await world.database.read(lambda tx: find_owed(tx, seen={}, now=now)):
        for batch in batches:
            await world.database.write(partial(record_owed, batch=batch, now=now))


async def stored(world: World, record: Record) -> Alert:
    key = {
        "tenant_id": world.tenant_id,
        "inbox_id": from_text("inb", record["inbox_id"]) or b"",
        "alert_id": from_text("alr", record["alert_id"]) or b"",
    }
    return await world.database.read(lambda tx: alerts.find_alert(tx, **key))


async def owed(world: World, record: Record) -> list[Record]:
    page = await get(world, SALES, f"{ALERTS}{record['alert_id']}/deliveries/")
    found: list[Record] = page["results"]
    return found
