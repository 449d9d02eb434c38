"""The threads of one inbox, page by page.

- Newest first by the newest message that the inbox sees, whose id is the place in the list.
- The copies are walked from the newest on, by their index; a thread counts where it comes first.
  Threads in which something was opened to the inbox are few, and placed one by one.
- A page looks at a bounded number of messages: it may hold fewer threads than were asked for, or
  none, and still lead on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storage.access import View, in_list, newest_visible, opened_threads
from storage.database import Tx
from storage.threads import Status, Thread, describe_threads

_FIRST_STEP = 200
_LOOKED_AT = 8_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which threads. `unassigned` are those that nobody has; `list_id` those whose mail came to
    this inbox by a list.
    """

    status: Status | None = None
    assignee: bytes | None = None
    unassigned: bool = False
    list_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """Some threads, and where the next page begins; None when there is no more."""

    threads: list[Thread]
    before: bytes | None


@dataclass(frozen=True, slots=True)
class _Spot:
    """A thread at its place in the list."""

    message_id: bytes
    thread_id: bytes


async def list_threads(
    tx: Tx, *, view: View, wanted: Filter, before: bytes | None, limit: int
) -> ThreadPage:
    """At most `limit` threads, all with their newest message older than the message `before`."""
    if wanted.assignee is not None:
        spots, rest = await _assigned(tx, view, wanted, before), None
    else:
        spots, rest = await _walked(tx, view, wanted, before, limit)
    if len(spots) > limit:
        spots = spots[:limit]
        rest = spots[-1].message_id
    threads = await describe_threads(tx, view=view, thread_ids=[spot.thread_id for spot in spots])
    return ThreadPage(threads, rest)


async def _assigned(tx: Tx, view: View, wanted: Filter, before: bytes | None) -> list[_Spot]:
    """All that somebody has in hand and the viewer sees: begin with the threads, they are few."""
    rows = await tx.fetch_all(
        """
        SELECT thread_id FROM threads
        WHERE assignee_inbox_id = :assignee AND tenant_id = :tenant_id
        """,
        {"assignee": wanted.assignee, "tenant_id": view.tenant_id},
    )
    spots: list[_Spot] = []
    ids = [bytes(row["thread_id"]) for row in rows]
    for start in range(0, len(ids), _FIRST_STEP):
        some = ids[start : start + _FIRST_STEP]
        newest = await newest_visible(tx, view=view, thread_ids=some)
        spots += await _fitting(tx, view, wanted, _placed(newest, before, b""))
    return _sorted(spots)


async def _walked(
    tx: Tx, view: View, wanted: Filter, before: bytes | None, limit: int
) -> tuple[list[_Spot], bytes | None]:
    """More than `limit` threads if there are, and where the walk stopped if it did not end."""
    opened = await opened_threads(tx, view=view)
    met = set(opened)
    spots: list[_Spot] = []
    position, step, left = before, max(_FIRST_STEP, limit + 1), _LOOKED_AT
    while left > 0:
        rows = await _copies(tx, view, position, min(step, left))
        is_end = len(rows) < min(step, left)
        floor = b"" if is_end else rows[-1].message_id
        fresh = await _unmet(tx, view, met, rows, before)
        found = [*fresh, *_placed(opened, position, floor)]
        spots += _sorted(await _fitting(tx, view, wanted, found))
        if is_end or len(spots) > limit:
            return spots, None
        position, step, left = floor, step * 2, left - len(rows)
    return spots, position


async def _copies(tx: Tx, view: View, before: bytes | None, limit: int) -> list[_Spot]:
    older = "AND c.message_id < :before" if before else ""
    rows = await tx.fetch_all(
        f"""
        SELECT c.message_id, m.thread_id FROM copies c CROSS JOIN messages m
        WHERE m.message_id = c.message_id AND m.tenant_id = :tenant_id
          AND c.inbox_id = :viewer {older}
        ORDER BY c.message_id DESC LIMIT :limit
        """,
        {**view.params, "before": before, "limit": limit},
    )
    return [_Spot(bytes(row["message_id"]), bytes(row["thread_id"])) for row in rows]


async def _unmet(
    tx: Tx, view: View, met: set[bytes], rows: Sequence[_Spot], before: bytes | None
) -> list[_Spot]:
    """The threads that come first here; those of an earlier page have a copy from `before` on."""
    first: dict[bytes, _Spot] = {}
    for spot in rows:
        if spot.thread_id not in met:
            met.add(spot.thread_id)
            first[spot.thread_id] = spot
    if before is None or not first:
        return [*first.values()]
    chosen, names = in_list(first)
    earlier = await tx.fetch_all(
        f"""
        SELECT DISTINCT m.thread_id FROM messages m
        JOIN copies c ON c.inbox_id = :viewer AND c.message_id = m.message_id
        WHERE m.thread_id IN ({chosen}) AND m.message_id >= :before
        """,
        {**view.params, **names, "before": before},
    )
    for row in earlier:
        del first[bytes(row["thread_id"])]
    return [*first.values()]


def _placed(newest: dict[bytes, bytes], before: bytes | None, floor: bytes) -> list[_Spot]:
    """The threads whose place is below `before` and not below `floor`."""
    return [
        _Spot(message_id, thread_id)
        for thread_id, message_id in newest.items()
        if message_id >= floor and (before is None or message_id < before)
    ]


def _sorted(spots: Collection[_Spot]) -> list[_Spot]:
    return sorted(spots, key=lambda spot: spot.message_id, reverse=True)


async def _fitting(tx: Tx, view: View, wanted: Filter, spots: Collection[_Spot]) -> list[_Spot]:
    """Those of the threads that are wanted."""
    conditions = _conditions(wanted)
    if not conditions or not spots:
        return [*spots]
    chosen, names = in_list([spot.thread_id for spot in spots])
    rows = await tx.fetch_all(
        f"""
        SELECT t.thread_id FROM threads t
        WHERE t.tenant_id = :tenant_id AND t.thread_id IN ({chosen}) AND {conditions}
        """,
        {**view.params, **names, "status": wanted.status, "list_id": wanted.list_id},
    )
    fitting = {bytes(row["thread_id"]) for row in rows}
    return [spot for spot in spots if spot.thread_id in fitting]


def _conditions(wanted: Filter) -> str:
    parts = []
    if wanted.status is not None:
        parts.append("t.status = :status")
    if wanted.unassigned:
        parts.append("t.assignee_inbox_id IS NULL")
    if wanted.list_id is not None:
        parts.append(_BY_LIST)
    return " AND ".join(parts)


# By which list a copy came is told to its inbox only: another's route would tell of a Bcc.
_BY_LIST = """
    EXISTS (SELECT 1 FROM messages m
            JOIN copies c ON c.inbox_id = :viewer AND c.message_id = m.message_id
            JOIN routes r ON r.message_id = m.message_id AND r.list_id = :list_id
            WHERE m.thread_id = t.thread_id
              AND (r.position = c.route
                   OR EXISTS (SELECT 1 FROM copy_routes w
                              WHERE w.message_id = m.message_id AND w.inbox_id = c.inbox_id
                                AND w.position = r.position)))
"""
