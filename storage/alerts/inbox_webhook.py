"""The webhook of an inbox itself: an alert of the origin `inbox`, without a filter.

A new URL is another endpoint: it makes a new alert with its own secret, and the former one is
deleted with its pending deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.alerts.alerts import (
    OF_INBOX,
    WEBHOOK,
    Alert,
    Draft,
    alerts_of_inboxes,
    create_alert,
    delete_alert,
    list_alerts,
    update_alert,
)
from storage.database import Tx


async def webhooks_of_inboxes(tx: Tx, *, tenant_id: bytes) -> dict[bytes, Alert]:
    """Map each inbox of the tenant that has a webhook of its own to that webhook."""
    found = await alerts_of_inboxes(tx, tenant_id=tenant_id)
    return {each.inbox_id: each for each in found}


async def webhook_of_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes) -> Alert | None:
    """Return the inbox's own webhook."""
    found = await list_alerts(tx, tenant_id=tenant_id, inbox_id=inbox_id, origin=OF_INBOX)
    return found[0] if found else None


async def set_inbox_webhook(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    url: str | None,
    events: Sequence[str],
    created_by: str,
    revive: bool,
    now: int,
) -> tuple[Alert | None, str | None]:
    """Set the inbox's own webhook, or remove it (None); the secret when the URL is new.

    With `revive` a disabled one is active again.
    """
    key = {"tenant_id": tenant_id, "inbox_id": inbox_id}
    known = await webhook_of_inbox(tx, **key)
    # Another endpoint must not learn the former one's secret, nor get its pending deliveries.
    if known is not None and known.target != url:
        await delete_alert(tx, tenant_id=tenant_id, alert_id=known.alert_id)
        known = None
    if url is None:
        return None, None
    draft = Draft(events, WEBHOOK, url, {})
    if known is not None:
        by = created_by if revive else None
        return await update_alert(tx, alert=known, draft=draft, now=now, revived_by=by)
    return await create_alert(
        tx, **key, draft=draft, created_by=created_by, now=now, origin=OF_INBOX
    )
