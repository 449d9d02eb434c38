"""Names that an operator types on the command line, resolved to a tenant, inbox, list or user.

These look-ups need no tenant: the operator of an installation sees all of them. Each takes an id or
the name a person would type, and raises Invalid on `field` when nothing, or more than one thing,
has that name.
"""

from __future__ import annotations

from storage.accounts.tenants import Tenant, find_tenant
from storage.accounts.tokens import Token, find_token
from storage.accounts.users import User, find_user, find_user_by_email
from storage.address import canonical_or_none
from storage.database import Tx
from storage.directory.inboxes import Inbox, find_inbox
from storage.directory.lists import DistributionList, find_list
from storage.errors import FieldFault, Invalid
from storage.ids import from_text


async def tenant_meant(tx: Tx, *, text: str | None, field: str = "tenant") -> Tenant:
    """Return the tenant with this id, or else the one with this name.

    None means the only one there is: most installations have one.
    """
    if text is None:
        return await _only_tenant(tx, field=field)
    row = await tx.fetch_one(
        """
        SELECT tenant_id FROM tenants WHERE tenant_id = :id OR name = :name
        ORDER BY CASE WHEN tenant_id = :id THEN 0 ELSE 1 END LIMIT 1
        """,
        {"id": from_text("tnt", text), "name": text},
    )
    if row is None:
        raise Invalid(_unknown(field, "tenant"))
    return await find_tenant(tx, tenant_id=row["tenant_id"])


async def _only_tenant(tx: Tx, *, field: str) -> Tenant:
    rows = await tx.fetch_all("SELECT tenant_id FROM tenants LIMIT 2")
    if not rows:
        raise Invalid(FieldFault(field, "there is none yet: postroom tenant create NAME"))
    if len(rows) > 1:
        raise Invalid(FieldFault(field, "must be named, as there are several: --tenant NAME"))
    return await find_tenant(tx, tenant_id=rows[0]["tenant_id"])


async def inbox_meant(tx: Tx, *, text: str, field: str = "inbox") -> Inbox:
    """Return the inbox with this id or address, of any tenant; deleted ones are not found."""
    row = await tx.fetch_one(
        """
        SELECT tenant_id, inbox_id FROM inboxes
        WHERE (inbox_id = :id OR canonical = :canonical) AND deleted_at IS NULL
        """,
        {"id": from_text("inb", text), "canonical": canonical_or_none(text)},
    )
    if row is None:
        raise Invalid(_unknown(field, "inbox"))
    return await find_inbox(tx, tenant_id=row["tenant_id"], inbox_id=row["inbox_id"])


async def list_meant(tx: Tx, *, text: str, field: str = "list") -> DistributionList:
    """Return the list with this id or address, of any tenant."""
    row = await tx.fetch_one(
        "SELECT tenant_id, list_id FROM lists WHERE list_id = :id OR canonical = :canonical",
        {"id": from_text("lst", text), "canonical": canonical_or_none(text)},
    )
    if row is None:
        raise Invalid(_unknown(field, "list"))
    return await find_list(tx, tenant_id=row["tenant_id"], list_id=row["list_id"])


async def user_meant(tx: Tx, *, tenant_id: bytes, email: str, field: str) -> User:
    """Return the tenant's user who signs in with this address."""
    found = await find_user_by_email(tx, canonical=canonical_or_none(email) or "")
    if found is None or found[0].tenant_id != tenant_id:
        raise Invalid(FieldFault(field, "there is no such user of this tenant"))
    return found[0]


async def person_meant(tx: Tx, *, text: str, field: str = "user") -> User:
    """The user with this id, or who signs in with this address, of whichever tenant."""
    found = await find_user_by_email(tx, canonical=canonical_or_none(text) or "")
    if found is not None:
        return found[0]
    row = await tx.fetch_one(
        "SELECT tenant_id, user_id FROM users WHERE user_id = :id", {"id": from_text("usr", text)}
    )
    if row is None:
        raise Invalid(_unknown(field, "user"))
    return await find_user(tx, tenant_id=row["tenant_id"], user_id=row["user_id"])


async def token_meant(tx: Tx, *, text: str, field: str = "token") -> Token:
    """The token with this id, whoever has it; a revoked one is not there."""
    row = await tx.fetch_one(
        "SELECT tenant_id, token_id FROM tokens WHERE token_id = :id AND status <> 'revoked'",
        {"id": from_text("tok", text)},
    )
    if row is None:
        raise Invalid(_unknown(field, "token"))
    return await find_token(tx, tenant_id=row["tenant_id"], token_id=row["token_id"])


async def tenant_of_inbox(tx: Tx, *, text: str, field: str = "inbox") -> bytes:
    """The id of the tenant that has, or had, the inbox with this id or address."""
    row = await tx.fetch_one(
        "SELECT tenant_id FROM inboxes WHERE inbox_id = :id OR canonical = :canonical",
        {"id": from_text("inb", text), "canonical": canonical_or_none(text)},
    )
    if row is None:
        raise Invalid(_unknown(field, "inbox"))
    return bytes(row["tenant_id"])


def _unknown(field: str, noun: str) -> FieldFault:
    """Build the fault of a name that nothing has; the command that lists them has the noun."""
    return FieldFault(field, f"there is no such {noun}; postroom {noun} list shows all")
