"""Credential marks: they show that a token, session or inbox has changed since a stream began.

- A mark holds everything on which access was granted; an invalid credential has no mark. A stream
  compares the mark of its beginning with the present one, and ends when they differ.
- The mark of an inbox is its owner; a deleted inbox has none.
"""

from __future__ import annotations

from collections.abc import Collection

from storage.accounts.sessions import IDLE
from storage.database import Tx
from storage.sql import chunks, in_list

_AT_ONCE = 500

CredentialMark = tuple[object, ...]


async def credential_marks(
    tx: Tx, *, ids: Collection[bytes], now: int
) -> dict[bytes, CredentialMark]:
    """Return the marks of these tokens, sessions and inboxes, by id."""
    found: dict[bytes, CredentialMark] = {}
    for some in chunks(sorted(ids), _AT_ONCE):
        chosen, names = in_list(some)
        params = {**names, "now": now, "idle_since": now - IDLE}
        for statement, columns in _MARKS:
            for row in await tx.fetch_all(statement.format(chosen), params):
                found[bytes(row["id"])] = tuple(row[column] for column in columns)
    return found


_TOKENS = """
    SELECT t.token_id AS id, t.secret_hash AS secret, t.scopes, n.plan, n.governance
    FROM tokens t JOIN tenants n ON n.tenant_id = t.tenant_id
    WHERE t.token_id IN ({}) AND t.status = 'active'
      AND (t.expires_at IS NULL OR t.expires_at > :now)
"""
_SESSIONS = """
    SELECT s.session_id AS id, s.secret_hash AS secret, u.role, n.plan, n.governance
    FROM sessions s
    JOIN users u ON u.user_id = s.user_id
    JOIN tenants n ON n.tenant_id = s.tenant_id
    WHERE s.session_id IN ({}) AND s.expires_at > :now AND s.last_used_at > :idle_since
"""
_INBOXES = """
    SELECT inbox_id AS id, owner_user_id AS owner FROM inboxes
    WHERE inbox_id IN ({}) AND deleted_at IS NULL
"""
# All that was granted on: a stream must end when it could not be begun any more.
_MARKS = (
    (_TOKENS, ("secret", "scopes", "plan", "governance")),
    (_SESSIONS, ("secret", "role", "plan", "governance")),
    (_INBOXES, ("owner",)),
)
