"""The thread list of one inbox, page by page.

- Newest first by the newest message that the inbox sees; its id is the cursor.
- The copies are read from the newest on, folder by folder; a thread counts at its newest copy.
  Threads with grants to the inbox are few, and are placed one by one.
- With a query only matching messages count, for the cursor as well.
- A page reads a bounded number of messages: it may hold fewer threads than `limit`, or none, and
  still lead on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.index import copy_index
from storage.index.query import FOLDERS, Query
from storage.index.ways_in import came_by
from storage.mailbox.visibility import (
    UNASSIGNED,
    VISIBLE_ASSIGNEE,
    View,
    newest_visible,
    opened_threads,
)
from storage.sql import in_list
from storage.teamwork.thread_search import matching_copies, newest_matching_copies, opened_matches
from storage.teamwork.threads import Status, Thread, describe_threads

_FIRST_STEP = 200
_LOOKED_AT = 5_000
_FEW = 500
_MANY = 2_000


@dataclass(frozen=True, slots=True)
class Filter:
    """The threads to list.

    `unassigned` are those without an assignee; `list_id` those with mail that came to this inbox by
    a list. `all_read` and `unflagged` are those of whose copies none is unread, or flagged; for the
    opposite there are the query's marks.
    """

    status: Status | None = None
    assignee: bytes | None = None
    unassigned: bool = False
    list_id: bytes | None = None
    query: Query | None = None
    all_read: bool = False
    unflagged: bool = False

    @property
    def is_of_few(self) -> bool:
        """Whether threads that are given one by one can be placed without the index."""
        query = self.query
        return query is None or (query.needs_copy and not query.needs_index)


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """Some threads, and the cursor of the next page; None when there is no more."""

    threads: list[Thread]
    before: bytes | None


@dataclass(frozen=True, slots=True)
class _Spot:
    """A thread and its place in the list."""

    message_id: bytes
    thread_id: bytes


async def list_threads(
    tx: Tx, *, view: View, wanted: Filter, before: bytes | None, limit: int
) -> ThreadPage:
    """Return at most `limit` threads, all with their newest message older than `before`."""
    few = await _few_threads(tx, view, wanted) if wanted.is_of_few else None
    if few is not None:
        spots, rest = await _one_by_one(tx, view, wanted, few, before), None
    else:
        spots, rest = await _walked(tx, view, wanted, before, limit)
    if len(spots) > limit:
        spots = spots[:limit]
        rest = spots[-1].message_id
    threads = await describe_threads(tx, view=view, thread_ids=[spot.thread_id for spot in spots])
    return ThreadPage(threads, rest)


async def _few_threads(tx: Tx, view: View, wanted: Filter) -> list[bytes] | None:
    """Return the threads to start from when they are few: assigned ones, or closed ones."""
    if wanted.assignee is not None:
        condition, limit = "assignee_inbox_id = :assignee", _MANY + 1
    elif wanted.status == "closed":
        condition, limit = "status = 'closed'", _FEW + 1
    else:
        return None
    rows = await tx.fetch_all(
        f"SELECT thread_id FROM threads WHERE tenant_id = :tenant_id AND {condition} LIMIT :limit",
        {"tenant_id": view.tenant_id, "assignee": wanted.assignee, "limit": limit},
    )
    return None if len(rows) == limit else [bytes(r["thread_id"]) for r in rows]


async def _one_by_one(
    tx: Tx, view: View, wanted: Filter, thread_ids: Sequence[bytes], before: bytes | None
) -> list[_Spot]:
    """Return those of the threads that pass the filter and that the viewer sees."""
    spots: list[_Spot] = []
    for start in range(0, len(thread_ids), _FEW):
        some = thread_ids[start : start + _FEW]
        newest = await _newest(tx, view, wanted, some)
        spots += await _fitting(tx, view, wanted, _placed(newest, before, b""))
    return _sorted(spots)


async def _newest(
    tx: Tx, view: View, wanted: Filter, thread_ids: Sequence[bytes]
) -> dict[bytes, bytes]:
    """Map each of these threads to its newest message that counts."""
    if wanted.query is None:
        return await newest_visible(tx, view=view, thread_ids=thread_ids)
    return await newest_matching_copies(tx, view=view, query=wanted.query, thread_ids=thread_ids)


async def _walked(
    tx: Tx, view: View, wanted: Filter, before: bytes | None, limit: int
) -> tuple[list[_Spot], bytes | None]:
    """Return more than `limit` threads if there are, and where the scan stopped, if it did."""
    opened = await _opened(tx, view, wanted)
    # Their place is their newest visible message, which may be newer than any copy of the viewer.
    met = set(opened)
    spots: list[_Spot] = []
    position, left = before, _LOOKED_AT
    step = _first_step(wanted.query, limit)
    while left > 0:
        rows = await _copies(tx, view, wanted, position, min(step, left))
        is_end = len(rows) < min(step, left)
        floor = b"" if is_end else rows[-1].message_id
        fresh = await _unmet(tx, view, wanted, rows, met=met, before=before)
        found = [*fresh, *_placed(opened, position, floor)]
        spots += _sorted(await _fitting(tx, view, wanted, found))
        if is_end or len(spots) > limit:
            return spots, None
        # Doubled: where few threads fit, a page takes a few queries, not dozens.
        position, step, left = floor, step * 2, left - len(rows)
    return spots, position


def _first_step(query: Query | None, limit: int) -> int:
    """How many copies are read first: threads have a few each, and another step costs more."""
    if query is None:
        return max(_FIRST_STEP, limit + 1)
    return limit + 1 if query.needs_index else 2 * limit + 1


async def _opened(tx: Tx, view: View, wanted: Filter) -> dict[bytes, bytes]:
    """Return the threads with a granted message that counts, each at its place."""
    if wanted.query is None:
        return await opened_threads(tx, view=view)
    return await opened_matches(tx, view=view, query=wanted.query)


async def _copies(
    tx: Tx, view: View, wanted: Filter, before: bytes | None, limit: int
) -> list[_Spot]:
    """Return the newest copies that count, from whatever folder, with their threads."""
    if wanted.query is not None:
        found = await matching_copies(tx, view=view, query=wanted.query, before=before, limit=limit)
        return [_Spot(*one) for one in found]
    older = "AND c.message_id < :before" if before else ""

    def statement(source: copy_index.Source) -> str:
        folders = " UNION ALL ".join(
            _OF_FOLDER.format(source, place, older) for place in range(len(FOLDERS))
        )
        return f"""
            SELECT p.message_id, m.thread_id
            FROM (SELECT f.message_id FROM ({folders}) f ORDER BY f.message_id DESC LIMIT :limit) p
            CROSS JOIN messages m
            WHERE m.message_id = p.message_id AND m.tenant_id = :tenant_id
            ORDER BY p.message_id DESC
        """

    rows = await copy_index.fetch_newest(
        tx, statement, {**view.params, "before": before}, limit=limit
    )
    return [_Spot(bytes(row["message_id"]), bytes(row["thread_id"])) for row in rows]


# Copies are in the order of their ids within a folder: the newest of each, then those of all.
_OF_FOLDER = """
    SELECT o{1}.message_id FROM (
        SELECT c.message_id FROM {0} c WHERE c.inbox_id = :viewer AND c.folder = {1} {2}
        ORDER BY c.message_id DESC LIMIT :limit) o{1}
