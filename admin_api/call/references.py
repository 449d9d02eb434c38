"""References in input: fields that name an inbox, a thread, a card or another object.

- A payload marks such a field with its reference: `to: Teammate`, `mentions: list[Teammate]`.
- Unknown, another tenant's and invisible objects get the same fault on that field.
- A handler resolves by the same function within its own transaction. When anything else is wrong
  with the input, every marked field is resolved as well, so that all faults are reported together.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from admin_api.call.call import Call, acting_inbox, acting_view, may_act_for, named_inbox
from admin_api.http.payload import Form, Instant, OwnAddress, ReferenceText, address_of
from storage.clock import parse_rfc3339
from storage.contacts import contacts
from storage.contacts.contacts import Contact
from storage.database import Tx
from storage.delivery.thread_merge import current_thread
from storage.directory import inboxes, lists
from storage.directory.domains import require_verified
from storage.directory.inboxes import Inbox, find_teammates
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import from_text
from storage.index.query import Query
from storage.mailbox import visibility
from storage.mailbox.search import SearchFilter, search_messages


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a field, or the entries of an array. `find` raises Invalid on the field it is given."""

    find: Callable[[Tx, Call, str, str], Coroutine[Any, Any, object]]


async def unresolved(tx: Tx, call: Call, form: Form) -> list[FieldFault]:
    """Return the faults of those well-formed fields of a form that refer to nothing."""
    faults: list[FieldFault] = []
    for path, reference in marked(form.model):
        for field, text in form.texts(path):
            try:
                await reference.find(tx, call, field, text)
            except Invalid as error:
                faults += error.faults
    return faults


@lru_cache(maxsize=256)
def marked(model: type[BaseModel]) -> tuple[tuple[tuple[str, ...], Reference], ...]:
    """Yield the marked fields of a model and of the objects in it, under their wire names.

    Not those of objects in an array.
    """
    return tuple(
        ((field.alias or name, *path), reference)
        for name, field in model.model_fields.items()
        for path, reference in _within(Annotated[field.annotation, *field.metadata, None])
    )


def _within(annotation: object) -> Iterator[tuple[tuple[str, ...], Reference]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from marked(annotation)
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from (((), one) for one in arguments[1:] if isinstance(one, Reference))
        arguments = arguments[:1]
    for argument in arguments:
        for path, reference in _within(argument):
            if not path or get_origin(annotation) is not list:
                yield path, reference


async def teammate(tx: Tx, call: Call, field: str, name: str) -> Inbox:
    """Return the inbox of the tenant with this address."""
    (found,) = await find_teammates(tx, tenant_id=call.tenant_id, named=[(field, name)])
    return found


async def any_inbox(tx: Tx, call: Call, field: str, name: str) -> Inbox:
    """Return the inbox of the tenant with this id or address."""
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=name)
    if inbox is None:
        raise Invalid(FieldFault(field, "is not an inbox of this tenant"))
    return inbox


async def own_inbox(tx: Tx, call: Call, field: str, name: str) -> Inbox:
    """Return the inbox with this id or address, for which the caller may act."""
    inbox = await any_inbox(tx, call, field, name)
    if not may_act_for(call.caller, inbox):
        raise Invalid(FieldFault(field, "is not an inbox of this tenant"))
    return inbox


async def other_inbox(tx: Tx, call: Call, field: str, name: str) -> Inbox:
    """Return the inbox of the tenant with this id or address; not the acting one."""
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=name)
    if inbox is None or inbox.inbox_id == await acting_inbox(tx, call):
        raise Invalid(FieldFault(field, "is not another inbox of this tenant"))
    return inbox


async def user(tx: Tx, call: Call, field: str, name: str) -> bytes:
    """Return the id of the tenant's user with this id."""
    user_id = from_text("usr", name) or b""
    await inboxes.require_owner(tx, tenant_id=call.tenant_id, user_id=user_id, field=field)
    return user_id


async def visible_thread(tx: Tx, call: Call, field: str, name: str) -> bytes:
    """Return the id of a thread of which the acting inbox sees a message."""
    thread_id = from_text("thr", name)
    if thread_id is not None:
        view = await acting_view(tx, call)
        thread_id = await current_thread(tx, tenant_id=call.tenant_id, thread_id=thread_id)
        if await visibility.sees_thread(tx, view=view, thread_id=thread_id):
            return thread_id
    # One fault for unknown, another tenant's and invisible: else ids could be probed.
    raise Invalid(FieldFault(field, "is not a thread that this inbox sees"))


async def visible_message(tx: Tx, call: Call, field: str, name: str) -> bytes:
    """Return the id of a message that the acting inbox sees."""
    message_id = from_text("msg", name)
    if message_id is not None:
        view = await acting_view(tx, call)
        if await visibility.seen_of(tx, view=view, message_ids=[message_id]):
            return message_id
    raise Invalid(FieldFault(field, "is not a message that this inbox sees"))


async def own_contact(tx: Tx, call: Call, field: str, name: str) -> Contact:
    """Return the card in the acting inbox's book."""
    inbox_id, contact_id = await acting_inbox(tx, call), from_text("ctc", name) or b""
    try:
        return await contacts.find_contact(
            tx, tenant_id=call.tenant_id, inbox_id=inbox_id, contact_id=contact_id
        )
    except NotFound:
        raise Invalid(FieldFault(field, "is not a contact of this inbox")) from None


async def any_list(tx: Tx, call: Call, field: str, name: str) -> bytes:
    """Return the id of the tenant's list with this id or address."""
    list_id = await lists.list_named(tx, tenant_id=call.tenant_id, name=name)
    if list_id is None:
        raise Invalid(FieldFault(field, "is not a list of this tenant"))
    return list_id


async def known_list(tx: Tx, call: Call, field: str, name: str) -> bytes:
    """The same, or the id of a deleted list by which the acting inbox has mail."""
    gone, mail = from_text("lst", name), SearchFilter(Query(lists=(name,)))
    try:
        return await any_list(tx, call, field, name)
    except Invalid:
        key = {"tenant_id": call.tenant_id, "inbox_id": await acting_inbox(tx, call)}
        # Only with mail by it: otherwise any id would pass, and a typing error would find nothing.
        if gone and await search_messages(
            tx, **key, wanted=mail, before=None, limit=1, now=call.now
        ):
            return gone
        raise


async def on_own_domain(tx: Tx, call: Call, field: str, text: str) -> None:
    """Check that an address to be made is on a verified domain of the tenant."""
    domain = address_of(text).canonical.rpartition("@")[2]
    await require_verified(tx, tenant_id=call.tenant_id, name=domain, field=field)


async def in_future(tx: Tx, call: Call, field: str, text: str) -> int:
    """Check that a time is after the call."""
    moment = parse_rfc3339(text)
    if moment <= call.now:
        raise Invalid(FieldFault(field, "must be in the future"))
    return moment


Teammate = Annotated[ReferenceText, Reference(teammate)]
AnyInbox = Annotated[ReferenceText, Reference(any_inbox)]
OwnInbox = Annotated[ReferenceText, Reference(own_inbox)]
OtherInbox = Annotated[ReferenceText, Reference(other_inbox)]
UserName = Annotated[ReferenceText, Reference(user)]
VisibleThread = Annotated[ReferenceText, Reference(visible_thread)]
OwnContact = Annotated[ReferenceText, Reference(own_contact)]
KnownList = Annotated[ReferenceText, Reference(known_list)]
NewAddress = Annotated[OwnAddress, Reference(on_own_domain)]
FutureInstant = Annotated[Instant, Reference(in_future)]
