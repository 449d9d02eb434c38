"""Placeholder values of a thread, for rendering templates.

- `sender` is the From address of the newest visible message that does not come from the tenant's
  own addresses, else of the newest one; `first_name` is the first word of the name beside it (of
  `Doe, Jane` it is Jane); `subject` is the thread's.
- Unknown values are left out.
"""

from __future__ import annotations

from storage.address import canonical_or_none
from storage.database import Row, Tx
from storage.mailbox.visibility import VISIBLE, View, thread_subject

# A thread of colleagues alone has no other sender: it must not be read to its end.
_LOOKED_AT = 50


async def from_thread(tx: Tx, *, view: View, thread_id: bytes) -> dict[str, str]:
    """Return the values for a thread as the viewer sees it."""
    rows = await tx.fetch_all(
        f"""
        SELECT m.from_name, m.from_email FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
        ORDER BY m.message_id DESC LIMIT {_LOOKED_AT}
        """,
        {**view.params, "thread_id": thread_id},
    )
    subject = await thread_subject(tx, view=view, thread_id=thread_id)
    known = {"subject": subject} if rows else {}
    for row in rows:
        if not await _is_ours(tx, view.tenant_id, row["from_email"]):
            return known | _sender(row)
    return known | (_sender(rows[0]) if rows else {})


async def _is_ours(tx: Tx, tenant_id: bytes, email: str) -> bool:
    row = await tx.fetch_one(
        "SELECT 1 FROM addresses WHERE canonical = :canonical AND tenant_id = :tenant_id",
        {"canonical": canonical_or_none(email) or "", "tenant_id": tenant_id},
    )
    return row is not None


def _sender(row: Row) -> dict[str, str]:
    found = {"sender": row["from_email"], "first_name": first_name(row["from_name"])}
    return {key: value for key, value in found.items() if value}


def first_name(name: str) -> str:
    """Return the first name in a display name; empty when there is none."""
    family, comma, given = name.partition(",")
    words = (given if comma and given.strip() else family).strip(" \"'").split()
    return words[0] if words else ""
