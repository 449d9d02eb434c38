"""Users: the people who sign in, each of one tenant, with one role.

- Once a tenant has an owner it keeps one: the last cannot be demoted or deleted.
- A demoted or deleted user loses, in the same transaction, the tokens they made for inboxes they
  may no longer act for; a deleted user's sessions end and their inboxes have no owner any more.
- A new password ends the user's sessions, but for the one that set it, and their sign-in links.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.accounts.tokens import revoke_without_right
from storage.address import Address
from storage.alerts.maker_rights import disable_without_right
from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid, NotFound
from storage.keyset import ALL, Keyset

ROLES = ("owner", "admin", "member")


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in. `email` is the login; it is unique in the store."""

    user_id: bytes
    tenant_id: bytes
    email: str
    name: str
    role: str
    created_at: int


async def create_user(
    tx: Tx, *, tenant_id: bytes, email: Address, name: str, role: str, password_hash: str, now: int
) -> User:
    """Make a user. Raises Invalid for the role, Conflict `email_taken`."""
    _check_role(role)
    await _require_free_email(tx, email, but_for=None)
    user = User(tx.new_id(), tenant_id, email.text, name, role, now)
    await tx.execute(
        """
        INSERT INTO users
            (user_id, tenant_id, email, canonical, name, role, password_hash, created_at)
        VALUES
            (:user_id, :tenant_id, :email, :canonical, :name, :role, :password_hash, :now)
        """,
        {
            "user_id": user.user_id,
            "tenant_id": tenant_id,
            "email": email.text,
            "canonical": email.canonical,
            "name": name,
            "role": role,
            "password_hash": password_hash,
            "now": now,
        },
    )
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid(FieldFault("role", f"must be one of {', '.join(ROLES)}"))


async def _require_free_email(tx: Tx, email: Address, *, but_for: bytes | None) -> None:
    taken = await tx.fetch_one(
        "SELECT user_id FROM users WHERE canonical = :canonical", {"canonical": email.canonical}
    )
    if taken is not None and bytes(taken["user_id"]) != but_for:
        raise Conflict("email_taken", "This email address is already taken.")


async def update_user(
    tx: Tx,
    *,
    tenant_id: bytes,
    user_id: bytes,
    email: Address | None = None,
    name: str | None = None,
    role: str | None = None,
    now: int,
) -> User:
    """Change the given values. Raises NotFound, Invalid, Conflict `email_taken`, `last_owner`."""
    user = await find_user(tx, tenant_id=tenant_id, user_id=user_id)
    if email is not None:
        await _require_free_email(tx, email, but_for=user_id)
    if role is not None:
        _check_role(role)
    if role not in (None, "owner"):
        await _require_another_owner(tx, user)
    await tx.execute(
        """
        UPDATE users
        SET email = COALESCE(:email, email), canonical = COALESCE(:canonical, canonical),
            name = COALESCE(:name, name), role = COALESCE(:role, role)
        WHERE tenant_id = :tenant_id AND user_id = :user_id
        """,
        {
            "email": email.text if email else None,
            "canonical": email.canonical if email else None,
            "name": name,
            "role": role,
            "tenant_id": tenant_id,
            "user_id": user_id,
        },
    )
    # After the change and in its transaction: the rights are read from the rows as they are now.
    await revoke_without_right(tx, tenant_id=tenant_id, made_by=user_id)
    await disable_without_right(tx, tenant_id=tenant_id, now=now)
    return await find_user(tx, tenant_id=tenant_id, user_id=user_id)


async def delete_user(tx: Tx, *, tenant_id: bytes, user_id: bytes, now: int) -> None:
    """Delete the user; objects they made stay. Raises NotFound, Conflict `last_owner`."""
    user = await find_user(tx, tenant_id=tenant_id, user_id=user_id)
    await _require_another_owner(tx, user)
    key = {"tenant_id": tenant_id, "user_id": user_id}
    await tx.execute(
        """
        UPDATE inboxes SET owner_user_id = NULL
        WHERE tenant_id = :tenant_id AND owner_user_id = :user_id
        """,
        key,
    )
    of_user = "WHERE tenant_id = :tenant_id AND user_id = :user_id"
    for table in ("sessions", "sign_in_links"):
        await tx.execute(f"DELETE FROM {table} {of_user}", key)
    await tx.execute(f"DELETE FROM users {of_user}", key)
    await revoke_without_right(tx, tenant_id=tenant_id, made_by=user_id)
    await disable_without_right(tx, tenant_id=tenant_id, now=now)


async def _require_another_owner(tx: Tx, user: User) -> None:
    """Raises Conflict when `user` is the tenant's last owner."""
    if user.role != "owner":
        return
    other = await tx.fetch_one(
        """
        SELECT 1 FROM users
        WHERE tenant_id = :tenant_id AND role = 'owner' AND user_id <> :user_id
        """,
        {"tenant_id": user.tenant_id, "user_id": user.user_id},
    )
    if other is None:
        raise Conflict("last_owner", "A tenant keeps at least one owner.")


async def set_password(
    tx: Tx, *, tenant_id: bytes, user_id: bytes, password_hash: str, keep: bytes | None = None
) -> None:
    """Set the password and end the user's sessions, but for the one to `keep`, and their links.

    Raises NotFound.
    """
    changed = await tx.execute(
        """
        UPDATE users SET password_hash = :password_hash
        WHERE tenant_id = :tenant_id AND user_id = :user_id
        """,
        {"password_hash": password_hash, "tenant_id": tenant_id, "user_id": user_id},
    )
    if not changed:
        raise NotFound("no such user")
    kept = "AND session_id <> :keep" if keep else ""
    await tx.execute(
        f"DELETE FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id {kept}",
        {"tenant_id": tenant_id, "user_id": user_id, "keep": keep},
    )
    await tx.execute(
        "DELETE FROM sign_in_links WHERE tenant_id = :tenant_id AND user_id = :user_id",
        {"tenant_id": tenant_id, "user_id": user_id},
    )


async def has_users(tx: Tx) -> bool:
    """Whether there is anybody at all who could sign in."""
    return await tx.fetch_one("SELECT 1 FROM users LIMIT 1") is not None


async def find_user_by_email(tx: Tx, *, canonical: str) -> tuple[User, str] | None:
    """Return the user and the password's hash, or None.

    No tenant: a login names none.
    """
    row = await tx.fetch_one(
        f"SELECT password_hash, {_USER} FROM users WHERE canonical = :canonical",
        {"canonical": canonical},
    )
    return (_user(row), row["password_hash"]) if row else None


async def find_user(tx: Tx, *, tenant_id: bytes, user_id: bytes) -> User:
    """Raises NotFound."""
    row = await tx.fetch_one(
        f"SELECT {_USER} FROM users WHERE tenant_id = :tenant_id AND user_id = :user_id",
        {"tenant_id": tenant_id, "user_id": user_id},
    )
    if row is None:
        raise NotFound("no such user")
    return _user(row)


_USER = "user_id, tenant_id, email, name, role, created_at"


def _user(row: Row) -> User:
    return User(
        row["user_id"], row["tenant_id"], row["email"], row["name"], row["role"], row["created_at"]
    )


async def list_users(tx: Tx, *, tenant_id: bytes, span: Keyset = ALL) -> list[User]:
    """The tenant's users, oldest first."""
    rows = await tx.fetch_all(
        f"SELECT {_USER} FROM users WHERE tenant_id = :tenant_id {span.sql('user_id')}",
        {"tenant_id": tenant_id, **span.params},
    )
    return [_user(row) for row in rows]
