"""Sessions: a signed-in user, until 12 hours without a call, or 14 days in all.

- The secret is 256 random bits behind `prs_`; only its SHA-256 is stored.
- Ended, expired and unknown sessions are all not found; expired ones are deleted at the next login.
- A new password ends all sessions of its user but the one that set it.
- The time of the last use is stored to the minute, so that a call that only reads need not wait for
  a write; a session may thus end up to a minute early.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.accounts.tokens import hash_secret, new_secret
from storage.accounts.users import User, find_user
from storage.clock import DAY, HOUR, MINUTE
from storage.database import Tx

PREFIX = "prs_"
IDLE = 12 * HOUR
LIFETIME = 14 * DAY


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one user."""

    session_id: bytes
    tenant_id: bytes
    user_id: bytes
    created_at: int
    last_used_at: int
    expires_at: int


async def create_session(
    tx: Tx, *, tenant_id: bytes, user_id: bytes, now: int
) -> tuple[Session, str]:
    """Make a session; return it with its secret in clear.

    Raises NotFound when the user is deleted.
    """
    await find_user(tx, tenant_id=tenant_id, user_id=user_id)
    await _remove_lapsed(tx, user_id=user_id, now=now)
    session = Session(tx.new_id(), tenant_id, user_id, now, now, now + LIFETIME)
    secret = new_secret(PREFIX)
    await tx.execute(
        """
        INSERT INTO sessions
            (session_id, tenant_id, user_id, secret_hash, created_at, last_used_at, expires_at)
        VALUES
            (:session_id, :tenant_id, :user_id, :secret_hash, :now, :now, :expires_at)
        """,
        {
            "session_id": session.session_id,
            "tenant_id": tenant_id,
            "user_id": user_id,
            "secret_hash": hash_secret(secret),
            "now": now,
            "expires_at": session.expires_at,
        },
    )
    return session, secret


async def _remove_lapsed(tx: Tx, *, user_id: bytes, now: int) -> None:
    await tx.execute(
        """
        DELETE FROM sessions
        WHERE user_id = :user_id AND (expires_at <= :now OR last_used_at <= :idle_since)
        """,
        {"user_id": user_id, "now": now, "idle_since": now - IDLE},
    )


async def find_session_by_secret(tx: Tx, *, secret: str, now: int) -> tuple[Session, User] | None:
    """Return the live session with this secret, and its user as of now; None for any other."""
    row = await tx.fetch_one(
        """
        SELECT session_id, tenant_id, user_id, created_at, last_used_at, expires_at FROM sessions
        WHERE secret_hash = :secret_hash AND expires_at > :now AND last_used_at > :idle_since
        """,
        {"secret_hash": hash_secret(secret), "now": now, "idle_since": now - IDLE},
    )
    if row is None:
        return None
    session = Session(
        row["session_id"],
        row["tenant_id"],
        row["user_id"],
        row["created_at"],
        row["last_used_at"],
        row["expires_at"],
    )
    user = await find_user(tx, tenant_id=session.tenant_id, user_id=session.user_id)
    return session, user


def is_session_touch_due(session: Session, *, now: int) -> bool:
    """Whether the stored time of last use is old enough to be written again."""
    return now - session.last_used_at >= MINUTE


async def touch_session(tx: Tx, *, tenant_id: bytes, session_id: bytes, now: int) -> None:
    """Store the time of last use; it never goes back."""
    await tx.execute(
        """
        UPDATE sessions SET last_used_at = :now
        WHERE tenant_id = :tenant_id AND session_id = :session_id AND last_used_at < :now
        """,
        {"now": now, "tenant_id": tenant_id, "session_id": session_id},
    )


async def end_session(tx: Tx, *, tenant_id: bytes, session_id: bytes) -> None:
    """End it from the next call on; ending it twice has no further effect."""
    await tx.execute(
        "DELETE FROM sessions WHERE tenant_id = :tenant_id AND session_id = :session_id",
        {"tenant_id": tenant_id, "session_id": session_id},
    )
