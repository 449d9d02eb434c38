"""Users of a tenant, managed by its owners and admins.

Only an owner makes, changes or deletes an owner: an admin who could set an owner's password would
be one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from starlette.responses import Response

from admin_api.access.passwords import NewPassword, hash_in_turn
from admin_api.access.policy import admin_required
from admin_api.accounts.records import account_record
from admin_api.accounts.shapes import AccountRecord
from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call
from admin_api.call.paging import Page, page_answer
from admin_api.http.payload import EmailAddress, OneLine, Payload
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.http.strict_json import JsonValue
from storage.accounts import users
from storage.accounts.users import User
from storage.address import parse_address
from storage.database import Tx

Role = Literal["owner", "admin", "member"]


class UserIn(Payload):
    """A user to make."""

    email: EmailAddress
    name: OneLine = ""
    role: Role = "member"
    password: NewPassword


class UserChange(Payload):
    """The changeable fields of a user; a field left out stays as it is."""

    fixed = fields_of(AccountRecord)

    email: EmailAddress = ""
    name: OneLine = ""
    role: Role = "member"
    password: NewPassword = ""


async def list_users(call: Call) -> Response:
    """GET /v1/users/."""
    page = call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[User]:
        return await users.list_users(tx, tenant_id=call.tenant_id, span=span)

    found = await call.database.read(work)
    return page_answer(call, page, found, account_record, lambda user: user.user_id)


async def create_user(call: Call) -> Response:
    """POST /v1/users/."""
    payload = call.payload(UserIn)
    password_hash = await hash_in_turn(call.service.password_turns, payload.password)

    async def work(tx: Tx) -> User:
        made = await users.create_user(
            tx,
            tenant_id=call.tenant_id,
            email=parse_address(payload.email),
            name=payload.name,
            role=payload.role,
            password_hash=password_hash,
            now=call.now,
        )
        await note(tx, call, "user.created", made.user_id, name=made.email, role=made.role)
        return made

    return answer(account_record(await call.database.write(work)), 201)


async def show_user(call: Call) -> Response:
    """GET /v1/users/{user_id}/."""
    return answer(account_record(await call.database.read(lambda tx: locate(tx, call))))


async def change_user(call: Call) -> Response:
    """PATCH /v1/users/{user_id}/: a new password ends the user's other sessions."""
    payload = call.payload(UserChange)
    given = payload.model_fields_set
    password_hash = None
    if "password" in given:
        # First: a refused caller gets 404 or 403 without the cost of a hash.
        await call.database.read(lambda tx: locate_to_change(tx, call))
        password_hash = await hash_in_turn(call.service.password_turns, payload.password)

    async def work(tx: Tx) -> User:
        # Again: the role may have changed while the password was hashed.
        user = await locate_to_change(tx, call)
        if password_hash is not None:
            await users.set_password(
                tx,
                tenant_id=call.tenant_id,
                user_id=user.user_id,
                password_hash=password_hash,
                keep=call.person.session.session_id,
            )
        changed = await users.update_user(
            tx,
            tenant_id=call.tenant_id,
            user_id=user.user_id,
            email=parse_address(payload.email) if "email" in given else None,
            name=payload.name if "name" in given else None,
            role=payload.role if "role" in given else None,
            now=call.now,
        )
        fields = differing(given, account_record(user), account_record(changed))
        await _note_change(tx, call, changed, fields + ["password"] * ("password" in given))
        return changed

    return answer(account_record(await call.database.write(work)))


async def _note_change(tx: Tx, call: Call, user: User, fields: Collection[str]) -> None:
    if fields:
        changed = {"fields": sorted(fields)} | ({"role": user.role} if "role" in fields else {})
        await note(tx, call, "user.changed", user.user_id, name=user.email, **changed)


async def delete_user(call: Call) -> Response:
    """DELETE /v1/users/{user_id}/: sessions end with the next call, inboxes stay."""

    async def work(tx: Tx) -> None:
        user = await locate_to_change(tx, call)
        key = user.user_id
        await users.delete_user(tx, tenant_id=call.tenant_id, user_id=key, now=call.now)
        await note(tx, call, "user.deleted", key, name=user.email)

    await call.database.write(work)
    return no_content()


def permit_role(call: Call) -> None:
    """Raises Problem 403 for an admin who would make an owner."""
    _require_right(call, call.sent.get("role"))


async def locate(tx: Tx, call: Call) -> User:
    """Return the user in the path. Raises NotFound."""
    user_id = call.path_id("usr", "user_id")
    return await users.find_user(tx, tenant_id=call.tenant_id, user_id=user_id)


async def locate_to_change(tx: Tx, call: Call) -> User:
    """Return the user in the path. Raises NotFound, Problem 403 for an owner and an admin."""
    user = await locate(tx, call)
    _require_right(call, user.role)
    return user


def _require_right(call: Call, role: JsonValue) -> None:
    """Raises Problem 403 when the caller may not manage users of this role."""
    if role == "owner" and call.person.user.role != "owner":
        raise admin_required()
