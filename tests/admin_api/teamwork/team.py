"""What tests of shared work begin with: a message, its thread, and calls upon it."""

from __future__ import annotations

from typing import Any

import httpx2

from storage.ids import to_text
from tests.builders import World, deliver

Record = dict[str, Any]  # one JSON object; the border of the API

THREADS = "/v1/messages/threads/"


async def thread_with(world: World, *recipients: str, **rest: Any) -> str:  # noqa: ANN401
    """The path of the thread of a new message, which is one by itself."""
    message = await deliver(world, *recipients, **rest)
    row = await world.database.read(
        lambda tx: tx.fetch_one("SELECT thread_id FROM messages ORDER BY message_id DESC LIMIT 1")
    )
    assert message
    assert row is not None
    return f"{THREADS}{to_text('thr', bytes(row['thread_id']))}/"


async def get(world: World, who: str, path: str, **query: str) -> Any:  # noqa: ANN401
    """The body of an answer that must be 200."""
    async with world.client(who) as api:
        answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(world: World, who: str, path: str, **body: object) -> httpx2.Response:
    async with world.client(who) as api:
        return await api.post(path, json=body)


async def delete(world: World, who: str, path: str, **query: str) -> int:
    async with world.client(who) as api:
        return (await api.delete(path, params=query)).status_code


async def status(world: World, who: str, path: str) -> int:
    async with world.client(who) as api:
        return (await api.get(path)).status_code


async def agenda(world: World, who: str, **query: str) -> list[Record]:
    found: list[Record] = await get(world, who, "/v1/agenda/", **query)
    return found


def fields(answer: httpx2.Response) -> list[str]:
    """The fields of which a 400 complains."""
    assert answer.status_code == 400, answer.text
    return [fault["field"] for fault in answer.json()["errors"]]


async def events(world: World) -> list[tuple[str, str | None]]:
    """What the store has on record but for mail: type and the address of the inbox it concerns."""
    rows = await world.database.read(
        lambda tx: tx.fetch_all(
            """
            SELECT e.type, i.address FROM events e LEFT JOIN inboxes i ON i.inbox_id = e.inbox_id
            WHERE e.type LIKE 'thread.%' OR e.type LIKE 'task.%' ORDER BY e.event_id
            """
        )
    )
    return [(row["type"], row["address"]) for row in rows]