"""


async def _unmet(
    tx: Tx,
    view: View,
    wanted: Filter,
    rows: Sequence[_Spot],
    *,
    met: set[bytes],
    before: bytes | None,
) -> list[_Spot]:
    """Return the threads that come first here, without those of an earlier page."""
    first: dict[bytes, _Spot] = {}
    for spot in rows:
        if spot.thread_id not in met:
            met.add(spot.thread_id)
            first[spot.thread_id] = spot
    if before is not None and first:
        for thread_id in await _shown(tx, view, wanted, first, before):
            del first[thread_id]
    return [*first.values()]


async def _shown(
    tx: Tx, view: View, wanted: Filter, thread_ids: Collection[bytes], before: bytes
) -> list[bytes]:
    """Return those of the threads that have a copy which counts from `before` on."""
    if wanted.query is not None:
        newest = await newest_matching_copies(
            tx, view=view, query=wanted.query, thread_ids=thread_ids
        )
        return [thread_id for thread_id, place in newest.items() if place >= before]
    chosen, names = in_list(thread_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT t.thread_id FROM threads t
        WHERE t.tenant_id = :tenant_id AND t.thread_id IN ({chosen}) AND EXISTS (
            SELECT 1 FROM messages m CROSS JOIN copies c
            WHERE m.thread_id = t.thread_id AND m.message_id >= :before
              AND c.inbox_id = :viewer AND c.message_id = m.message_id)
        """,
        {**view.params, **names, "before": before},
    )
    return [bytes(row["thread_id"]) for row in rows]


