"""`postroom user`: the people who sign in."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.accounts.users import User
    from storage.database import Tx


@click.group()
@common
def user() -> None:
    """Make users."""


@user.command()
@common
@click.argument("email")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.option("--role", required=True, metavar="ROLE", help="owner, admin or member.")
@click.option("--name", default="", help="How the user is called.")
@click.option("--password", help="At least 8 characters; without one it is made and shown.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.pass_obj
def create(
    call: Invocation,
    *,
    email: str,
    tenant_text: str,
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
    from storage.clock import system_clock
    from storage.directory.operator_names import tenant_meant

    if password is not None and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other.")
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else password
    secret = secrets.token_urlsafe(15) if given is None else given
    address = arguments.address(email, "email")
    called = arguments.name(name) if name else ""
    password_hash = hash_password(arguments.password(secret))

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
    call.show(made | {"password": secret} if given is None else made)
