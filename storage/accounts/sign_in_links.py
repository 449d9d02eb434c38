"""Links that sign somebody in once, without a password.

- The code is 256 random bits; only its SHA-256 is stored.
- A link is good for 10 minutes and for one use. Used, expired and unknown ones are all the same.
- A user has at most `MOST` links: the one that expires first gives way.
- The links of a user end with a new password and with the user.
"""

from __future__ import annotations

from storage.accounts.tokens import hash_secret, new_secret
from storage.accounts.users import User, find_user
from storage.clock import MINUTE
from storage.database import Tx

PREFIX = "prl_"
LIFETIME = 10 * MINUTE
MOST = 10


async def create_link(tx: Tx, *, tenant_id: bytes, user_id: bytes, now: int) -> str:
    """Make a link for the user; return its code in clear. Raises NotFound."""
    await find_user(tx, tenant_id=tenant_id, user_id=user_id)
    code = new_secret(PREFIX)
    await tx.execute(
        """
        INSERT INTO sign_in_links (code_hash, tenant_id, user_id, expires_at)
        VALUES (:code_hash, :tenant_id, :user_id, :expires_at)
        """,
        {
            "code_hash": hash_secret(code),
            "tenant_id": tenant_id,
            "user_id": user_id,
            "expires_at": now + LIFETIME,
        },
    )
    # Behind the insert: the new link counts, and is the last to give way.
    await tx.execute(
        """
        DELETE FROM sign_in_links
        WHERE user_id = :user_id AND (expires_at <= :now OR code_hash NOT IN (
            SELECT code_hash FROM sign_in_links WHERE user_id = :user_id
            ORDER BY expires_at DESC, code_hash LIMIT :most
        ))
        """,
        {"user_id": user_id, "now": now, "most": MOST},
    )
    return code


async def find_user_of_link(tx: Tx, *, code: str, now: int) -> User | None:
    """Return the user whom the code would sign in; else None."""
    row = await tx.fetch_one(
        """
        SELECT tenant_id, user_id FROM sign_in_links
        WHERE code_hash = :code_hash AND expires_at > :now
        """,
        {"code_hash": hash_secret(code), "now": now},
    )
    if row is None:
        return None
    return await find_user(tx, tenant_id=row["tenant_id"], user_id=row["user_id"])


async def use_link(tx: Tx, *, code: str, now: int) -> User | None:
    """Return the user whom the code signs in, and end the link; else None."""
    user = await find_user_of_link(tx, code=code, now=now)
    gone = await tx.execute(
        "DELETE FROM sign_in_links WHERE code_hash = :code_hash", {"code_hash": hash_secret(code)}
    )
    # Of two uses at one time only the one that deleted the row signs in.
    return user if gone else None
