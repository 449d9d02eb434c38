"""`postroom resolve`: the reply to RCPT, and the inboxes behind an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.directory.lists import Member
    from storage.directory.resolve import Resolution


@click.command()
@common
@click.argument("address")
@click.pass_obj
def resolve(call: Invocation, address: str) -> None:
    """Show what RCPT TO:<ADDRESS> is answered, and who gets a copy."""
    from gateway.smtp.command_arguments import BadCommand, parse_rcpt
    from gateway.smtp.recipients import reply_for
    from storage.address import canonical_or_none
    from storage.directory.lists import list_members
    from storage.directory.resolve import resolve as look_up
    from storage.ids import to_text

    postmaster = canonical_or_none(call.settings().postmaster) or ""
    argument = f"TO:<{address}>".encode("utf-8", "surrogateescape")
    try:
        path = parse_rcpt(argument, smtputf8=True).forward_path
    except BadCommand as error:
        raise Faults(f"address: {_line(error.reply.line)}") from None

    async def work(tx: Tx) -> tuple[Resolution, list[Member]]:
        found = await look_up(
            tx, local_part=path.local_part, domain=path.domain, postmaster=postmaster
        )
        if found.list_id is None:
            return found, []
        return found, await list_members(tx, tenant_id=found.tenant_id, list_id=found.list_id)

    found, members = call.read(work)
    copies = [
        {"inbox_id": to_text("inb", member.inbox_id), "address": member.inbox_address}
        for member in members
    ]
    if found.inbox_id is not None:
        copies = [{"inbox_id": to_text("inb", found.inbox_id), "address": found.address}]
    document = {
        "reply": _line(reply_for(found).line),
        "verdict": found.verdict.value,
        "address": found.address or None,
        "tenant_id": to_text("tnt", found.tenant_id) if found.tenant_id else None,
        "list_id": to_text("lst", found.list_id) if found.list_id else None,
        "copies": copies,
    }
    lines = [("reply", document["reply"]), *(("copy", copy["address"]) for copy in copies)]
    call.answer(document, table(lines, ""))


def _line(reply: bytes) -> str:
    return reply.decode("ascii").rstrip()
