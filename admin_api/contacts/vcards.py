"""vCard import and export: a file into the acting inbox's book, the book as a file.

- A file is spooled whole before its first card is stored, so one that is too large changes nothing.
  Then it is read card by card, and some cards at a time are stored, each transaction whole.
- A refusal of the store in the middle of a file is answered as everywhere; the file can be sent
  again, because cards that are stored already are left as they are.
- An export is streamed a page at a time; a card that is made meanwhile may be in it or not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Literal

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from admin_api.call.call import Call, acting_inbox
from admin_api.contacts.contacts import locate
from admin_api.http.payload import Parameters
from admin_api.http.problems import Problem
from admin_api.http.records import Record, id_or_none
from admin_api.http.responses import answer
from storage.contacts.contacts import Contact, contacts_after
from storage.contacts.import_cards import Imported, import_cards
from storage.contacts.vcards import ReadCard, Unreadable, read_cards
from storage.contacts.write_vcards import write_card
from storage.database import Tx
from storage.ids import to_text

MAX_FILE = 16 * 1024 * 1024
MEDIA_TYPES = ("text/vcard", "text/x-vcard", "text/directory")

_IN_MEMORY = 1024 * 1024
_AT_ONCE = 200

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


async def import_contacts(call: Call) -> Response:
    """POST /v1/contacts/import/: the result for each card, in the order of the file."""
    inbox_id = await call.database.read(lambda tx: acting_inbox(tx, call))
    _check_media_type(call.request)
    reports: list[Record] = []
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        await _spool(call.request, file)
        found = read_cards(file)
        while cards := await asyncio.to_thread(_some, found):
            reports += await _take(call, inbox_id, cards, len(reports))
    counts = Counter(str(report["status"]) for report in reports)
    kinds = ("created", "merged", "unchanged", "skipped", "failed")
    return answer({**{kind: counts[kind] for kind in kinds}, "results": reports})


def _check_media_type(request: Request) -> None:
    """Raises Problem 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if media_type not in MEDIA_TYPES or encoding != "identity":
        raise Problem(
            415,
            "unsupported_media_type",
            "The body must be text/vcard in UTF-8, not compressed.",
            headers={"Accept": "text/vcard"},
        )


async def _spool(request: Request, file: IO[bytes]) -> None:
    """Raises Problem 413."""
    declared = request.headers.get("content-length", "0")
    size = int(declared[:20]) if declared.isdigit() else 0
    if size <= MAX_FILE:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_FILE:
                break
            file.write(chunk)
    if size > MAX_FILE:
        raise Problem(
            413,
            "body_too_large",
            f"A file has at most {MAX_FILE} octets.",
            headers={"Connection": "close"},
        )
    file.seek(0)


def _some(found: Iterator[ReadCard | Unreadable]) -> Cards:
    return list(islice(found, _AT_ONCE))


async def _take(call: Call, inbox_id: bytes, found: Cards, position: int) -> list[Record]:
    cards = [one.card for one in found if isinstance(one, ReadCard)]

    async def work(tx: Tx) -> list[Imported]:
        return await import_cards(
            tx, tenant_id=call.tenant_id, inbox_id=inbox_id, cards=cards, now=call.now
        )

    done = iter(await call.database.write(work) if cards else [])
    return [
        _unread(one, position + number)
        if isinstance(one, Unreadable)
        else _report(one, next(done), position + number)
        for number, one in enumerate(found)
    ]


def _unread(found: Unreadable, position: int) -> Record:
    return {"position": position, "status": found.status, "id": None, "message": found.message}


def _report(found: ReadCard, done: Imported, position: int) -> Record:
    return {
        "position": position,
        "status": done.status,
        "id": id_or_none("ctc", done.contact_id),
        "message": " ".join(filter(None, (done.message, found.told))) or None,
    }
