"""What alerts do beside calling webhooks: whether an event passes a filter, and making a task."""

from __future__ import annotations

from collections.abc import Mapping

from storage.database import Tx
from storage.event_log import Event
from storage.tasks import Draft, create_task


async def passes(
    tx: Tx, *, event: Event, inbox_id: bytes, wanted: Mapping[str, str], now: int
) -> bool:
    """Whether an event, as this inbox sees it, is one that the filter `wanted` names."""
    return not wanted


async def make_task(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, title: str, event: Event, now: int
) -> None:
    """Put a task for the event on the inbox's agenda; `title` may hold `{field}`s."""
    draft = Draft("alert", title, thread_id=event.thread_id)
    await create_task(
        tx, tenant_id=tenant_id, inbox_id=inbox_id, draft=draft, created_by=None, now=now
    )
