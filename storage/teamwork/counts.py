"""Pending work of an inbox: unread copies, threads without an end, open tasks.

- Each number is exact up to 999; `MOST` means more. No count reads further than it must for that.
- Unread copies are found by themselves (`copy_index`).
- Threads without an assignee are counted from the side that has fewer: the tenant's open threads,
  or the copies in the viewer's inbox folder. Only where there are more than `_FARTHEST` of both,
  and fewer than `MOST` unassigned ones among the newest of them, older ones do not count.
- Of lists the unread copies count, but not those in junk and trash. Where `MOST` or more are
  unread, each list is read from its newest mail on, up to `_FARTHEST` messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.index.copy_index import Source, from_clauses, unread_clauses
from storage.index.query import FOLDERS
from storage.index.ways_in import came_by
from storage.mailbox.visibility import UNASSIGNED, VISIBLE, View

MOST = 1_000
_LOOKED_AT = 2_000
_FARTHEST = 20_000


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
    unread = await _unread(tx, view)
    return Counts(
        unread,
        await _by_list(tx, view, unread),
        await _one(tx, view, _MINE),
        await _unassigned(tx, view),
        await _one(tx, view, _AGENDA),
    )


async def _unread(tx: Tx, view: View) -> dict[str, int]:
    found = dict.fromkeys(FOLDERS, 0)
    for source in unread_clauses(tx):
        by_folder = (_OF_FOLDER.format(source, place) for place in range(len(FOLDERS)))
        statement = _SCANNED.format(source) if source.is_short else " UNION ALL ".join(by_folder)
        rows = await tx.fetch_all(statement, {**view.params, "limit": MOST})
        for row in rows:
            folder = FOLDERS[row["folder"]]
            found[folder] = min(found[folder] + row["unread"], MOST)
    return found


# One scan for all folders, where there is no index.
_SCANNED = """
    SELECT c.folder AS folder, COUNT(*) AS unread FROM {} c
    WHERE c.inbox_id = :viewer AND c.is_read = 0 GROUP BY c.folder
"""
# A literal, so that the index of unread copies can serve.
_OF_FOLDER = """
    SELECT {1} AS folder, COUNT(*) AS unread FROM (
        SELECT 1 FROM {0} c
        WHERE c.inbox_id = :viewer AND c.folder = {1} AND c.is_read = 0 LIMIT :limit) u{1}
"""


async def _by_list(tx: Tx, view: View, unread: Mapping[str, int]) -> dict[bytes, int]:
    lists = await tx.fetch_all(
        """
        SELECT l.list_id FROM list_members o JOIN lists l ON l.list_id = o.list_id
        WHERE o.inbox_id = :viewer AND l.tenant_id = :tenant_id ORDER BY l.list_id
        """,
        view.params,
    )
    found = {bytes(row["list_id"]): 0 for row in lists}
    if max(unread["inbox"], unread["archive"]) == MOST:
        return {list_id: await _of_list(tx, view, list_id) for list_id in found}
    for source in unread_clauses(tx) if found else ():
        for row in await tx.fetch_all(_listed(source), {**view.params, "limit": MOST}):
            if bytes(row["list_id"]) in found:
                found[bytes(row["list_id"])] += row["unread"]
    return {list_id: min(count, MOST) for list_id, count in found.items()}


async def _of_list(tx: Tx, view: View, list_id: bytes) -> int:
    """Count from the newest mail of a list: where much is unread, a quiet list is soon read."""
    found = 0
    for looked in (_LOOKED_AT, _FARTHEST):
        params = {**view.params, "list_id": list_id, "looked": looked, "limit": MOST}
        found = await _found(tx, _UNREAD_OF_LIST, params)
        if found == MOST or await _found(tx, _MAIL_OF_LIST, params) < looked:
            break
    return found


_UNREAD_OF_LIST = f"""
    SELECT COUNT(*) AS found FROM (
        SELECT DISTINCT r.message_id FROM (
            SELECT s.message_id, s.position FROM routes s WHERE s.list_id = :list_id
            ORDER BY s.message_id DESC LIMIT :looked) r
        CROSS JOIN copies c
        WHERE c.message_id = r.message_id AND c.inbox_id = :viewer
          AND c.is_read = 0 AND c.folder IN (0, 1) AND {came_by("c")}
        LIMIT :limit) u
