"""The acting inbox and thread of commands for team work.

Acts of the operator are recorded as the inbox's, by no person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from storage.accounts.tenants import Tenant
    from storage.database import Tx
    from storage.mailbox.visibility import View

INBOX = click.option("--inbox", metavar="INBOX", required=True, help="Who looks or acts.")
TENANT = click.option(
    "--tenant",
    "tenant_text",
    metavar="TENANT",
    help="Its id or name; needed when there are several.",
)
ANY_TENANT = click.option(
    "--tenant", "tenant_text", metavar="TENANT", help="Only this tenant's (id or name)."
)


async def tenants_asked(tx: Tx, text: str | None) -> list[Tenant]:
    """The tenant that is named, or all of them, oldest first. Raises Invalid."""
    from storage.accounts.tenants import list_tenants
    from storage.directory.operator_names import tenant_meant

    return await list_tenants(tx) if text is None else [await tenant_meant(tx, text=text)]


async def view_of(tx: Tx, inbox: str) -> View:
    """Return the present view of the inbox with this id or address. Raises Invalid."""
    from storage.clock import system_clock
    from storage.directory.operator_names import inbox_meant
    from storage.mailbox.visibility import View

    found = await inbox_meant(tx, text=inbox)
    return View(found.tenant_id, found.inbox_id, system_clock())


async def thread_of(tx: Tx, view: View, text: str) -> bytes:
    """The thread with this id, if the inbox sees it. Raises Invalid on `thread`."""
    from storage.delivery.thread_merge import current_thread
    from storage.errors import FieldFault, Invalid
    from storage.ids import from_text
    from storage.mailbox.visibility import sees_thread

    thread_id = from_text("thr", text)
    if thread_id is not None:
        thread_id = await current_thread(tx, tenant_id=view.tenant_id, thread_id=thread_id)
    if thread_id is None or not await sees_thread(tx, view=view, thread_id=thread_id):
        raise Invalid(FieldFault("thread", "is not a thread that this inbox sees"))
    return thread_id


async def assignee_of(tx: Tx, view: View, text: str | None) -> bytes | None:
    """Return the inbox that `me` or an address means; None for `none`. Raises Invalid."""
    from storage.directory.inboxes import find_teammates

    if text is None or text == "none":
        return None
    if text == "me":
        return view.inbox_id
    named = [("assigned-to", text)]
    (found,) = await find_teammates(tx, tenant_id=view.tenant_id, named=named)
    return found.inbox_id
