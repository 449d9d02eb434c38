"""Users: the people who sign in, each of one tenant, with one role."""

from __future__ import annotations

from dataclasses import dataclass

from storage.address import Address
from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid, NotFound

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
    """A new user. Raises Invalid for the role, Conflict `email_taken`."""
    if role not in ROLES:
        raise Invalid(FieldFault("role", f"must be one of {', '.join(ROLES)}"))
    taken = await tx.fetch_one(
        "SELECT 1 FROM users WHERE canonical = :canonical", {"canonical": email.canonical}
    )
    if taken is not None:
        raise Conflict("email_taken", "A user with this e-mail address exists already.")
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


async def set_password(tx: Tx, *, tenant_id: bytes, user_id: bytes, password_hash: str) -> None:
    """Raises NotFound."""
    changed = await tx.execute(
        """
        UPDATE users SET password_hash = :password_hash
        WHERE tenant_id = :tenant_id AND user_id = :user_id
        """,
        {"password_hash": password_hash, "tenant_id": tenant_id, "user_id": user_id},
    )
    if not changed:
        raise NotFound("no such user")


async def find_user_by_email(tx: Tx, *, canonical: str) -> tuple[User, str] | None:
    """The user and the password's hash, or None. The one look-up that begins without a tenant."""
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


async def list_users(tx: Tx, *, tenant_id: bytes) -> list[User]:
    """The tenant's users, oldest first."""
    rows = await tx.fetch_all(
        f"SELECT {_USER} FROM users WHERE tenant_id = :tenant_id ORDER BY user_id",
        {"tenant_id": tenant_id},
    )
    return [_user(row) for row in rows]