"""
_MAIL_OF_LIST = """
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM routes s WHERE s.list_id = :list_id LIMIT :looked) u
"""


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


_NEWEST_UNREAD = """
    SELECT * FROM (
        SELECT c.message_id, c.route FROM {0} c
        WHERE c.inbox_id = :viewer AND c.folder = {1} AND c.is_read = 0
        ORDER BY {2} LIMIT :limit) folder{1}
"""


async def _unassigned(tx: Tx, view: View) -> int:
    found = 0
    for few, looked in ((MOST, _LOOKED_AT), (_FARTHEST, _FARTHEST)):
        params = {**view.params, "looked": looked, "limit": MOST}
        if await _found(tx, _ALL_OPEN, {**params, "looked": few}) < few:
            return await _found(tx, _OPEN_UNASSIGNED, params)
        sources = from_clauses(tx)
        found = await _found(tx, _among_newest(sources), params)
        if found == MOST or not await _found(tx, _more_than_looked_at(sources), params):
            break
    return found


def _among_newest(sources: Sequence[Source]) -> str:
    """The unassigned threads of the newest copies; a thread may have some in each source."""
    newest = " UNION ALL ".join(
        _NEWEST.format(source, place) for place, source in enumerate(sources)
    )
    return _UNASSIGNED.format(newest)


def _more_than_looked_at(sources: Sequence[Source]) -> str:
    more = " OR ".join(
        f"(SELECT COUNT(*) FROM ({_NEWEST.format(source, place)}) n{place}) >= :looked"
        for place, source in enumerate(sources)
    )
    return f"SELECT CASE WHEN {more} THEN 1 ELSE 0 END AS found"


_ALL_OPEN = """
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM threads t WHERE t.tenant_id = :tenant_id AND t.status = 'open'
        LIMIT :looked) u
"""
_OPEN_UNASSIGNED = f"""
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM threads t
        WHERE t.tenant_id = :tenant_id AND t.status = 'open'
          AND EXISTS (SELECT 1 FROM messages m CROSS JOIN copies c
                      WHERE m.thread_id = t.thread_id AND c.message_id = m.message_id
                        AND c.inbox_id = :viewer AND c.folder = 0)
          AND {UNASSIGNED}
        LIMIT :limit) u
"""
_NEWEST = """
    SELECT * FROM (
        SELECT c.message_id FROM {} c WHERE c.inbox_id = :viewer AND c.folder = 0
        ORDER BY c.message_id DESC LIMIT :looked) s{}
"""
_UNASSIGNED = f"""
    SELECT COUNT(*) AS found FROM (
        SELECT DISTINCT t.thread_id
        FROM ({{}}) p CROSS JOIN messages m CROSS JOIN threads t
        WHERE m.message_id = p.message_id AND t.thread_id = m.thread_id
          AND t.tenant_id = :tenant_id AND t.status = 'open'
          AND {UNASSIGNED}
        LIMIT :limit) u
"""


async def _found(tx: Tx, statement: str, params: dict[str, object]) -> int:
    row = await tx.fetch_one(statement, params)
    return int(row["found"]) if row else 0


async def _one(tx: Tx, view: View, statement: str) -> int:
    return await _found(tx, statement, {**view.params, "limit": MOST})


_MINE = f"""
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM threads t
        WHERE t.assignee_inbox_id = :viewer AND t.tenant_id = :tenant_id AND t.status = 'open'
          AND EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = t.thread_id AND {VISIBLE})
        LIMIT :limit) u
"""
_AGENDA = """
    SELECT COUNT(*) AS found FROM (
        SELECT 1 FROM tasks k
        WHERE k.inbox_id = :viewer AND k.tenant_id = :tenant_id AND k.completed_at IS NULL
        LIMIT :limit) u
"""
