"""By which routes an inbox got its copy, in SQL.

- A copy names its first route; further ones are in `copy_routes`.
- Only routes of an inbox's own copy may be shown to it: that another inbox got the message by a
  list may be the secret of a blind copy.
"""

from __future__ import annotations


def came_by(copy: str, *, inbox: str | None = None, route: str = "r") -> str:
    """Return the condition that the copy came by the route; both are aliases of one message.

    `inbox` is the copy's inbox, where its rows do not have that column.
    """
    return f"""(
        {route}.position = {copy}.route OR EXISTS (
            SELECT 1 FROM copy_routes w
            WHERE w.message_id = {copy}.message_id AND w.inbox_id = {inbox or f"{copy}.inbox_id"}
              AND w.position = {route}.position))"""
