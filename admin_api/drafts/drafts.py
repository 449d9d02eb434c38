"""Drafts: letters of a thread that are still being written, which teammates see.

- A change needs If-Match: two who write at a time never overwrite each other unseen, and the
  refusal says who was first. The tag is that of the text, not of what happens around it.
- Text is taken as it is typed: recipients are checked when the letter is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.access.policy import not_author
from admin_api.call import etags
from admin_api.call.call import Call, acting_view
from admin_api.call.paging import WHOLE
from admin_api.call.references import Reference, visible_message
from admin_api.drafts.records import draft_record, writer_record
from admin_api.drafts.shapes import DraftRecord
from admin_api.http.payload import OneLine, Payload
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.http.texts import one_line
from admin_api.teamwork import threads
from storage.clock import rfc3339
from storage.database import Tx
from storage.drafts import drafts, uploads
from storage.drafts.drafts import Draft, Writer
from storage.drafts.uploads import Upload
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import from_text
from storage.mailbox.visibility import View, find_message

MOST_RECIPIENTS = 50
_LONGEST_TEXT = 200_000
_LONGEST_SUBJECT = 998

TypedAddress = Annotated[str, Field(max_length=320), AfterValidator(one_line)]
Subject = Annotated[str, Field(max_length=_LONGEST_SUBJECT), AfterValidator(one_line)]
Body = Annotated[str, Field(max_length=_LONGEST_TEXT)]


class TypedMailbox(Payload):
    """A recipient as it is typed."""

    email: TypedAddress
    name: OneLine = ""


class AttachmentIn(Payload):
    """A file that was uploaded."""

    upload_id: Annotated[str, Field(max_length=100)]


Mailboxes = Annotated[list[TypedMailbox], Field(max_length=MOST_RECIPIENTS)]
Attachments = Annotated[list[AttachmentIn], Field(max_length=uploads.MOST_OF_A_LETTER)]
AnsweredMessage = Annotated[str, Reference(visible_message)]


class DraftIn(Payload):
    """A letter that is being written; every field may be left out."""

    reply_to_message_id: AnsweredMessage | None = None
    reply_all: bool = False
    sender: TypedAddress = Field("", alias="from")
    to: Mailboxes = Field(default_factory=list)
    cc: Mailboxes = Field(default_factory=list)
    bcc: Mailboxes = Field(default_factory=list)
    subject: Subject = ""
    text_body: Body = ""
    html_body: Body = ""
    quote: Literal["none", "last"] = "none"
    attachments: Attachments = Field(default_factory=list)


class DraftChange(DraftIn):
    """The fields to change; a field left out stays as it is."""

    fixed = fields_of(DraftRecord)

    superseded: Literal[False] = False


async def list_drafts(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/drafts/: those that this inbox sees, oldest first."""

    async def work(tx: Tx) -> list[Record]:
        await threads.locate(tx, call)
        view = await acting_view(tx, call)
        thread_id = await threads.thread_in_path(tx, call)
        found = await drafts.list_drafts(tx, view=view, thread_id=thread_id, limit=WHOLE)
        return await _records(tx, view, found)

    return answer(await call.database.read(work))


async def _records(tx: Tx, view: View, found: Sequence[Draft]) -> list[Record]:
    named = {one for draft in found for one in _upload_ids(draft.letter)}
    present = await uploads.present_uploads(
        tx, tenant_id=view.tenant_id, upload_ids=named, now=view.now
    )
    return [draft_record(one, _files(one, present), view.inbox_id) for one in found]


def _files(draft: Draft, present: Mapping[bytes, Upload]) -> list[Upload]:
    found = (present.get(one) for one in _upload_ids(draft.letter))
    return [one for one in found if one is not None and one.inbox_id == draft.author.inbox_id]


def _upload_ids(letter: Mapping[str, object]) -> list[bytes]:
    files = letter.get("attachments")
    named = files if isinstance(files, list) else []
    return [from_text("upl", one["upload_id"]) or b"" for one in named]


async def _record(tx: Tx, view: View, draft: Draft) -> Record:
    return (await _records(tx, view, [draft]))[0]


async def create_draft(call: Call) -> Response:
    """POST /v1/messages/threads/{thread_id}/drafts/: teammates in the thread see it."""
    payload = call.payload(DraftIn)

    async def work(tx: Tx) -> Record:
        await threads.locate(tx, call)
        view = await acting_view(tx, call)
        thread_id = await threads.thread_in_path(tx, call)
        about = await _about(tx, call, view, payload, thread_id)
        await _check_files(tx, view, payload, view.inbox_id)
        made = await drafts.create_draft(
            tx,
            view=view,
            writer=writer_of(call, view.inbox_id),
            thread_id=thread_id,
            about_message_id=about,
            letter=_given(payload),
        )
        return await _record(tx, view, made)

    return answer(await call.database.write(work), 201)


def _given(payload: DraftIn) -> dict[str, object]:
    """The fields of the body, under their names on the wire."""
    return payload.model_dump(by_alias=True, exclude_unset=True, exclude={"superseded"})


async def _about(
    tx: Tx, call: Call, view: View, payload: DraftIn, thread_id: bytes
) -> bytes | None:
    """The message that the draft answers, which is one of its thread."""
    if payload.reply_to_message_id is None:
        return None
    field = "reply_to_message_id"
    message_id = await visible_message(tx, call, field, payload.reply_to_message_id)
    if (await find_message(tx, view=view, message_id=message_id)).thread_id != thread_id:
        raise Invalid(FieldFault(field, "is not a message of this thread"))
    return message_id


