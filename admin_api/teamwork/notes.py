"""Internal notes on a thread, and mentions in them; a note appears in these answers only."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.access.policy import not_author
from admin_api.call.call import Call, acting_view
from admin_api.call.paging import Page, page_answer, position_of
from admin_api.call.references import Teammate
from admin_api.http.payload import Payload
from admin_api.http.responses import answer, no_content
from admin_api.http.texts import not_blank
from admin_api.teamwork.records import note_record
from admin_api.teamwork.threads import locate, thread_in_path
from storage.database import Tx
from storage.directory.inboxes import find_inbox, find_teammates
from storage.mailbox.visibility import View
from storage.teamwork import notes
from storage.teamwork.notes import Note

Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(not_blank)]


class NoteIn(Payload):
    """A note to add; `mentions` are addresses of teammates."""

    body: Text
    mentions: Annotated[list[Teammate], Field(max_length=200)] = Field(default_factory=list)


async def list_notes(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/notes/: oldest first."""
    page = call.parameters(Page)
    after = position_of(page.cursor)

    async def work(tx: Tx) -> list[Note]:
        await locate_notes(tx, call)
        return await notes.list_notes(
            tx,
            view=await acting_view(tx, call),
            thread_id=await thread_in_path(tx, call),
            after=after,
            limit=page.length + 1,
        )

    found = await call.database.read(work)
    return page_answer(call, page, found, note_record, lambda note: note.note_id)


async def create_note(call: Call) -> Response:
    """POST /v1/messages/threads/{thread_id}/notes/."""
    payload = call.payload(NoteIn)

    async def work(tx: Tx) -> Note:
        await locate(tx, call)
        named = [(f"mentions[{place}]", one) for place, one in enumerate(payload.mentions)]
        return await notes.add_note(
            tx,
            view=await acting_view(tx, call),
            thread_id=await thread_in_path(tx, call),
            body=payload.body,
            mentions=await find_teammates(tx, tenant_id=call.tenant_id, named=named),
            user_id=call.user_id,
        )

    return answer(note_record(await call.database.write(work)), 201)


async def show_note(call: Call) -> Response:
    """A note of the thread that the path names, as it is now."""
    return answer(note_record(await call.database.read(lambda tx: locate_note(tx, call))))


async def delete_note(call: Call) -> Response:
    """DELETE /v1/messages/threads/{thread_id}/notes/{note_id}/: by its author only."""

    async def work(tx: Tx) -> None:
        view = await acting_view(tx, call)
        note = await locate_note(tx, call)
        if not await _is_author(tx, call, view, note):
            raise not_author()
        await notes.delete_note(tx, tenant_id=call.tenant_id, note_id=note.note_id)

    await call.database.write(work)
    return no_content()


async def _is_author(tx: Tx, call: Call, view: View, note: Note) -> bool:
    """Whether the caller is the author: the inbox itself, its owner, or the note's writer."""
    if note.author_inbox_id != view.inbox_id:
        return False
    if call.user_id is None or call.user_id == note.author_user_id:
        return True
    # An admin who acts for the inbox is not its owner, and so not the author.
    inbox = await find_inbox(tx, tenant_id=call.tenant_id, inbox_id=view.inbox_id)
    return inbox.owner_user_id == call.user_id


async def locate_notes(tx: Tx, call: Call) -> None:
    """Raises NotFound when the acting inbox sees neither the thread nor a note on it."""
    view = await acting_view(tx, call)
    await notes.require_notes(tx, view=view, thread_id=await thread_in_path(tx, call))


async def locate_note(tx: Tx, call: Call) -> Note:
    """Return the note in the path. Raises NotFound."""
    return await notes.find_note(
        tx,
        view=await acting_view(tx, call),
        thread_id=await thread_in_path(tx, call),
        note_id=call.path_id("note", "note_id"),
    )
