"""Inboxes: how teammates are found, and the settings of an inbox.

- Everybody of the tenant sees every inbox. Its settings are visible to itself, its owner and
  admins, who may also change them. Only admins change its owner, make or delete it.
- The address never changes.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.access.policy import admin_required, inbox_mismatch, is_admin
from admin_api.alerts import inbox_webhook
from admin_api.alerts.event_permissions import permit_inbox_types, require_types
from admin_api.alerts.inbox_webhook import FIELDS as WEBHOOK_FIELDS
from admin_api.alerts.payloads import EventNames, WebhookUrl
from admin_api.call.audit_trail import differing, note
from admin_api.call.call import Call, inbox_in_path, may_act_for, named_inbox
from admin_api.call.paging import Page, page_answer
from admin_api.call.references import NewAddress, UserName, user
from admin_api.directory.records import inbox_record
from admin_api.directory.shapes import ChangedInbox
from admin_api.http.payload import OneLine, Payload, Signature, Truth, address_of, read_query
from admin_api.http.records import Record, id_or_none
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.http.texts import timezone
from storage.accounts.audit_log import Detail
from storage.address import canonical_or_none
from storage.alerts.alerts import Alert
from storage.alerts.inbox_webhook import webhook_of_inbox, webhooks_of_inboxes
from storage.clock import rfc3339
from storage.database import Tx
from storage.directory import inboxes
from storage.directory.inboxes import Alias, Inbox
from storage.errors import Conflict
from storage.ids import from_text
from storage.maintenance import inbox_removal
from storage.maintenance.inbox_removal import DeletedInbox

Timezone = Annotated[str, Field(max_length=100), AfterValidator(timezone)]


class InboxIn(Payload):
    """An inbox to make."""

    address: NewAddress
    display_name: OneLine = ""
    owner_user_id: UserName | None = None


class InboxChange(Payload):
    """The changeable fields of an inbox; a field left out stays as it is."""

    fixed = fields_of(ChangedInbox)

    display_name: OneLine = ""
    owner_user_id: UserName | None = None
    default_timezone: Timezone = "UTC"
    share_relationships: bool = True
    signature: Signature = ""
    webhook_url: WebhookUrl | None = None
    webhook_events: EventNames = Field(default_factory=list)


class Listing(Page):
    """The part of the list to show; `deleted` asks for those that can still be restored."""

    deleted: Truth = False


def permit_deleted(call: Call) -> None:
    """Raises Problem 403 when somebody else than an admin asks for deleted inboxes."""
    # Read as the call reads it: `Request.url` cannot be made of every Host and query.
    asked, _ = read_query(call.request.scope["query_string"])
    if asked.get("deleted") == "true" and not is_admin(call.caller):
        raise admin_required()


async def list_inboxes(call: Call) -> Response:
    """GET /v1/inboxes/: with `deleted`, for admins, those deleted in the last 30 days."""

    page = call.parameters(Listing)
    if page.deleted:
        return await _list_deleted(call, page)
    span = page.span()

    async def work(tx: Tx) -> tuple[list[Inbox], dict[bytes, list[Alias]], dict[bytes, Alert]]:
        found = await inboxes.list_inboxes(tx, tenant_id=call.tenant_id, span=span)
        aliases = await inboxes.aliases(tx, tenant_id=call.tenant_id)
        return found, aliases, await webhooks_of_inboxes(tx, tenant_id=call.tenant_id)

    found, aliases, webhooks = await call.database.read(work)

    def record(inbox: Inbox) -> Record:
        key = inbox.inbox_id
        return _record(call, inbox, aliases.get(key, []), webhooks.get(key))

    return page_answer(call, page, found, record, lambda inbox: inbox.inbox_id)


async def _list_deleted(call: Call, page: Page) -> Response:
    since, span = call.now - inbox_removal.GRACE, page.span()
    found = await call.database.read(
        lambda tx: inboxes.list_deleted_inboxes(
            tx, tenant_id=call.tenant_id, since=since, span=span
        )
    )

    def record(one: tuple[Inbox, int]) -> Record:
        inbox, deleted_at = one
        return _record(call, inbox, [], None) | {
            "purge_at": rfc3339(deleted_at + inbox_removal.GRACE)
        }

    return page_answer(call, page, found, record, lambda one: one[0].inbox_id)


def _record(call: Call, inbox: Inbox, aliases: list[Alias], webhook: Alert | None) -> Record:
    return inbox_record(
        inbox,
        aliases,
        settings=may_act_for(call.caller, inbox),
        webhook=webhook,
        webhooks=inbox_webhook.may_see(call),
    )


async def create_inbox(call: Call) -> Response:
    """POST /v1/inboxes/."""
    payload = call.payload(InboxIn)

    async def work(tx: Tx) -> Inbox:
        made = await inboxes.create_inbox(
            tx,
            tenant_id=call.tenant_id,
            address=address_of(payload.address),
            display_name=payload.display_name,
            owner_user_id=await _owner(tx, call, payload.owner_user_id),
            now=call.now,
        )
        owner = id_or_none("usr", made.owner_user_id)
        await note(tx, call, "inbox.created", made.inbox_id, name=made.address, owner_user_id=owner)
        return made

    return answer(_record(call, await call.database.write(work), [], None), 201)


async def _owner(tx: Tx, call: Call, text: str | None) -> bytes | None:
    return None if text is None else await user(tx, call, "owner_user_id", text)


async def show_inbox(call: Call) -> Response:
    """GET /v1/inboxes/{inbox_id}/."""

    async def work(tx: Tx) -> Record:
        return await _whole(tx, call, await inbox_in_path(tx, call))

    return answer(await call.database.read(work))


async def _whole(tx: Tx, call: Call, inbox: Inbox) -> Record:
    key = {"tenant_id": call.tenant_id, "inbox_id": inbox.inbox_id}
    aliases = await inboxes.aliases_of(tx, **key)
    return _record(call, inbox, aliases, await webhook_of_inbox(tx, **key))


async def change_inbox(call: Call) -> Response:
    """PATCH /v1/inboxes/{inbox_id}/: with a new webhook_url, the answer shows its secret, once."""
    payload = call.payload(InboxChange)
    change = payload.model_dump(exclude_unset=True, exclude={"owner_user_id", *WEBHOOK_FIELDS})

    async def work(tx: Tx) -> Record:
        inbox = await locate_to_set(tx, call)
        before = await _whole(tx, call, inbox)
        if "owner_user_id" in payload.model_fields_set:
            await inboxes.set_inbox_owner(
                tx,
                tenant_id=call.tenant_id,
                inbox_id=inbox.inbox_id,
                owner_user_id=await _owner(tx, call, payload.owner_user_id),
                now=call.now,
            )
        changed = await inboxes.update_inbox(
            tx, tenant_id=call.tenant_id, inbox_id=inbox.inbox_id, **change
        )
        fields: list[str] = []
        secret = None
        if WEBHOOK_FIELDS & payload.model_fields_set:
            fields, secret = await inbox_webhook.set_webhook(tx, call, inbox, payload)
        record = await _whole(tx, call, changed)
        fields += differing(payload.model_fields_set - WEBHOOK_FIELDS, before, record)
        await _note_change(tx, call, changed, fields)
        return record if secret is None else record | {"webhook_secret": secret}

    return answer(await call.database.write(work))


async def _note_change(tx: Tx, call: Call, inbox: Inbox, fields: Collection[str]) -> None:
    if fields:
        changed: dict[str, Detail] = {"fields": sorted(fields)}
        if "owner_user_id" in fields:
            changed["owner_user_id"] = id_or_none("usr", inbox.owner_user_id)
        await note(tx, call, "inbox.changed", inbox.inbox_id, name=inbox.address, **changed)


async def renew_secret(call: Call) -> Response:
    """POST /v1/inboxes/{inbox_id}/webhook-secret/: the former secret signs calls too for a day."""

    async def work(tx: Tx) -> tuple[Inbox, str]:
        inbox = await locate_to_change(tx, call)
        return inbox, await inbox_webhook.renew_secret(tx, call, inbox)

    return inbox_webhook.secret_answer(*await call.database.write(work))


async def delete_inbox(call: Call) -> Response:
    """DELETE /v1/inboxes/{inbox_id}/: it can be restored for 30 days."""

    async def work(tx: Tx) -> None:
        inbox = await inbox_in_path(tx, call)
        await inbox_removal.delete_inbox(
            tx, tenant_id=call.tenant_id, inbox_id=inbox.inbox_id, now=call.now
        )
        await note(tx, call, "inbox.deleted", inbox.inbox_id, name=inbox.address)

    await call.database.write(work)
    return no_content()


async def restore_inbox(call: Call) -> Response:
    """POST /v1/inboxes/{inbox_id}/restore/: with its mail, without memberships and tokens."""

    async def work(tx: Tx) -> Record:
        deleted = await _deleted(tx, call)
        restored = await inbox_removal.restore_inbox(
            tx, tenant_id=call.tenant_id, inbox_id=deleted.inbox_id, now=call.now
        )
        await note(tx, call, "inbox.restored", restored.inbox_id, name=restored.address)
        return await _whole(tx, call, restored)

    return answer(await call.database.write(work))


async def _deleted(tx: Tx, call: Call) -> DeletedInbox:
    """Return the deleted inbox in the path. Raises NotFound, Conflict `not_deleted`."""
    name = call.arguments["inbox_id"]
    return await inbox_removal.find_deleted_inbox(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=from_text("inb", name),
        canonical=canonical_or_none(name),
        now=call.now,
    )


def permit_change(call: Call) -> None:
    """Raises Problem 403 for a new owner by no admin, or an event type without access."""
    if "owner_user_id" in call.sent and not is_admin(call.caller):
        raise admin_required()
    permit_inbox_types(call)


async def locate(tx: Tx, call: Call) -> Inbox:
    """Return the inbox in the path, by id or address. Raises NotFound."""
    return await inbox_in_path(tx, call)


async def locate_to_change(tx: Tx, call: Call) -> Inbox:
    """Return the inbox in the path, if the caller may change it.

    Raises Problem: 404, and 403 for one that the caller sees but may not change.
    """
    if isinstance(call.caller, Agent):
        name = call.arguments["inbox_id"]
        named = await named_inbox(tx, tenant_id=call.tenant_id, name=name)
        if named is None or not may_act_for(call.caller, named):
            # One answer for all inboxes but its own: it must not tell which ones there are.
            raise inbox_mismatch()
        return named
    inbox = await inbox_in_path(tx, call)
    if not may_act_for(call.caller, inbox):
        raise admin_required()
    return inbox


async def locate_to_set(tx: Tx, call: Call) -> Inbox:
    """The same, for its settings.

    Raises Problem 403 too when its webhook would move and has event types that the caller may not
    read.
    """
    inbox = await locate_to_change(tx, call)
    if call.sent.get("webhook_url") is not None and "webhook_events" not in call.sent:
        key = {"tenant_id": call.tenant_id, "inbox_id": inbox.inbox_id}
        webhook = await webhook_of_inbox(tx, **key)
        # A new URL moves all events of the webhook there, also those that the caller may not read.
        require_types(call, () if webhook is None else webhook.events)
    return inbox


async def locate_to_restore(tx: Tx, call: Call) -> None:
    """Raises NotFound when there is no inbox in the path, deleted or not."""
    # One that is not deleted is there: its 409 comes later, from the handler.
    with suppress(Conflict):
        await _deleted(tx, call)
