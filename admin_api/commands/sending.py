"""`postroom sending`: letters on their way out, as the operator sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import ANY_TENANT, tenants_asked
from admin_api.commands.terminal.invocation import Invocation, common, table
from storage.clock import SECOND, system_clock

if TYPE_CHECKING:
    from admin_api.http.records import Record
    from storage.database import Tx
    from storage.outbound.letters import Letter

_LIMIT = 1000


@click.group()
@common
def sending() -> None:
    """List letters that have not left, retry or cancel them."""


@sending.command("list")
@common
@ANY_TENANT
@click.pass_obj
def list_letters(call: Invocation, *, tenant_text: str | None) -> None:
    """Show the letters that have not left, or failed.

    They wait, are held or under way, failed, or may have been sent.
    """
    from storage.outbound import letters

    async def work(tx: Tx) -> list[Letter]:
        found = []
        for tenant in await tenants_asked(tx, tenant_text):
            found += await letters.list_letters(tx, tenant_id=tenant.tenant_id, limit=_LIMIT)
        return found

    found = call.read(work)
    text = table(
        [_line(one) for one in found],
        "No letter is on its way.",
        heads=("message", "state", "attempts", "next attempt", "to"),
    )
    call.answer([_record(one) for one in found], text)


@sending.command()
@common
@click.argument("message")
@click.pass_obj
def retry(call: Invocation, *, message: str) -> None:
    """Try MESSAGE (its id) again now.

    It goes to those where it failed, or may have been sent.
    """
    from admin_api.commands.terminal.operator_trail import note
    from storage.outbound import letters

    now = system_clock()
    expires_at = now + round(call.settings().send_expire * SECOND)

    async def work(tx: Tx) -> Letter:
        found = await _meant(tx, message)
        key = {"tenant_id": found.tenant_id, "message_id": found.message_id}
        await letters.retry(tx, **key, expires_at=expires_at, now=now)
        await note(tx, "message.retried", found.message_id, tenant_id=found.tenant_id)
        return await letters.find_letter(tx, **key)

    call.show(_record(call.write(work)))


@sending.command()
@common
@click.argument("message")
@click.pass_obj
def cancel(call: Invocation, *, message: str) -> None:
    """Take MESSAGE (its id) back before it leaves.

    It goes to its author's trash.
    """
    from admin_api.commands.terminal.operator_trail import note
    from storage.drafts import approvals, uploads
    from storage.outbound import letters

    now = system_clock()

    async def work(tx: Tx) -> Letter:
        found = await _meant(tx, message)
        key = {"tenant_id": found.tenant_id, "message_id": found.message_id}
        await letters.cancel(tx, **key, inbox_id=found.inbox_id, now=now)
        await approvals.withdraw(tx, **key, now=now)
        await uploads.release_uploads(tx, **key, now=now)
        await note(tx, "message.cancelled", found.message_id, tenant_id=found.tenant_id)
        return await letters.find_letter(tx, **key)

    call.show(_record(call.write(work)))


async def _meant(tx: Tx, message: str) -> Letter:
    from storage.errors import FieldFault, Invalid
    from storage.ids import from_text
    from storage.outbound import letters

    found = await letters.letter_of_any_tenant(tx, message_id=from_text("msg", message) or b"")
    if found is None:
        raise Invalid(FieldFault("message", "is no letter that was written here"))
    return found


def _record(letter: Letter) -> Record:
    from admin_api.http.records import id_or_none
    from admin_api.mailbox.records import delivery_record
    from storage.clock import rfc3339
    from storage.ids import to_text

    return {
        "message_id": to_text("msg", letter.message_id),
        "thread_id": to_text("thr", letter.thread_id),
        "inbox_id": to_text("inb", letter.inbox_id),
        "token_id": id_or_none("tok", letter.token_id),
        "created_at": rfc3339(letter.created_at),
        **delivery_record(letter, letter.inbox_id),
    }


def _line(letter: Letter) -> tuple[object, ...]:
    from storage.clock import rfc3339
    from storage.ids import to_text

    return (
        to_text("msg", letter.message_id),
        letter.state,
        letter.attempts,
        "" if letter.due_at is None else rfc3339(letter.due_at),
        ", ".join(one.email for one in letter.recipients),
    )
