"""Handoff of a thread: assignment, a note that mentions the receiver, and the sender's card.

All three are one transaction.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.access.policy import missing_scope
from admin_api.call.audit_trail import note as note_act
from admin_api.call.call import Call, acting_view
from admin_api.call.references import Teammate, teammate
from admin_api.contacts.records import share_record
from admin_api.http.payload import Payload
from admin_api.http.records import Record
from admin_api.http.responses import answer
from admin_api.teamwork.notes import Text
from admin_api.teamwork.records import note_record
from admin_api.teamwork.threads import locate, thread_in_path
from storage.contacts.contacts import Contact, contacts_with
from storage.database import Tx
from storage.directory.inboxes import Inbox
from storage.errors import FieldFault, Invalid
from storage.ids import to_text
from storage.mailbox.visibility import View, thread_senders
from storage.sharing.offers import offer_contact
from storage.sharing.shares import Share
from storage.teamwork import assignment, notes


class HandoffIn(Payload):
    """The receiver of the thread, and a note for them and for everybody who sees the thread."""

    to: Teammate
    note: Text | None = None
    share_contact: bool = False


async def hand_off_thread(call: Call) -> Response:
    """POST /v1/messages/threads/{thread_id}/handoff/: one transaction, one task."""
    payload = call.payload(HandoffIn)

    async def work(tx: Tx) -> Record:
        await locate(tx, call)
        view, thread_id = await acting_view(tx, call), await thread_in_path(tx, call)
        receiver = await teammate(tx, call, "to", payload.to)
        share = None
        if payload.share_contact:
            share = await _offer_card(tx, view=view, thread_id=thread_id, to=receiver)
        note = None
        if payload.note is not None:
            note = await notes.add_note(
                tx,
                view=view,
                thread_id=thread_id,
                body=payload.note,
                mentions=[receiver],
                user_id=call.user_id,
                # The assignment makes the receiver's task; the mention would make a second one.
                with_tasks=False,
            )
        await assignment.assign_thread(
            tx,
            view=view,
            thread_id=thread_id,
            to_inbox_id=receiver.inbox_id,
            text=None,
            note_id=None if note is None else note.note_id,
            user_id=call.user_id,
        )
        shared = None if share is None else to_text("shr", share.share_id)
        to = to_text("inb", receiver.inbox_id)
        await note_act(tx, call, "thread.handed_off", thread_id, to_inbox_id=to, share_id=shared)
        record: Record = {
            "assigned": True,
            "to": receiver.address,
            "note": note and note_record(note),
        }
        return record if share is None else record | {"share": share_record(share)}

    return answer(await call.database.write(work))


def permit_sharing(call: Call) -> None:
    """Raises Problem 403 for a token without `contacts:write` that asks for `share_contact`."""
    caller = call.caller
    # `email:write` opens this route, but gives no right to the address book.
    may_share = not isinstance(caller, Agent) or "contacts:write" in caller.token.scopes
    if call.sent.get("share_contact") is True and not may_share:
        raise missing_scope("contacts:write")


async def _offer_card(tx: Tx, *, view: View, thread_id: bytes, to: Inbox) -> Share:
    """Offer the card of the last writer in the thread that has one. Raises Invalid without one."""
    senders = await thread_senders(tx, view=view, thread_id=thread_id)
    cards = await contacts_with(
        tx, tenant_id=view.tenant_id, inbox_id=view.inbox_id, canonicals=senders
    )
    if not cards or to.inbox_id == view.inbox_id:
        fault = FieldFault("share_contact", "the sender has no card that could be offered")
        raise Invalid(fault)
    latest = min(cards, key=lambda one: min(map(senders.index, _known_of(one, senders))))
    share, _ = await offer_contact(
        tx,
        tenant_id=view.tenant_id,
        contact=latest,
        to_inbox_id=to.inbox_id,
        # Notes on a card are private: only an offer of the card itself can include them.
        include_notes=False,
        now=view.now,
    )
    return share


def _known_of(contact: Contact, senders: list[str]) -> list[str]:
    """Return those of the senders that are on the card."""
    return [canonical for canonical in contact.card.canonicals if canonical in senders]
