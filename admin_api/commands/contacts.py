"""`postroom contacts` and `postroom who`: an inbox's cards, and who in a team knows an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import INBOX, TENANT, view_of
from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from typing import IO

    from storage.contacts.contacts import Contact, ContactPage
    from storage.contacts.import_cards import Imported
    from storage.contacts.relationships import Acquaintance
    from storage.contacts.vcards import ReadCard, Unreadable
    from storage.database import Tx
    from storage.mailbox.visibility import View


@click.group()
@common
def contacts() -> None:
    """List, show, delete, import and export the cards of an inbox."""


@contacts.command("list")
@common
@INBOX
@click.option("--search", metavar="WORDS", default="", help="Words, each of which must be there.")
@click.option("--position", type=click.IntRange(min=0), default=0)
@click.option("--limit", type=click.IntRange(1, 1000), default=1000)
@click.pass_obj
def list_contacts(call: Invocation, *, inbox: str, search: str, position: int, limit: int) -> None:
    """List the cards of an inbox by name."""
    from admin_api.contacts.records import contact_record
    from storage.contacts.contacts import search_contacts

    async def work(tx: Tx) -> ContactPage:
        view = await view_of(tx, inbox)
        return await search_contacts(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            text=search,
            position=position,
            limit=limit,
        )

    records = [contact_record(one) for one in call.read(work).contacts]
    call.show_all(records, "id", "full_name", "emails", "organization", empty="No contacts.")


@contacts.command("show")
@common
@click.argument("contact")
@INBOX
@click.pass_obj
def show_contact(call: Invocation, *, contact: str, inbox: str) -> None:
    """Show one card of an inbox."""
    from admin_api.contacts.records import contact_record

    async def work(tx: Tx) -> Contact:
        return await _card_of(tx, await view_of(tx, inbox), contact)

    call.show(contact_record(call.read(work)))


@contacts.command("delete")
@common
@click.argument("contact")
@INBOX
@click.pass_obj
def delete_contact(call: Invocation, *, contact: str, inbox: str) -> None:
    """Take the card CONTACT out of an inbox's book.

    What is offered of it is withdrawn.
    """
    from admin_api.contacts.records import contact_record
    from storage.contacts.contacts import remove_contact
    from storage.sharing.resolutions import withdraw_offers_of

    async def work(tx: Tx) -> Contact:
        view = await view_of(tx, inbox)
        found = await _card_of(tx, view, contact)
        await withdraw_offers_of(tx, tenant_id=view.tenant_id, contact=found, now=view.now)
        await remove_contact(tx, tenant_id=view.tenant_id, contact=found)
        return found

    call.show(contact_record(call.write(work)))


async def _card_of(tx: Tx, view: View, contact: str) -> Contact:
    from storage.contacts.contacts import find_contact
    from storage.errors import FieldFault, Invalid, NotFound
    from storage.ids import from_text

    try:
        return await find_contact(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            contact_id=from_text("ctc", contact) or b"",
        )
    except NotFound:
        raise Invalid(FieldFault("contact", "is not a card of this inbox")) from None


@contacts.command("import")
@common
@click.argument("file", type=click.File("rb"))
@INBOX
@click.pass_obj
def import_contacts(call: Invocation, *, file: IO[bytes], inbox: str) -> None:
    """Take the cards of a vCard FILE into an inbox's book; - is stdin."""
    from storage.contacts.import_cards import next_cards
    from storage.contacts.vcards import read_cards

    found = read_cards(file)
    counts: dict[str, int] = dict.fromkeys(
        ("created", "merged", "unchanged", "skipped", "failed"), 0
    )
    while some := next_cards(found):
        while some:
            done = _take(call, inbox, some)
            for one in done:
                counts[one.status] += 1
            some = some[len(done) :]
    call.show(counts)
    if counts["failed"]:
        raise Faults(f"{counts['failed']} of the cards could not be taken")


def _take(call: Invocation, inbox: str, some: list[ReadCard | Unreadable]) -> list[Imported]:
    """The first of these cards, one at least: as many as a transaction may take."""
    import time

    from storage.contacts.import_cards import import_cards

    most_contacts = call.settings().max_contacts_per_inbox

    async def work(tx: Tx) -> list[Imported]:
        view = await view_of(tx, inbox)
        return await import_cards(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            found=some,
            most_contacts=most_contacts,
            ticks=time.monotonic,
            now=view.now,
        )

    return call.write(work)


@contacts.command("export")
@common
@INBOX
@click.option("--format", "version", type=click.Choice(["4.0", "3.0"]), default="4.0")
@click.pass_obj
def export_contacts(call: Invocation, *, inbox: str, version: str) -> None:
    """Write the cards of an inbox as vCards to stdout."""
    from storage.contacts.contacts import contacts_after
    from storage.contacts.write_vcards import write_card
    from storage.ids import to_text

    after = b""
    while True:

        async def work(tx: Tx, after: bytes = after) -> list[Contact]:
            view = await view_of(tx, inbox)
            return await contacts_after(
                tx, tenant_id=view.tenant_id, inbox_id=view.inbox_id, after=after
            )

        page = call.read(work)
        for one in page:
            text = write_card(
                one.card,
                uid=to_text("ctc", one.contact_id),
                updated_at=one.updated_at,
                version="3.0" if version == "3.0" else "4.0",
            )
            click.echo(text, nl=False)
        if not page:
            return
        after = page[-1].contact_id


@click.command()
@common
@click.argument("address")
@TENANT
@click.pass_obj
def who(call: Invocation, *, address: str, tenant_text: str | None) -> None:
    """Show who in a team knows ADDRESS, the best first.

    Inboxes that keep their relationships to themselves are left out.
    """
    from admin_api.contacts.records import acquaintance_record
    from storage.address import canonical_or_none
    from storage.clock import system_clock
    from storage.contacts.relationships import known_by
    from storage.directory.operator_names import tenant_meant

    canonical = canonical_or_none(address)
    if canonical is None:
        raise Faults("address: is not an address")

    async def work(tx: Tx) -> list[Acquaintance]:
        found = await tenant_meant(tx, text=tenant_text)
        known = await known_by(tx, tenant_id=found.tenant_id, inbox_id=None, canonicals=[canonical])
        return known.get(canonical, [])

    now = system_clock()
    records = [acquaintance_record(one, now=now) for one in call.read(work)]
    call.show_all(records, "inbox_id", "address", "strength", empty="Nobody knows this address.")
