"""Disables alerts whose maker may no longer act for their inbox.

When a user loses that right, the alerts they made for the inbox, by session or by a token of
theirs, are disabled in the same transaction. A user who may act for the inbox can enable them
again, and counts as their maker from then on. Alerts made by the operator, or by a token of the
operator's, stay.
"""

from __future__ import annotations

from storage.alerts.alerts import drop_owed
from storage.database import Tx
from storage.ids import from_text

NO_RIGHT = "who set it up may no longer act for this inbox"


async def disable_without_right(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes | None = None, now: int
) -> None:
    """Disable the alerts whose maker may no longer act for their inbox.

    `inbox_id`: only that inbox has changed. An alert made by a token counts as that of its maker.
    """
    of_inbox = "AND a.inbox_id = :inbox_id" if inbox_id else ""
    rows = await tx.fetch_all(
        f"""
        SELECT a.alert_id, a.inbox_id, a.created_by FROM alerts a
        WHERE a.tenant_id = :tenant_id AND a.created_by IS NOT NULL AND a.status = 'active'
          {of_inbox}
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    for row in rows:
        if not await _has_right(tx, tenant_id, bytes(row["inbox_id"]), row["created_by"]):
            key = {"tenant_id": tenant_id, "alert_id": bytes(row["alert_id"])}
            # They would still be sent to somebody who may not read this inbox any more.
            await drop_owed(tx, **key, now=now)
            await tx.execute(
                """
                UPDATE alerts SET status = 'disabled', last_error = :reason, updated_at = :now
                WHERE tenant_id = :tenant_id AND alert_id = :alert_id
                """,
                {**key, "reason": NO_RIGHT, "now": now},
            )


async def _has_right(tx: Tx, tenant_id: bytes, inbox_id: bytes, maker: str) -> bool:
    """Whether the user, or the user who made the token, may act for the inbox."""
    key = {"tenant_id": tenant_id, "inbox_id": inbox_id}
    user_id, token_id = from_text("usr", maker), from_text("tok", maker)
    if token_id is not None:
        token = await tx.fetch_one(
            "SELECT created_by FROM tokens WHERE tenant_id = :tenant_id AND token_id = :token_id",
            {**key, "token_id": token_id},
        )
        if token is None or token["created_by"] is None:
            return True  # nobody's but the operator's
        user_id = bytes(token["created_by"])
    found = await tx.fetch_one(
        """
        SELECT 1 FROM users u JOIN inboxes i ON i.inbox_id = :inbox_id
        WHERE u.user_id = :user_id AND u.tenant_id = :tenant_id
          AND (u.role IN ('owner', 'admin') OR i.owner_user_id = u.user_id)
        """,
        {**key, "user_id": user_id},
    )
    return found is not None
