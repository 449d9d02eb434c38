"""Sessions: a signed-in user, until 12 hours without a call, or 14 days in all.

- The secret is 256 random bits behind `prs_`; only its SHA-256 is stored.
- Ended, expired and unknown sessions are all not found; expired ones are deleted at the next login.
- A session is of a kind: `api`, for the Authorization header, or `page`, for the page's cookie. One
  of the other kind is not found, so that a stolen secret is of no use the other way.
- A new password ends all sessions of its user but the one that set it.
- The time of the last use is stored to the minute, so that a call that only reads need not wait for
  a write; a session may thus end up to a minute early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.accounts.tokens import hash_secret, new_secret
from storage.accounts.users import User, find_user
from storage.clock import DAY, HOUR, MINUTE
from storage.database import Row, Tx
from storage.errors import NotFound
from storage.keyset import ALL, Keyset

PREFIX = "prs_"
IDLE = 12 * HOUR
LIFETIME = 14 * DAY
MOST_OF_USER_AGENT = 120

Kind = Literal["api", "page"]


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one user; `user_agent` and `address` tell the client that signed in."""

    session_id: bytes
    tenant_id: bytes
    user_id: bytes
    created_at: int
    last_used_at: int
    expires_at: int
    kind: Kind = "api"
    user_agent: str = ""
    address: str | None = None


async def create_session(
    tx: Tx,
    *,
    tenant_id: bytes,
    user_id: bytes,
    now: int,
    kind: Kind = "api",
    user_agent: str = "",
    address: str | None = None,
) -> tuple[Session, str]:
    """Make a session; return it with its secret in clear.

    Raises NotFound when the user is deleted.
    """
    await find_user(tx, tenant_id=tenant_id, user_id=user_id)
    await _remove_lapsed(tx, user_id=user_id, now=now)
    session = Session(
        tx.new_id(),
        tenant_id,
        user_id,
        created_at=now,
        last_used_at=now,
        expires_at=now + LIFETIME,
        kind=kind,
        user_agent=_printable(user_agent),
        address=address,
    )
    secret = new_secret(PREFIX)
    await tx.execute(
        """
        INSERT INTO sessions
            (session_id, tenant_id, user_id, secret_hash, created_at, last_used_at, expires_at,
             kind, user_agent, address)
        VALUES
            (:session_id, :tenant_id, :user_id, :secret_hash, :now, :now, :expires_at,
             :kind, :user_agent, :address)
        """,
        {
            "session_id": session.session_id,
            "tenant_id": tenant_id,
            "user_id": user_id,
            "secret_hash": hash_secret(secret),
            "now": now,
            "expires_at": session.expires_at,
            "kind": kind,
            "user_agent": session.user_agent,
            "address": address,
        },
    )
    return session, secret


def _printable(user_agent: str) -> str:
    """Return the beginning of a User-Agent field; anybody may write one."""
    return "".join(c for c in user_agent if c.isprintable())[:MOST_OF_USER_AGENT]


async def _remove_lapsed(tx: Tx, *, user_id: bytes, now: int) -> None:
    await tx.execute(
        """
        DELETE FROM sessions
        WHERE user_id = :user_id AND (expires_at <= :now OR last_used_at <= :idle_since)
        """,
        {"user_id": user_id, "now": now, "idle_since": now - IDLE},
    )


async def find_session_by_secret(
    tx: Tx, *, secret: str, now: int, kind: Kind = "api"
) -> tuple[Session, User] | None:
    """Return the live session of this kind with this secret, and its user as of now; else None."""
    row = await tx.fetch_one(
        f"""
        SELECT {_COLUMNS} FROM sessions
        WHERE secret_hash = :secret_hash AND kind = :kind AND {_IS_LIVE}
        """,
        # By the hash: the time of the look-up tells nothing of the secrets that exist.
        {"secret_hash": hash_secret(secret), "kind": kind, **_live_at(now)},
    )
    if row is None:
        return None
    session = _session(row)
    user = await find_user(tx, tenant_id=session.tenant_id, user_id=session.user_id)
    return session, user


_IS_LIVE = "expires_at > :now AND last_used_at > :idle_since"


def _live_at(now: int) -> dict[str, int]:
    return {"now": now, "idle_since": now - IDLE}


_COLUMNS = (
    "session_id, tenant_id, user_id, created_at, last_used_at, expires_at, kind, user_agent,"
    " address"
)


def _session(row: Row) -> Session:
    return Session(
        row["session_id"],
        row["tenant_id"],
        row["user_id"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        kind=row["kind"],
        user_agent=row["user_agent"],
        address=row["address"],
    )


async def list_sessions(
    tx: Tx, *, tenant_id: bytes, user_id: bytes, now: int, span: Keyset = ALL
) -> list[Session]:
    """Return the user's live sessions of both kinds, oldest first."""
    rows = await tx.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM sessions
        WHERE tenant_id = :tenant_id AND user_id = :user_id AND {_IS_LIVE}
          {span.sql("session_id")}
        """,
        {"tenant_id": tenant_id, "user_id": user_id, **_live_at(now), **span.params},
    )
    return [_session(row) for row in rows]


async def find_session(
    tx: Tx, *, tenant_id: bytes, user_id: bytes, session_id: bytes, now: int
) -> Session:
    """Return the user's live session. Raises NotFound."""
    row = await tx.fetch_one(
        f"""
        SELECT {_COLUMNS} FROM sessions
        WHERE tenant_id = :tenant_id AND user_id = :user_id AND session_id = :session_id
          AND {_IS_LIVE}
        """,
        {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "session_id": session_id,
            **_live_at(now),
        },
    )
    if row is None:
        raise NotFound("no such session")
    return _session(row)


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


async def end_other_sessions(tx: Tx, *, tenant_id: bytes, user_id: bytes, keep: bytes) -> int:
    """End all sessions of the user but the one to `keep`; how many those were."""
    return await tx.execute(
        """
        DELETE FROM sessions
        WHERE tenant_id = :tenant_id AND user_id = :user_id AND session_id <> :keep
        """,
        {"tenant_id": tenant_id, "user_id": user_id, "keep": keep},
    )