async def _check_files(tx: Tx, view: View, payload: DraftIn, inbox_id: bytes) -> None:
    named = [from_text("upl", one.upload_id) or b"" for one in payload.attachments]
    await uploads.find_uploads(
        tx, tenant_id=view.tenant_id, inbox_id=inbox_id, upload_ids=named, now=view.now
    )


def writer_of(call: Call, inbox_id: bytes) -> Writer:
    """The caller, writing for this inbox."""
    caller = call.caller
    token_id = caller.token.token_id if isinstance(caller, Agent) else None
    return Writer(inbox_id, call.user_id, token_id)


async def show_draft(call: Call) -> Response:
    """GET /v1/drafts/{draft_id}/."""

    async def work(tx: Tx) -> Record:
        view = await acting_view(tx, call)
        return await _record(tx, view, await locate(tx, call))

    return answer(await call.database.read(work))


async def change_draft(call: Call) -> Response:
    """PATCH /v1/drafts/{draft_id}/: needs If-Match; `superseded: false` says that the newer
    message was read.
    """
    payload = call.payload(DraftChange)
    given = payload.model_fields_set

    async def work(tx: Tx) -> Record:
        view, draft = await acting_view(tx, call), await locate(tx, call)
        if "bcc" in given and draft.author.inbox_id != view.inbox_id:
            raise not_author()  # nobody else knows who gets a blind copy
        about = await _about(tx, call, view, payload, draft.thread_id)
        if "attachments" in given:
            await _check_files(tx, view, payload, draft.author.inbox_id)
        changed = await drafts.change_draft(
            tx,
            view=view,
            writer=writer_of(call, view.inbox_id),
            draft=draft,
            letter={**draft.letter, **_given(payload)},
            about_message_id=about,
            seen="superseded" in given,
        )
        return await _record(tx, view, changed)

    return answer(await call.database.write(work))


async def delete_draft(call: Call) -> Response:
    """DELETE /v1/drafts/{draft_id}/: by the inbox that made it."""

    async def work(tx: Tx) -> None:
        view, draft = await acting_view(tx, call), await locate(tx, call)
        if draft.author.inbox_id != view.inbox_id:
            raise not_author()
        await drafts.delete_draft(tx, tenant_id=call.tenant_id, draft_id=draft.draft_id)

    await call.database.write(work)
    return no_content()


async def locate(tx: Tx, call: Call) -> Draft:
    """Return the draft in the path, if the acting inbox sees it. Raises NotFound."""
    view = await acting_view(tx, call)
    return await drafts.find_draft(tx, view=view, draft_id=call.path_id("drf", "draft_id"))


async def version(tx: Tx, call: Call) -> str:
    """Return what the draft's tag is made of."""
    return _version(await locate(tx, call))


def _version(draft: Draft) -> str:
    return _version_of(draft.draft_id, draft.version)


def _version_of(draft_id: bytes, version: int) -> str:
    # Of the text alone: new mail in the thread must not refuse what somebody has just typed.
    return f"{draft_id.hex()} {version}"


def tag_of_new(record: Record) -> str:
    """Return the ETag of a draft as it was made, also when the answer is repeated later."""
    draft_id = from_text("drf", str(record["draft_id"])) or b""
    return etags.tag_of(_version_of(draft_id, drafts.FIRST_VERSION))


async def sent_draft(tx: Tx, call: Call, field: str, name: str) -> Draft:
    """Return the draft that a letter is made of. Raises Invalid on `field`."""
    view = await acting_view(tx, call)
    try:
        return await drafts.find_draft(tx, view=view, draft_id=from_text("drf", name) or b"")
    except NotFound:
        raise Invalid(FieldFault(field, "is not a draft that this inbox sees")) from None


async def require_latest(tx: Tx, call: Call, name: str) -> Draft:
    """Return the draft that a letter is made of: the one that its sender has read.

    Raises Invalid on `draft_id`, Problem 428 without If-Match, 412 when it has changed since.
    """
    condition = etags.condition_sent(call)
    if condition is None:
        raise etags.precondition_required()
    draft = await sent_draft(tx, call, "draft_id", name)
    if not condition.holds(etags.tag_of(_version(draft))):
        raise etags.precondition_failed(told(draft))
    return draft


async def require_sent_draft_unchanged(tx: Tx, call: Call) -> None:
    """Raises Problem 428 or 412 for a letter's `draft_id`, before any fault of its fields."""
    name = call.sent.get("draft_id")
    if name is None:
        return
    # A name that leads to no draft is a fault of the field, told with the others.
    with suppress(Invalid):
        await require_latest(tx, call, name if isinstance(name, str) else "")


def lent_by(draft: Draft) -> dict[bytes, bytes]:
    """Map the files of a draft to its author's inbox, for a teammate who sends it."""
    return dict.fromkeys(_upload_ids(draft.letter), draft.author.inbox_id)


async def changed(tx: Tx, call: Call) -> Record:
    """Return who changed the draft last, for those who did not know."""
    return told(await locate(tx, call))


def told(draft: Draft) -> Record:
    """Return who made the last change."""
    return {
        "changed_by": writer_record(draft.changed_by),
        "changed_at": rfc3339(draft.updated_at),
    }
