"""vCard import and export: a file into the acting inbox's book, the book as a file.

- A file is spooled whole before its first card is stored, so one that is too large changes nothing.
  Then it is read card by card, and some cards at a time are stored, each transaction whole and
  short (`storage.contacts.import_cards`). A client that hangs up ends its import there.
- Two imports of an inbox run at a time. The answer has the first thousand cards, and behind them
  faults only, a thousand at most; its counts are of all.
- A refusal of the store in the middle of a file is answered as everywhere; the file can be sent
  again, because cards that are stored already are left as they are.
- An export is streamed a page at a time; a card that is made meanwhile may be in it or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from admin_api.call.call import Call, acting_inbox
from admin_api.contacts.contacts import locate
from admin_api.http.hang_up import watching
from admin_api.http.payload import Parameters
from admin_api.http.problems import Problem
from admin_api.http.records import Record, id_or_none
from admin_api.http.responses import answer
from storage.contacts.contacts import Contact, contacts_after
from storage.contacts.import_cards import Imported, import_cards, next_cards
from storage.contacts.vcards import ReadCard, Unreadable, read_cards
from storage.contacts.write_vcards import write_card
from storage.database import Tx
from storage.ids import to_text

MEDIA_TYPES = ("text/vcard", "text/x-vcard", "text/directory", "application/octet-stream")

_TOLD = 1_000
_RUNNING_SECONDS = 5
_KINDS = ("created", "merged", "unchanged", "skipped", "failed")
_FAULTS = ("skipped", "failed")

Cards = list[ReadCard | Unreadable]


class Export(Parameters):
    """The vCard version of an export."""

    version: Literal["3.0", "4.0"] = "4.0"


async def show_vcard(call: Call) -> Response:
    """GET /v1/contacts/{contact_id}/vcard/."""
    contact = await call.database.read(lambda tx: locate(tx, call))
    name = to_text("ctc", contact.contact_id)
    return Response(
        _written(contact, call.parameters(Export)),
        media_type="text/vcard",
        headers={"Content-Disposition": f'attachment; filename="{name}.vcf"'},
    )


def _written(contact: Contact, wanted: Export) -> str:
    return write_card(
        contact.card,
        uid=to_text("ctc", contact.contact_id),
        updated_at=contact.updated_at,
        version=wanted.version,
    )


async def export_contacts(call: Call) -> Response:
    """GET /v1/contacts/export/: the whole book, oldest card first."""
    wanted = call.parameters(Export)
    inbox_id = await call.database.read(lambda tx: acting_inbox(tx, call))

    async def some(after: bytes) -> list[Contact]:
        async def work(tx: Tx) -> list[Contact]:
            return await contacts_after(
                tx, tenant_id=call.tenant_id, inbox_id=inbox_id, after=after
            )

        return await call.database.read(work)

    first = await some(b"")  # when the store is out of reach, the answer can still say so

    async def pages() -> AsyncIterator[str]:
        page = first
        while page:
            yield "".join(_written(contact, wanted) for contact in page)
            page = await some(page[-1].contact_id)

    return StreamingResponse(
        pages(),
        media_type="text/vcard",
        headers={"Content-Disposition": 'attachment; filename="contacts.vcf"'},
    )


@contextlib.asynccontextmanager
async def admit_import(call: Call) -> AsyncIterator[None]:
    """Two imports at a time for an inbox. Raises Problem 429 `import_running`."""
    inbox_id = await call.database.read(lambda tx: acting_inbox(tx, call))
    if not call.service.imports.take(inbox_id):
        raise Problem(
            429,
            "import_running",
            "Two imports of this inbox are running.",
            headers={"Retry-After": str(_RUNNING_SECONDS)},
        )
    try:
        yield
    finally:
        call.service.imports.give_back(inbox_id)


async def import_contacts(call: Call) -> Response:
    """POST /v1/contacts/import/: what became of the cards, in the order of the file."""
    assert call.file is not None, "the route takes a file"
    inbox_id = await call.database.read(lambda tx: acting_inbox(tx, call))
    report = _Report()
    found = read_cards(call.file)
    async with watching(call.request.receive) as gone:
        while cards := await _read(call, found):
            while cards:
                # Nobody will read the report; the cards so far are committed and stay.
                if gone.done():
                    raise ClientDisconnect
                done = await _take(call, inbox_id, cards)
                report.add(done)
                cards = cards[len(done) :]
    return answer(report.record())


async def _read(call: Call, found: Iterator[ReadCard | Unreadable]) -> Cards:
    # One at a time in the process: parsing holds the interpreter, and mail waits for it.
    async with call.service.import_turns:
        return await asyncio.to_thread(next_cards, found)


@dataclass(slots=True)
class _Report:
    """The results of an import: the first `_TOLD` cards, then faults, `_TOLD` at most."""

    position: int = 0
    faults: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    results: list[Record] = field(default_factory=list)

    def add(self, done: Sequence[Imported]) -> None:
        for one in done:
            self.counts[one.status] += 1
            is_fault = one.status in _FAULTS
            if self.position < _TOLD or (is_fault and self.faults < _TOLD):
                self.results.append(_told(one, self.position))
            self.faults += is_fault
            self.position += 1

    def record(self) -> Record:
        return {**{kind: self.counts[kind] for kind in _KINDS}, "results": self.results}


def _told(done: Imported, position: int) -> Record:
    return {
        "position": position,
        "status": done.status,
        "id": id_or_none("ctc", done.contact_id),
        "message": done.message or None,
    }


async def _take(call: Call, inbox_id: bytes, found: Cards) -> list[Imported]:
    """Take the first of these cards in, one at least: as many as a transaction may."""

    async def work(tx: Tx) -> list[Imported]:
        return await import_cards(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            found=found,
            most_contacts=call.service.settings.max_contacts_per_inbox,
            ticks=time.monotonic,
            now=call.now,
        )

    return await call.database.write(work)