def _placed(newest: dict[bytes, bytes], before: bytes | None, floor: bytes) -> list[_Spot]:
    """Return the threads whose place is below `before` and not below `floor`."""
    return [
        _Spot(message_id, thread_id)
        for thread_id, message_id in newest.items()
        if message_id >= floor and (before is None or message_id < before)
    ]


def _sorted(spots: Collection[_Spot]) -> list[_Spot]:
    return sorted(spots, key=lambda spot: spot.message_id, reverse=True)


async def _fitting(tx: Tx, view: View, wanted: Filter, spots: Collection[_Spot]) -> list[_Spot]:
    """Return those of the threads that pass the filter."""
    conditions = _conditions(wanted)
    if not conditions or not spots:
        return [*spots]
    chosen, names = in_list([spot.thread_id for spot in spots])
    rows = await tx.fetch_all(
        f"""
        SELECT t.thread_id FROM threads t
        WHERE t.tenant_id = :tenant_id AND t.thread_id IN ({chosen}) AND {conditions}
        """,
        {
            **view.params,
            **names,
            "assignee": wanted.assignee,
            "status": wanted.status,
            "list_id": wanted.list_id,
        },
    )
    fitting = {bytes(row["thread_id"]) for row in rows}
    return [spot for spot in spots if spot.thread_id in fitting]


def _conditions(wanted: Filter) -> str:
    parts = []
    if wanted.assignee is not None:
        parts.append(f"t.assignee_inbox_id = :assignee AND {VISIBLE_ASSIGNEE}")
    if wanted.status is not None:
        parts.append("t.status = :status")
    if wanted.unassigned:
        parts.append(UNASSIGNED)
    if wanted.list_id is not None:
        parts.append(_BY_LIST)
    if wanted.all_read:
        parts.append(_NO_COPY.format("is_read = 0"))
    if wanted.unflagged:
        parts.append(_NO_COPY.format("is_flagged = 1"))
    return " AND ".join(parts)


_NO_COPY = """
    NOT EXISTS (SELECT 1 FROM messages m CROSS JOIN copies c
                WHERE m.thread_id = t.thread_id AND c.message_id = m.message_id
                  AND c.inbox_id = :viewer AND c.{})
"""
# Only an inbox's own copies count for `list_id`: another's route would reveal a Bcc.
_BY_LIST = f"""
    EXISTS (SELECT 1 FROM messages m
            JOIN copies c ON c.inbox_id = :viewer AND c.message_id = m.message_id
            JOIN routes r ON r.message_id = m.message_id AND r.list_id = :list_id
            WHERE m.thread_id = t.thread_id AND {came_by("c")})
"""
