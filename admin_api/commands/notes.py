"""`postroom note`: internal notes on a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import INBOX, thread_of, view_of
from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.teamwork.notes import Note


@click.group()
@common
def note() -> None:
    """Leave, list and delete notes on a thread."""


@note.command("list")
@common
@click.argument("thread")
@INBOX
@click.pass_obj
def list_them(call: Invocation, thread: str, inbox: str) -> None:
    """List the notes on THREAD that an inbox sees."""
    from admin_api.teamwork.records import note_record
    from storage.teamwork.notes import list_notes

    async def work(tx: Tx) -> list[Note]:
        view = await view_of(tx, inbox)
        thread_id = await thread_of(tx, view, thread)
        return await list_notes(tx, view=view, thread_id=thread_id, after=None, limit=1000)

    records = [note_record(one) for one in call.read(work)]
    call.show_all(records, "note_id", "created_at", "mentions", "body", empty="There are no notes.")


@note.command()
@common
@click.argument("thread")
@click.argument("text")
@INBOX
@click.option("--mention", metavar="ADDRESS", multiple=True, help="A teammate; may be repeated.")
@click.pass_obj
def add(call: Invocation, *, thread: str, text: str, inbox: str, mention: tuple[str, ...]) -> None:
    """Leave TEXT as a note on THREAD."""
    from admin_api.teamwork.records import note_record
    from storage.directory.inboxes import find_teammates
    from storage.teamwork.notes import add_note

    if not 0 < len(text) <= 10_000:
        raise Faults("text: must have 1 to 10000 characters")

    async def work(tx: Tx) -> Note:
        view = await view_of(tx, inbox)
        thread_id = await thread_of(tx, view, thread)
        named = [("mention", address) for address in mention]
        return await add_note(
            tx,
            view=view,
            thread_id=thread_id,
            body=text,
            mentions=await find_teammates(tx, tenant_id=view.tenant_id, named=named),
            user_id=None,
        )

    call.show(note_record(call.write(work)))


@note.command()
@common
@click.argument("thread")
@click.argument("note_id", metavar="NOTE")
@INBOX
@click.pass_obj
def delete(call: Invocation, *, thread: str, note_id: str, inbox: str) -> None:
    """Delete NOTE, which INBOX wrote on THREAD.

    The messages that it made visible to others are so no longer.
    """
    from admin_api.teamwork.records import note_record
    from storage.errors import FieldFault, Invalid
    from storage.ids import from_text
    from storage.teamwork.notes import delete_note, find_note

    async def work(tx: Tx) -> Note:
        view = await view_of(tx, inbox)
        thread_id = await thread_of(tx, view, thread)
        raw = from_text("note", note_id) or b""
        found = await find_note(tx, view=view, thread_id=thread_id, note_id=raw)
        if found.author_inbox_id != view.inbox_id:
            fault = FieldFault("note", "was written by another inbox")
            raise Invalid(fault)
        await delete_note(tx, tenant_id=view.tenant_id, note_id=raw)
        return found

    call.show(note_record(call.write(work)))
