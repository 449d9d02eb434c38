"""`postroom explain`: why a message went where it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.delivery.explain import Explanation, Way


@click.command()
@common
@click.argument("message")
@click.pass_obj
def explain(call: Invocation, message: str) -> None:
    """Tell why each inbox got MESSAGE: the address, list and rule."""
    from admin_api.directory.records import explanation_record
    from storage.delivery.explain import explain as explained
    from storage.delivery.explain import tenant_of
    from storage.errors import FieldFault, Invalid, NotFound
    from storage.ids import from_text

    async def work(tx: Tx) -> Explanation:
        message_id = from_text("msg", message) or b""
        try:
            tenant_id = await tenant_of(tx, message_id=message_id)
            return await explained(tx, tenant_id=tenant_id, message_id=message_id)
        except NotFound:
            raise Invalid(FieldFault("message", "there is no such message")) from None

    found = call.read(work)
    lines = [
        ("deleted" if part.is_deleted else "copy", part.address or "(gone)", _text(way))
        for part in found.parts
        for way in part.ways
    ]
    lines += [("repeated", "-", _text(way)) for way in found.repeated]
    call.answer(explanation_record(found, None), table(lines, ""))


def _text(way: Way) -> str:
    kind = "the list" if way.list_id else "the inbox"
    return f"<{way.recipient}> by {way.rule} to {kind} {way.address}"
