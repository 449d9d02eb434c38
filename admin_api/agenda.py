"""The agenda: what is to be done in an inbox's name, the pending first, then the dated."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from admin_api.call import Call, acting_inbox
from admin_api.paging import Page, page_answer, position_of
from admin_api.payload import Truth, checked
from admin_api.records import task_record
from storage import tasks
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.tasks import Place, Task, place_of

_SECTIONS = 3


def _place(cursor: str | None) -> Place | None:
    """Raises Invalid on `cursor`."""
    position = position_of(cursor, 1 + 8 + 16)
    if position is None:
        return None
    if position[0] >= _SECTIONS:
        raise Invalid(FieldFault("cursor", "is none that was given here"))
    return Place(position[0], int.from_bytes(position[1:9], "big", signed=True), position[9:])


class Listing(Page):
    """Which tasks; without `include_completed` the open ones."""

    include_completed: Truth = False
    cursor: Annotated[str, checked(_place)] | None = None


async def show_agenda(call: Call) -> Response:
    """GET /v1/agenda/."""
    wanted = call.parameters(Listing)
    after = _place(wanted.cursor)

    async def work(tx: Tx) -> list[Task]:
        return await tasks.agenda(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            completed=wanted.include_completed,
            after=after,
            limit=wanted.length + 1,
            now=call.now,
        )

    return page_answer(call, wanted, await call.database.read(work), task_record, _position)


def _position(task: Task) -> bytes:
    place = place_of(task)
    return bytes([place.section]) + place.key.to_bytes(8, "big", signed=True) + place.task_id
