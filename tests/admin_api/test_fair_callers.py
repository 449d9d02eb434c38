"""Callers beside each other: a light call beside many heavy ones, through the API."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from storage.contacts import contacts
from storage.contacts.contacts import ContactPage
from storage.database import Tx
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, World

CONTACTS = "/v1/contacts/"
_COUNT = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    SELECT COUNT(*) AS counted FROM n
"""


@pytest.fixture
def heavy_lists(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of the contacts of one inbox is work for the store, some hundredths of a second."""
    search = contacts.search_contacts

    async def slow(
        tx: Tx, *, tenant_id: bytes, inbox_id: bytes, text: str, position: int, limit: int
    ) -> ContactPage:
        if inbox_id == world.raw[SALES]:
            await tx.fetch_one(_COUNT, {"rows": 100_000})
        return await search(
            tx,
            tenant_id=tenant_id,
            inbox_id=inbox_id,
            text=text,
            position=position,
            limit=limit,
        )

    monkeypatch.setattr(contacts, "search_contacts", slow)


@pytest.mark.usefixtures("heavy_lists")
@pytest.mark.parametrize("who", [FOREIGN_INBOX, SUPPORT, AGENT])
async def test_a_light_list_does_not_wait_behind_twelve_heavy_callers(
    world: World, who: str
) -> None:
    """While a light caller has a few calls answered, the twelve have not all had theirs."""
    async with world.client(SALES) as api, world.client(who) as light:
        alone = await _seconds(api)
        served = 0

        async def press() -> None:
            nonlocal served
            while True:
                assert (await api.get(CONTACTS)).status_code in (200, 429)
                served += 1

        pressing = [asyncio.create_task(press()) for _ in range(12)]
        await asyncio.sleep(alone * 3)
        waited = []
        for _ in range(5):
            before = served
            began = time.monotonic()
            assert (await light.get(CONTACTS)).status_code == 200
            waited.append((served - before, time.monotonic() - began))
        for task in pressing:
            task.cancel()
        await asyncio.wait(pressing)
    # In one queue for all, each light read would be behind twelve heavy ones.
    assert sorted(count for count, _ in waited)[2] < 8, waited


async def _seconds(api: httpx2.AsyncClient) -> float:
    began = time.monotonic()
    assert (await api.get(CONTACTS)).status_code == 200
    return time.monotonic() - began
