"""`postroom user`: the people who sign in."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import ANY_TENANT, TENANT, tenants_asked
from admin_api.commands.terminal.invocation import Invocation, common
from config.hosts import is_loopback
from config.values import Endpoint
from storage.clock import system_clock

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.accounts.audit_log import Detail
    from storage.accounts.users import User
    from storage.database import Tx


PASSWORD = click.option(
    "--password", metavar="P", help="At least 8 characters; without one it is made and shown."
)
PASSWORD_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the standard input."
)


@click.group()
@common
def user() -> None:
    """Make, list, change and delete users."""


@user.command()
@common
@click.argument("email")
@TENANT
@click.option("--role", required=True, metavar="ROLE", help="owner, admin or member.")
@click.option("--name", default="", help="How the user is called.")
@PASSWORD
@PASSWORD_STDIN
@click.pass_obj
def create(
    call: Invocation,
    *,
    email: str,
    tenant_text: str | None,
    role: str,
    name: str,
    password: str | None,
    password_stdin: bool,
) -> None:
    """Make a user who signs in with EMAIL."""
    from admin_api.access.passwords import hash_password
    from admin_api.accounts.records import account_record
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.users import create_user
    from storage.directory.operator_names import tenant_meant

    secret, is_ours = _password(password, password_stdin)
    address = arguments.address(email, "email")
    called = arguments.name(name) if name else ""
    # Before the transaction: for 30 ms no mail could be written.
    password_hash = hash_password(secret)

    async def work(tx: Tx) -> User:
        key = (await tenant_meant(tx, text=tenant_text)).tenant_id
        made = await create_user(
            tx,
            tenant_id=key,
            email=address,
            name=called,
            role=role,
            password_hash=password_hash,
            now=system_clock(),
        )
        level = {"role": made.role}
        await note(tx, "user.created", made.user_id, tenant_id=key, name=made.email, details=level)
        return made

    made = account_record(call.write(work))
    call.show(made | {"password": secret} if is_ours else made)


def _password(password: str | None, from_stdin: bool) -> tuple[str, bool]:
    """The password that is given, or one that is made here, and which of both. Raises Faults."""
    from admin_api.commands.terminal import arguments

    if password is not None and from_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other.")
    given = sys.stdin.readline().rstrip("\r\n") if from_stdin else password
    if given is None:
        return secrets.token_urlsafe(15), True
    return arguments.password(given), False


@user.command("list")
@common
@ANY_TENANT
@click.pass_obj
def show_all(call: Invocation, tenant_text: str | None) -> None:
    """List the users, tenant by tenant."""
    from admin_api.accounts.records import account_record
    from storage.accounts.users import list_users

    async def work(tx: Tx) -> list[User]:
        asked = await tenants_asked(tx, tenant_text)
        return [one for each in asked for one in await list_users(tx, tenant_id=each.tenant_id)]

    records = [account_record(one) for one in call.read(work)]
    call.show_all(records, "user_id", "email", "role", "name", empty="There are no users.")


@user.command("set-password")
@common
@click.argument("email", metavar="USER")
@PASSWORD
@PASSWORD_STDIN
@click.pass_obj
def reset_password(
    call: Invocation, *, email: str, password: str | None, password_stdin: bool
) -> None:
    """Give USER (id or e-mail) another password.

    Every session of theirs ends.
    """
    from admin_api.access.passwords import hash_password
    from admin_api.accounts.records import account_record
    from storage.accounts.users import set_password
    from storage.directory.operator_names import person_meant

    secret, is_ours = _password(password, password_stdin)
    password_hash = hash_password(secret)

    async def work(tx: Tx) -> User:
        found = await person_meant(tx, text=email)
        key = {"tenant_id": found.tenant_id, "user_id": found.user_id}
        await set_password(tx, **key, password_hash=password_hash)
        await _note(tx, "user.changed", found, fields=["password"])
        return found

    record = account_record(call.write(work))
    call.show(record | {"password": secret} if is_ours else record)


@user.command("set-role")
@common
@click.argument("email", metavar="USER")
@click.argument("role")
@click.pass_obj
def set_role(call: Invocation, *, email: str, role: str) -> None:
    """Make USER (id or e-mail) an owner, admin or member.

    The last owner of a tenant stays one.
    """
    from admin_api.accounts.records import account_record
    from storage.accounts.users import update_user
    from storage.directory.operator_names import person_meant

    async def work(tx: Tx) -> User:
        found = await person_meant(tx, text=email)
        changed = await update_user(
            tx,
            tenant_id=found.tenant_id,
            user_id=found.user_id,
            role=role,
            now=system_clock(),
        )
        if changed != found:
            await _note(tx, "user.changed", changed, fields=["role"], role=changed.role)
        return changed

    call.show(account_record(call.write(work)))


@user.command()
@common
@click.argument("email", metavar="USER")
@click.pass_obj
def delete(call: Invocation, *, email: str) -> None:
    """Delete USER (id or e-mail), and end their sessions.

    Their inboxes stay, without an owner.
    """
    from admin_api.accounts.records import account_record
    from storage.accounts.users import delete_user
    from storage.directory.operator_names import person_meant

    async def work(tx: Tx) -> User:
        found = await person_meant(tx, text=email)
        key = {"tenant_id": found.tenant_id, "user_id": found.user_id}
        await delete_user(tx, **key, now=system_clock())
        await _note(tx, "user.deleted", found)
        return found

    call.show(account_record(call.write(work)))


@user.command()
@common
@click.argument("email", metavar="USER")
@click.pass_obj
def link(call: Invocation, *, email: str) -> None:
    """Make a link that signs USER (id or e-mail) in to the page.

    It is good once, for 10 minutes.
    """
    from admin_api.commands.terminal.faults import Faults
    from storage.accounts.sign_in_links import create_link
    from storage.directory.operator_names import person_meant

    settings = call.settings()
    base = page_url(settings)
    if not base:
        raise Faults("console: the page is off, or has no address: set public_url")

    async def work(tx: Tx) -> tuple[User, str]:
        found = await person_meant(tx, text=email)
        key = {"tenant_id": found.tenant_id, "user_id": found.user_id}
        code = await create_link(tx, **key, now=system_clock())
        await _note(tx, "user.changed", found, fields=["sign_in_link"])
        return found, code

    found, code = call.write(work)
    call.show({"email": found.email, "link": link_of(base, code)})


def page_url(settings: Settings) -> str:
    """Return where the page is, without a slash at its end; empty when it is nowhere."""
    if settings.console == "off":
        return ""
    if settings.public_url:
        return settings.public_url
    # Without public_url the page takes sign-ins on loopback only: no other link would work.
    ports = (one for one in settings.http if isinstance(one, Endpoint) and one.port)
    near = next((one for one in ports if is_loopback(one.host)), None)
    return f"http://{near}" if near else ""


def link_of(base: str, code: str) -> str:
    """Return the link with this code."""
    return f"{base}/console/enter/?code={code}"


async def _note(tx: Tx, action: str, user: User, **details: Detail) -> None:
    from admin_api.commands.terminal.operator_trail import note

    await note(tx, action, user.user_id, tenant_id=user.tenant_id, name=user.email, details=details)
