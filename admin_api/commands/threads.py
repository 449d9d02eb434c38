"""`postroom threads` and `postroom assign`: threads, as one inbox sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import INBOX, assignee_of, thread_of, view_of
from admin_api.commands.terminal.faults import Faults, printable
from admin_api.commands.terminal.invocation import Invocation, common, table
from admin_api.commands.terminal.pages import paged, place_of, show_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.database import Tx
    from storage.directory.inboxes import Inbox
    from storage.mailbox.copies import Copy
    from storage.mailbox.visibility import View
    from storage.teamwork.notes import Note
    from storage.teamwork.thread_list import ThreadPage
    from storage.teamwork.threads import Thread


@click.group()
@common
def threads() -> None:
    """List and show the threads that an inbox sees."""


@threads.command("list")
@common
@INBOX
@click.option("--assigned-to", metavar="WHO", help="me, none, or the address of a teammate.")
@click.option("--status", type=click.Choice(["open", "closed"]))
@paged
@click.pass_obj
def show_all(
    call: Invocation,
    *,
    inbox: str,
    assigned_to: str | None,
    status: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List the threads of an inbox, newest first."""
    from admin_api.teamwork.records import thread_record
    from storage.teamwork.thread_list import Filter, list_threads

    before = place_of(cursor)

    async def work(tx: Tx) -> ThreadPage:
        view = await view_of(tx, inbox)
        wanted = Filter(
            status="open" if status == "open" else "closed" if status else None,
            assignee=await assignee_of(tx, view, assigned_to),
            unassigned=assigned_to == "none",
        )
        return await list_threads(tx, view=view, wanted=wanted, before=before, limit=limit)

    page = call.read(work)
    show_page(
        call,
        [thread_record(thread) for thread in page.threads],
        [_line(thread) for thread in page.threads],
        before=page.before,
        empty="There are no threads.",
        heads=("thread", "last_message", "status", "assignee", "holds", "subject"),
    )


def _line(thread: Thread) -> tuple[object, ...]:
    from storage.clock import rfc3339
    from storage.ids import to_text

    return (
        to_text("thr", thread.thread_id),
        rfc3339(thread.last_message_at),
        thread.status,
        thread.assignee and thread.assignee.address,
        f"{thread.message_count} messages, {thread.note_count} notes",
        thread.subject or "(no subject)",
    )


@threads.command()
@common
@click.argument("thread")
@INBOX
@click.pass_obj
def show(call: Invocation, thread: str, inbox: str) -> None:
    """Show a thread: its messages and the notes on it."""
    from admin_api.mailbox.records import message_item
    from admin_api.teamwork.records import note_record, thread_record
    from storage.mailbox.visibility import thread_messages
    from storage.teamwork.notes import list_notes
    from storage.teamwork.threads import find_thread

    async def work(tx: Tx) -> tuple[Thread, list[Copy], list[Note]]:
        view = await view_of(tx, inbox)
        thread_id = await thread_of(tx, view, thread)
        return (
            await find_thread(tx, view=view, thread_id=thread_id),
            await thread_messages(tx, view=view, thread_id=thread_id, limit=1000),
            await list_notes(tx, view=view, thread_id=thread_id, after=None, limit=1000),
        )

    found, messages, notes = call.read(work)
    record = thread_record(found) | {
        "messages": [message_item(copy) for copy in messages],
        "notes": [note_record(note) for note in notes],
    }
    call.answer(record, _told(found, messages, notes))


def _told(thread: Thread, messages: Sequence[Copy], notes: Sequence[Note]) -> str:
    from storage.clock import rfc3339

    lines = [(rfc3339(one.received_at), one.sender.email, one.subject) for one in messages]
    parts = [table([_line(thread)], ""), table(lines, "")]
    for note in notes:
        parts.append(f"Note of {rfc3339(note.created_at)}:\n{printable(note.body)}")
    return "\n\n".join(parts)


@click.command()
@common
@click.argument("thread")
@click.argument("to", required=False)
@INBOX
@click.option("--note", "text", metavar="TEXT", help="For the description of the task.")
@click.option("--nobody", is_flag=True, help="Take the thread from who has it.")
@click.pass_obj
def assign(
    call: Invocation, *, thread: str, to: str | None, inbox: str, text: str | None, nobody: bool
) -> None:
    """Give THREAD to the teammate with the address TO."""
    from storage.directory.inboxes import find_teammates
    from storage.teamwork.assignment import assign_thread, unassign_thread

    if (to is None) != nobody:
        raise click.UsageError("Say either to whom, or --nobody.")
    if text is not None and len(text) > 10_000:
        raise Faults("note: must have at most 10000 characters")

    async def work(tx: Tx) -> Inbox | None:
        view = await view_of(tx, inbox)
        thread_id = await thread_of(tx, view, thread)
        if to is None:
            if await unassign_thread(tx, view=view, thread_id=thread_id, user_id=None):
                await _note(tx, "thread.unassigned", view, thread_id, None)
            return None
        (receiver,) = await find_teammates(tx, tenant_id=view.tenant_id, named=[("to", to)])
        done = await assign_thread(
            tx,
            view=view,
            thread_id=thread_id,
            to_inbox_id=receiver.inbox_id,
            text=text or None,
            user_id=None,
        )
        if done:
            await _note(tx, "thread.assigned", view, thread_id, receiver)
        return receiver

    receiver = call.write(work)
    call.show({"assigned": receiver is not None, "to": receiver and receiver.address})


async def _note(tx: Tx, action: str, view: View, thread_id: bytes, to: Inbox | None) -> None:
    from admin_api.commands.terminal.operator_trail import note
    from storage.ids import to_text

    details = None if to is None else {"to_inbox_id": to_text("inb", to.inbox_id)}
    key = view.tenant_id
    await note(tx, action, thread_id, tenant_id=key, inbox_id=view.inbox_id, details=details)
