"""Pending work of an inbox: unread copies, threads without an end, open tasks.

- Each number is exact up to 999; `MOST` means more. No count reads further than it must for that.
- Unread copies are found by themselves (`copy_index`), and the rest from the newest on: of threads
  without an assignee those whose newest mail is among the newest copies in the inbox folder, of
  lists those among the newest unread copies. Older ones do not count.
- Junk and trash do not count for a list.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.index.copy_index import Source, from_clauses, unread_clauses
from storage.index.query import FOLDERS
from storage.index.ways_in import came_by
from storage.mailbox.visibility import UNASSIGNED, VISIBLE, View

MOST = 1_000
_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of one inbox; `unread` by folder, `by_list` for the lists it is a member of."""

    unread: dict[str, int]
    by_list: dict[bytes, int]
    mine: int
    unassigned: int
    agenda: int


async def count_inbox(tx: Tx, *, view: View) -> Counts:
    """Count what waits for the viewer."""
    return Counts(
        await _unread(tx, view),
        await _by_list(tx, view),
        await _one(tx, view, _MINE),
        await _unassigned(tx, view),
        await _one(tx, view, _AGENDA),
    )


async def _unread(tx: Tx, view: View) -> dict[str, int]:
    found = dict.fromkeys(FOLDERS, 0)
    for source in unread_clauses(tx):
        rows = await tx.fetch_all(
            " UNION ALL ".join(_OF_FOLDER.format(source, place) for place in range(len(FOLDERS))),
            {**view.params, "limit": MOST},
        )
        for row in rows:
            folder = FOLDERS[row["folder"]]
            found[folder] = min(found[folder] + row["unread"], MOST)
    return found


# A literal, so that the index of unread copies can serve.
_OF_FOLDER = """
    SELECT {1} AS folder, COUNT(*) AS unread FROM (
        SELECT 1 FROM {0} c
        WHERE c.inbox_id = :viewer AND c.folder = {1} AND c.is_read = 0 LIMIT :limit) u{1}
"""


async def _by_list(tx: Tx, view: View) -> dict[bytes, int]:
    lists = await tx.fetch_all(
        """
        SELECT l.list_id FROM list_members o JOIN lists l ON l.list_id = o.list_id
        WHERE o.inbox_id = :viewer AND l.tenant_id = :tenant_id ORDER BY l.list_id
        """,
        view.params,
    )
    found = {bytes(row["list_id"]): 0 for row in lists}
    if not found:
        return found
    for source in unread_clauses(tx):
        rows = await tx.fetch_all(_listed(source), view.params)
        for row in rows:
            list_id = bytes(row["list_id"])
            if list_id in found:
                found[list_id] = min(found[list_id] + row["unread"], MOST)
    return found


def _listed(source: Source) -> str:
    newest = " UNION ALL ".join(
        _NEWEST_UNREAD.format(source, place, source.newest_first("c")) for place in (0, 1)
    )
    return f"""
        SELECT r.list_id, COUNT(DISTINCT p.message_id) AS unread
        FROM ({newest}) p
        CROSS JOIN routes r
        WHERE r.message_id = p.message_id AND r.list_id IS NOT NULL
          AND {came_by("p", inbox=":viewer")}
        GROUP BY r.list_id
    """


_NEWEST_UNREAD = f"""
    SELECT * FROM (
        SELECT c.message_id, c.route FROM {{0}} c
        WHERE c.inbox_id = :viewer AND c.folder = {{1}} AND c.is_read = 0
        ORDER BY {{2}} LIMIT {_LOOKED_AT}) folder{{1}}
"""


async def _unassigned(tx: Tx, view: View) -> int:
    found: set[bytes] = set()
    for source in from_clauses(tx):
        rows = await tx.fetch_all(_UNASSIGNED.format(source), view.params)
        found |= {bytes(row["thread_id"]) for row in rows}
        if len(found) >= MOST:
            return MOST
    return len(found)


_UNASSIGNED = f"""
    SELECT DISTINCT t.thread_id FROM (
        SELECT c.message_id FROM {{}} c
        WHERE c.inbox_id = :viewer AND c.folder = 0
        ORDER BY c.message_id DESC LIMIT {_LOOKED_AT}) p
    CROSS JOIN messages m CROSS JOIN threads t
    WHERE m.message_id = p.message_id AND t.thread_id = m.thread_id
      AND t.tenant_id = :tenant_id AND t.status = 'open'
      AND {UNASSIGNED}
"""


async def _one(tx: Tx, view: View, statement: str) -> int:
    row = await tx.fetch_one(statement, {**view.params, "limit": MOST})
    return int(row["found"]) if row else 0


_MINE = f"""
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM (
            SELECT a.thread_id, a.status FROM threads a
            WHERE a.assignee_inbox_id = :viewer AND a.tenant_id = :tenant_id
            ORDER BY a.thread_id DESC LIMIT {_LOOKED_AT}) t
        WHERE t.status = 'open'
          AND EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = t.thread_id AND {VISIBLE})
        LIMIT :limit) u
"""
_AGENDA = """
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM tasks k
        WHERE k.inbox_id = :viewer AND k.tenant_id = :tenant_id AND k.completed_at IS NULL
        LIMIT :limit) u
"""
