"""`postroom messages`: the copies of one inbox, as its owner sees them."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import printable
from admin_api.commands.terminal.invocation import Invocation, common
from admin_api.commands.terminal.pages import paged, place_of, show_page

if TYPE_CHECKING:
    from storage.authentication.results import StoredCheck
    from storage.content.message_bytes import Content, ContentDirectory
    from storage.database import Database, Store, Tx
    from storage.mailbox.copies import Copy
    from storage.mailbox.message_text import MessageOutline, MessageText

_SHOWN = 1024 * 1024
_FOLDERS = click.Choice(["inbox", "archive", "junk", "trash", "sent"])


@click.group()
@common
def messages() -> None:
    """List and show the messages of an inbox; check who wrote one."""


@messages.command("list")
@common
@click.option("--inbox", metavar="INBOX", required=True, help="Its id or address.")
@click.option("--folder", type=_FOLDERS, default="inbox", show_default=True)
@click.option("--unread", is_flag=True, help="Only what has not been read.")
@paged
@click.pass_obj
def show_all(
    call: Invocation,
    *,
    inbox: str,
    folder: str,
    unread: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """List the messages of an inbox, newest first."""
    from admin_api.mailbox.records import message_item
    from storage.directory.operator_names import inbox_meant
    from storage.mailbox.copies import list_copies

    before = place_of(cursor)

    async def work(tx: Tx) -> list[Copy]:
        owner = await inbox_meant(tx, text=inbox)
        return await list_copies(
            tx,
            tenant_id=owner.tenant_id,
            inbox_id=owner.inbox_id,
            folder=folder,
            is_read=False if unread else None,
            before=before,
            limit=limit + 1,
        )

    found = call.read(work)
    show_page(
        call,
        [message_item(copy) for copy in found[:limit]],
        [_line(copy) for copy in found[:limit]],
        before=found[limit - 1].message_id if len(found) > limit else None,
        empty="There are no messages.",
        heads=("message", "received_at", "read", "from", "subject"),
    )


def _line(copy: Copy) -> tuple[object, ...]:
    from storage.clock import rfc3339
    from storage.ids import to_text

    return (
        to_text("msg", copy.message_id),
        rfc3339(copy.received_at),
        "read" if copy.is_read else "new",
        copy.sender.email,
        copy.subject or "(no subject)",
    )


@messages.command()
@common
@click.argument("message")
@click.option("--inbox", metavar="INBOX", required=True, help="Its id or address.")
@click.option("--raw", is_flag=True, help="Write the bytes as they are kept, trace fields first.")
@click.pass_obj
def show(call: Invocation, message: str, inbox: str, raw: bool) -> None:
    """Show the header and the text of a message; it stays unread."""
    from admin_api.commands.terminal.message_text import readable
    from admin_api.commands.terminal.store import contents_of, run
    from admin_api.mailbox.header_fields import header_fields
    from admin_api.mailbox.records import message_record

    if raw and call.json:
        raise click.UsageError("--raw and --json exclude each other.")
    settings = call.settings()

    async def work(database: Store) -> tuple[Copy, bytes, MessageText, StoredCheck | None] | None:
        contents = contents_of(settings, database, database)
        if not raw:
            return await _shown(database, contents, message, inbox)
        await _write_raw(database, contents, message, inbox)
        return None

    shown = run(settings, work)
    if shown is None:
        return
    copy, beginning, letter, check = shown
    believed = check is not None and check.record["source"] == "relay"
    headers = header_fields(beginning, hostname=settings.hostname, believed=believed)
    record = message_record(copy, headers, letter, check)
    call.answer(record, printable(readable(beginning)))


async def _found(
    database: Database, message: str, inbox: str
) -> tuple[Copy, Content, MessageOutline, StoredCheck | None]:
    from storage.authentication.results import find_check
    from storage.content.message_bytes import find_content
    from storage.directory.operator_names import inbox_meant
    from storage.errors import FieldFault, Invalid, NotFound
    from storage.ids import from_text
    from storage.mailbox.copies import find_copy
    from storage.mailbox.message_text import find_outline

    async def work(tx: Tx) -> tuple[Copy, Content, MessageOutline, StoredCheck | None]:
        owner = await inbox_meant(tx, text=inbox)
        key = {"tenant_id": owner.tenant_id, "message_id": from_text("msg", message) or b""}
        try:
            copy = await find_copy(tx, inbox_id=owner.inbox_id, **key)
        except NotFound:
            fault = FieldFault("message", "this inbox holds no such message")
            raise Invalid(fault) from None
        return (
            copy,
            await find_content(tx, **key),
            await find_outline(tx, **key),
            await find_check(tx, **key),
        )

    return await database.read(work)


async def _write_raw(
    database: Database, contents: ContentDirectory, message: str, inbox: str
) -> None:
    from storage.mailbox.copies import trace_fields

    copy, content, _, _ = await _found(database, message, inbox)
    out = sys.stdout.buffer
    out.write(trace_fields(copy))
    async with aclosing(contents.chunks(content)) as chunks:
        async for chunk in chunks:
            out.write(chunk)
    out.flush()


async def _shown(
    database: Database, contents: ContentDirectory, message: str, inbox: str
) -> tuple[Copy, bytes, MessageText, StoredCheck | None]:
    """The copy, as much of its content as is shown, what the parser made of it, and its check."""
    from storage.mailbox.message_text import read_letter

    copy, content, outline, check = await _found(database, message, inbox)
    beginning = b""
    async with aclosing(contents.chunks(content)) as chunks:
        async for chunk in chunks:
            beginning += chunk
            if len(beginning) >= _SHOWN:
                break
    return copy, beginning[:_SHOWN], await read_letter(contents, content, outline), check
