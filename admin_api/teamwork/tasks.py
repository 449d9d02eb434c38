"""Tasks and the agenda: own tasks are changed, tasks made by others only completed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.access.policy import missing_scope, not_author
from admin_api.call.call import Call, acting_inbox
from admin_api.call.paging import Page, page_answer, position_of
from admin_api.call.references import VisibleThread, visible_thread
from admin_api.http.payload import Instant, Name, Payload, Truth, checked, instant_of
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.teamwork.records import task_record
from admin_api.teamwork.shapes import TaskRecord
from storage.clock import parse_rfc3339
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.teamwork import tasks
from storage.teamwork.tasks import OWN_KIND, Draft, Place, Task, place_of

_EARLIEST = 0
_REWRITES = ("title", "description", "due_at", "thread_id")


def _from_now_on(text: str) -> str:
    if parse_rfc3339(text) < _EARLIEST:
        raise ValueError("must not be before 1970")
    return text


Due = Annotated[Instant, AfterValidator(_from_now_on)]
Description = Annotated[str, Field(max_length=10_000)]


class TaskIn(Payload):
    """A task for the acting inbox itself."""

    title: Name
    description: Description | None = None
    due_at: Due | None = None
    thread_id: VisibleThread | None = None


class TaskChange(Payload):
    """The changeable fields of a task; a field left out stays as it is."""

    fixed = fields_of(TaskRecord)

    title: Name = ""
    description: Description | None = None
    due_at: Due | None = None
    thread_id: VisibleThread | None = None
    completed: bool = False


async def create_task(call: Call) -> Response:
    """POST /v1/tasks/."""
    payload = call.payload(TaskIn)

    async def work(tx: Tx) -> Task:
        inbox_id = await acting_inbox(tx, call)
        draft = Draft(
            OWN_KIND,
            payload.title,
            description=payload.description,
            due_at=instant_of(payload.due_at),
            thread_id=await _thread(tx, call, payload.thread_id),
        )
        task_id = await tasks.create_task(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            draft=draft,
            created_by=inbox_id,
            now=call.now,
        )
        return await _find(tx, call, task_id)

    return answer(task_record(await call.database.write(work)), 201)


async def show_task(call: Call) -> Response:
    """GET /v1/tasks/{task_id}/."""
    return answer(task_record(await call.database.read(lambda tx: locate(tx, call))))


async def change_task(call: Call) -> Response:
    """PATCH /v1/tasks/{task_id}/."""
    change = call.payload(TaskChange).model_dump(exclude_unset=True)

    async def work(tx: Tx) -> Task:
        task = await locate(tx, call)
        _check_right(call, task, change)
        if any(field in change for field in _REWRITES):
            await _rewrite(tx, call, task, change)
        if change.get("completed") is True:
            await tasks.complete_task(
                tx,
                tenant_id=call.tenant_id,
                task=task,
                by_inbox_id=task.inbox_id,
                now=call.now,
            )
        elif change.get("completed") is False:
            await tasks.reopen_task(tx, tenant_id=call.tenant_id, task_id=task.task_id)
        return await _find(tx, call, task.task_id)

    return answer(task_record(await call.database.write(work)))


def _check_right(call: Call, task: Task, change: dict[str, object]) -> None:
    """Raises Problem 403: a task made by others can only be completed and reopened."""
    caller = call.caller
    if isinstance(caller, Agent) and "task:write" not in caller.token.scopes:
        # Exactly this: `email:write` alone gives no right to any other field.
        completes = change == {"completed": True} and not task.is_own
        if not completes:
            raise missing_scope("task:write")
    # It says what somebody else asked for: only its maker may put that otherwise.
    if not task.is_own and any(field in change for field in _REWRITES):
        raise not_author()


async def _rewrite(tx: Tx, call: Call, task: Task, change: dict[str, str | None]) -> None:
    thread_id, due_at = task.thread_id, task.due_at
    if "thread_id" in change:
        thread_id = await _thread(tx, call, change["thread_id"])
    if "due_at" in change:
        due_at = instant_of(change["due_at"])
    await tasks.update_task(
        tx,
        tenant_id=call.tenant_id,
        task=task,
        title=change.get("title") or task.title,
        description=change.get("description", task.description),
        due_at=due_at,
        thread_id=thread_id,
    )


async def delete_task(call: Call) -> Response:
    """DELETE /v1/tasks/{task_id}/: only the inbox's own tasks."""

    async def work(tx: Tx) -> None:
        task = await locate(tx, call)
        if not task.is_own:
            raise not_author()
        await tasks.delete_task(tx, tenant_id=call.tenant_id, task_id=task.task_id)

    await call.database.write(work)
    return no_content()


async def locate(tx: Tx, call: Call) -> Task:
    """Return the acting inbox's task in the path. Raises NotFound."""
    inbox_id = await acting_inbox(tx, call)
    return await tasks.find_task(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=inbox_id,
        task_id=call.path_id("task", "task_id"),
        now=call.now,
    )


async def _find(tx: Tx, call: Call, task_id: bytes) -> Task:
    return await tasks.find_task(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=await acting_inbox(tx, call),
        task_id=task_id,
        now=call.now,
    )


async def _thread(tx: Tx, call: Call, named: str | None) -> bytes | None:
    return None if named is None else await visible_thread(tx, call, "thread_id", named)


_SECTIONS = 3


def _place(cursor: str | None) -> Place | None:
    """Raises Invalid on `cursor`."""
    position = position_of(cursor, 1 + 8 + 16)
    if position is None:
        return None
    if position[0] >= _SECTIONS:
        raise Invalid(FieldFault("cursor", "is not a cursor of this list"))
    return Place(position[0], int.from_bytes(position[1:9], "big", signed=True), position[9:])


class Listing(Page):
    """The tasks to list; without `include_completed` the open ones."""

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
