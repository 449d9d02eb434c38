"""Distribution lists and their members."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call, inbox_in_path
from admin_api.call.paging import Page, page_answer
from admin_api.call.references import AnyInbox, NewAddress, any_inbox
from admin_api.directory.records import list_record, member_record
from admin_api.directory.shapes import ListRecord
from admin_api.http.payload import Name, Payload, Signature, address_of
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from storage.database import Tx
from storage.directory import lists
from storage.directory.inboxes import Inbox
from storage.directory.lists import DistributionList, Member
from storage.ids import to_text


class ListIn(Payload):
    """A list to make."""

    address: NewAddress
    name: Name


class ListChange(Payload):
    """The changeable fields of a list."""

    fixed = fields_of(ListRecord)

    name: Name = ""
    share_read_state: bool = True
    reply_as: lists.ReplyAs = "list"
    reply_name: lists.ReplyName = "both"
    signature: Signature = ""


class MemberIn(Payload):
    """An inbox, by id or address, to add to a list."""

    inbox_id: AnyInbox


async def list_lists(call: Call) -> Response:
    """GET /v1/distribution-lists/."""
    page = call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[DistributionList]:
        return await lists.all_lists(tx, tenant_id=call.tenant_id, span=span)

    found = await call.database.read(work)
    return page_answer(
        call, page, found, lambda item: _record(call, item), lambda item: item.list_id
    )


def _record(call: Call, item: DistributionList) -> Record:
    return list_record(item, for_admin=is_admin(call.caller))


async def create_list(call: Call) -> Response:
    """POST /v1/distribution-lists/."""
    payload = call.payload(ListIn)

    async def work(tx: Tx) -> DistributionList:
        made = await lists.create_list(
            tx,
            tenant_id=call.tenant_id,
            address=address_of(payload.address),
            name=payload.name,
            created_by=call.person.user.user_id,
            now=call.now,
        )
        await note(tx, call, "list.created", made.list_id, name=made.address)
        return made

    return answer(list_record(await call.database.write(work)), 201)


async def show_list(call: Call) -> Response:
    """GET /v1/distribution-lists/{list_id}/."""
    return answer(_record(call, await call.database.read(lambda tx: locate(tx, call))))


async def change_list(call: Call) -> Response:
    """PATCH /v1/distribution-lists/{list_id}/: the address never changes."""
    payload = call.payload(ListChange)

    async def work(tx: Tx) -> DistributionList:
        found = await locate(tx, call)
        change = payload.model_dump(exclude_unset=True)
        changed = await lists.update_list(
            tx, tenant_id=call.tenant_id, list_id=found.list_id, **change
        )
        if changed.name != found.name:
            await note(tx, call, "list.renamed", changed.list_id, name=changed.address)
        fields = differing({*change} - {"name"}, list_record(found), list_record(changed))
        if fields:
            await note(
                tx, call, "list.changed", changed.list_id, name=changed.address, fields=fields
            )
        return changed

    return answer(list_record(await call.database.write(work)))


async def delete_list(call: Call) -> Response:
    """DELETE /v1/distribution-lists/{list_id}/: its address is refused from the next RCPT on."""

    async def work(tx: Tx) -> None:
        found = await locate(tx, call)
        key = {"tenant_id": call.tenant_id, "list_id": found.list_id}
        await lists.delete_list(tx, **key, now=call.now)
        await note(tx, call, "list.deleted", found.list_id, name=found.address)

    await call.database.write(work)
    return no_content()


async def list_members(call: Call) -> Response:
    """GET /v1/distribution-lists/{list_id}/members/."""

    page = call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[Member]:
        list_id = call.path_id("lst", "list_id")
        return await lists.list_members(tx, tenant_id=call.tenant_id, list_id=list_id, span=span)

    found = await call.database.read(work)
    return page_answer(call, page, found, member_record, lambda member: member.member_id)


async def add_member(call: Call) -> Response:
    """POST /v1/distribution-lists/{list_id}/members/: 201 when new, 200 when already a member."""
    payload = call.payload(MemberIn)

    async def work(tx: Tx) -> tuple[Member, bool]:
        found = await locate(tx, call)
        inbox = await any_inbox(tx, call, "inbox_id", payload.inbox_id)
        member, is_new = await lists.add_member(
            tx,
            tenant_id=call.tenant_id,
            list_id=found.list_id,
            inbox_id=inbox.inbox_id,
            now=call.now,
        )
        if is_new:
            await _note_member(tx, call, "list.member_added", found, inbox)
        return member, is_new

    member, is_new = await call.database.write(work)
    return answer(member_record(member), 201 if is_new else 200)


async def _note_member(
    tx: Tx, call: Call, action: str, found: DistributionList, inbox: Inbox
) -> None:
    inbox_id, address = to_text("inb", inbox.inbox_id), inbox.address
    await note(
        tx, call, action, found.list_id, name=found.address, member_id=inbox_id, member=address
    )


async def remove_member(call: Call) -> Response:
    """DELETE /v1/distribution-lists/{list_id}/members/{inbox_id}/."""

    async def work(tx: Tx) -> None:
        found, inbox = await locate(tx, call), await inbox_in_path(tx, call)
        await lists.remove_member(
            tx,
            tenant_id=call.tenant_id,
            list_id=found.list_id,
            inbox_id=inbox.inbox_id,
            now=call.now,
        )
        await _note_member(tx, call, "list.member_removed", found, inbox)

    await call.database.write(work)
    return no_content()


async def locate(tx: Tx, call: Call) -> DistributionList:
    """Return the list in the path. Raises NotFound."""
    list_id = call.path_id("lst", "list_id")
    return await lists.find_list(tx, tenant_id=call.tenant_id, list_id=list_id)
