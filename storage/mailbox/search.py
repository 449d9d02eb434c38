"""Message search: the one look-up that every filter goes through.

- A search is always within the copies of one inbox, newest first, by keyset.
- A message that is not parsed yet is matched by the fields of the header scan: sender, recipients,
  subject. Of very many such messages of a tenant only the newest are compared.
- The state and assignee of a thread are asked for as the inbox sees them.
- Dates are compared with `received_at`. They also bound the range of ids, an hour wider: after a
  clock was set back by more than that, a search with `before` may miss messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from storage.address import canonical_or_none
from storage.clock import HOUR
from storage.database import Row, Tx
from storage.ids import from_text
from storage.index.copy_index import Source, fetch_newest, from_clauses, unread_clauses
from storage.index.full_text import ATTACHMENT, engine_of, inbox_scope, list_scope, scanned_text
from storage.index.query import FOLDERS, Lookup, Query, matches
from storage.index.ways_in import came_by
from storage.index.words import document
from storage.mailbox.copy_conditions import (
    Assignees,
    assignees_of,
    condition_params,
    conditions_of,
    never_holds,
)
from storage.sql import in_list

# After an import the queue may hold 100,000 messages: no search may read them all.
_PENDING_LOOKED_AT = 2_000
_PENDING_JUDGED = 500
_HIGHEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """The copies to find: the query, and conditions on copy and message.

    `from_email` is in lower-case letters.
    """

    query: Query = field(default_factory=Query)
    folders: tuple[str, ...] = FOLDERS
    is_read: bool | None = None
    thread_id: bytes | None = None
    from_email: str | None = None
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Search:
    """One look-up: conditions on `c` and `m` in SQL, with their parameters."""

    tx: Tx
    query: Query
    scopes: tuple[str, ...]
    conditions: str
    params: Mapping[str, Any]
    after: bytes | None
    before: bytes | None


async def search_messages(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    wanted: SearchFilter,
    before: bytes | None,
    limit: int,
    now: int,
) -> list[bytes]:
    """Return the ids of at most `limit` messages, newest first, all older than `before`.

    Raises Invalid on `q` for an assignee who is no inbox of the tenant.
    """
    lists = await _lists(tx, tenant_id, wanted.query.lists)
    assignees = await assignees_of(tx, tenant_id=tenant_id, inbox_id=inbox_id, query=wanted.query)
    # An unknown list and another tenant's find nothing alike: no name can be probed.
    if lists is None or never_holds(wanted.query, assignees):
        return []
    if wanted.query.folders:
        wanted = replace(wanted, folders=tuple(wanted.query.folders & {*wanted.folders}))
        if not wanted.folders:
            return []
    search = _prepared(
        tx,
        wanted,
        lists,
        assignees,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        before=before,
        limit=limit,
        now=now,
    )
    pending = await _pending(search)
    if wanted.query.terms or search.scopes[1:]:
        found = await engine_of(tx).find(tx, _lookup(search, wanted))
    else:
        found = await _copies(search, wanted)
    # A set: without words the copies that are found hold the pending ones, too.
    return sorted({*found, *pending}, reverse=True)[:limit]


async def newest_found(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    query: Query,
    thread_ids: Collection[bytes],
    now: int,
) -> dict[bytes, bytes]:
    """Map each of these threads with a matching copy to the newest one.

    Only for a query that needs no index. Raises Invalid as `search_messages`.
    """
    assignees = await assignees_of(tx, tenant_id=tenant_id, inbox_id=inbox_id, query=query)
    if not thread_ids or never_holds(query, assignees):
        return {}
    conditions, params = _conditions(SearchFilter(query), (), assignees)
    chosen, names = in_list(thread_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT s.thread_id,
               (SELECT c.message_id FROM messages m CROSS JOIN copies c
                WHERE m.thread_id = s.thread_id AND m.message_id = c.message_id
                  AND c.inbox_id = :viewer {conditions}
                ORDER BY m.message_id DESC LIMIT 1) AS newest
        FROM threads s WHERE s.tenant_id = :tenant_id AND s.thread_id IN ({chosen})
        """,
        {"tenant_id": tenant_id, "viewer": inbox_id, "now": now, **params, **names},
    )
    return {bytes(row["thread_id"]): bytes(row["newest"]) for row in rows if row["newest"]}


def _prepared(
    tx: Tx,
    wanted: SearchFilter,
    lists: Sequence[bytes],
    assignees: Assignees,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    before: bytes | None,
    limit: int,
    now: int,
) -> _Search:
    query = wanted.query
    scopes = [inbox_scope(inbox_id), *map(list_scope, lists)]
    if query.has_attachment:
        scopes.append(ATTACHMENT)
    conditions, params = _conditions(wanted, lists, assignees)
    viewer = {"tenant_id": tenant_id, "inbox_id": inbox_id, "viewer": inbox_id, "now": now}
    return _Search(
        tx=tx,
        query=query,
        scopes=tuple(scopes),
        conditions=conditions,
        params={**viewer, "limit": limit, **params},
        # An hour wider: an id is given after `received_at` was read, and perhaps by another clock.
        after=None if query.after is None else _id_at(query.after - HOUR),
        before=_earlier(before, None if query.before is None else _id_at(query.before + HOUR)),
    )


def _conditions(
    wanted: SearchFilter, lists: Sequence[bytes], assignees: Assignees
) -> tuple[str, dict[str, object]]:
    """Return the conditions on the copy, then those on the message."""
    query = wanted.query
    params: dict[str, object] = {
        **condition_params(assignees),
        "thread_id": wanted.thread_id,
        "from_email": wanted.from_email,
        "received_after": query.after,
        "received_before": query.before,
    }
    parts = conditions_of(query, assignees)
    if set(wanted.folders) != set(FOLDERS):
        listed = ", ".join(str(FOLDERS.index(folder)) for folder in wanted.folders)
        parts.append(f"c.folder IN ({listed})")
    if wanted.is_read is not None:
        parts.append(f"c.is_read = {int(wanted.is_read)}")
    if wanted.thread_id is not None:
        parts.append("m.thread_id = :thread_id")
    if wanted.from_email is not None:
        parts.append("LOWER(m.from_email) = :from_email")
    if query.after is not None:
        parts.append("m.received_at >= :received_after")
    if query.before is not None:
        parts.append("m.received_at < :received_before")
    if query.has_attachment is False:
        parts.append("m.has_attachments = 0 AND m.parse_status <> 'pending'")
    if wanted.verdicts:
        named = {f"verdict{place}": one for place, one in enumerate(wanted.verdicts)}
        params |= named
        parts.append(_HAS_VERDICT.format(", ".join(f":{name}" for name in named)))
    for place, list_id in enumerate(lists):
        params[f"list{place}"] = list_id
        parts.append(_CAME_BY.format(f"list{place}"))
    return "".join(f" AND {part}" for part in parts), params


_HAS_VERDICT = """
    EXISTS (SELECT 1 FROM message_checks k
            WHERE k.message_id = m.message_id AND k.verdict IN ({}))
"""
# The scope of a list is the message's. Only whether this copy came by the list may be shown: that
# another inbox got the message by it may be the secret of a blind copy.
_CAME_BY = f"""
    EXISTS (SELECT 1 FROM routes r
            WHERE r.message_id = c.message_id AND r.list_id = :{{0}} AND {came_by("c")})
"""


async def _lists(tx: Tx, tenant_id: bytes, named: Iterable[str]) -> list[bytes] | None:
    """Resolve lists given as ids or addresses; None when one is not the tenant's.

    The address of a deleted list names nothing; its id still finds the mail that came by it.
    """
    found = []
    for text in named:
        list_id = from_text("lst", text)
        if list_id is None:
            row = await tx.fetch_one(
                "SELECT list_id FROM lists WHERE tenant_id = :tenant_id AND canonical = :canonical",
                {"tenant_id": tenant_id, "canonical": canonical_or_none(text) or ""},
            )
            list_id = bytes(row["list_id"]) if row else None
        if list_id is None:
            return None
        found.append(list_id)
    return found


def _lookup(search: _Search, wanted: SearchFilter) -> Lookup:
    return Lookup(
        scopes=search.scopes,
        terms=search.query.terms,
        conditions=search.conditions,
        params=search.params,
        after=search.after,
        before=search.before,
        limit=search.params["limit"],
        narrow=_narrow(wanted),
    )


def _narrow(wanted: SearchFilter) -> tuple[str, ...]:
    """Return the orders of copies that a condition selects, if any: of a thread, or of folders."""
    if wanted.thread_id is not None:
        return ("m.thread_id = :thread_id",)
    if wanted.is_read is None and len(wanted.folders) == len(FOLDERS):
        return ()
    return tuple(f"c.folder = {FOLDERS.index(folder)}" for folder in wanted.folders)


async def _copies(search: _Search, wanted: SearchFilter) -> list[bytes]:
    """Read the copies themselves, parsed or not: without words there is nothing to look up."""
    params = {**search.params, "before": search.before, "after": search.after}
    if wanted.thread_id is not None:
        rows = await search.tx.fetch_all(_of_thread(search), params)
    else:
        rows = []
        below = "before" if search.before else None
        is_unread = wanted.is_read is False or "unread" in search.query.marks
        sources = unread_clauses(search.tx, below=below) if is_unread else from_clauses(search.tx)
        for folder in map(FOLDERS.index, wanted.folders):
            in_folder = partial(_of_folder, search)
            of_folder = {**params, "folder": folder}
            rows += await fetch_newest(
                search.tx,
                in_folder,
                of_folder,
                limit=search.params["limit"],
                sources=sources,
            )
    return [bytes(row["message_id"]) for row in rows]


def _of_thread(search: _Search) -> str:
    return _copies_sql(search, "messages m CROSS JOIN copies c")


def _of_folder(search: _Search, source: Source) -> str:
    joined = f"{source} c CROSS JOIN messages m"
    return _copies_sql(
        search, joined, "AND c.folder = :folder", newest_first=source.newest_first("c")
    )


def _copies_sql(
    search: _Search,
    joined: str,
    narrowed: str = "",
    newest_first: str = "c.message_id DESC",
) -> str:
    """Build the query; CROSS JOIN keeps SQLite at the order that fits: a folder's, or a thread's.

    Both tables get the bounds, which PostgreSQL does not carry over from one to the other.
    """
    older = "AND c.message_id < :before AND m.message_id < :before" if search.before else ""
    newer = "AND c.message_id > :after AND m.message_id > :after" if search.after else ""
    return f"""
        SELECT c.message_id FROM {joined}
        WHERE m.message_id = c.message_id AND m.tenant_id = :tenant_id
          AND c.inbox_id = :inbox_id {narrowed} {older} {newer} {search.conditions}
        ORDER BY {newest_first} LIMIT :limit
    """


async def _pending(search: _Search) -> list[bytes]:
    """Return the matches among the newest messages that wait for the parser."""
    # Only the parser knows of attachments: the message is found once it is parsed.
    if search.query.has_attachment is not None:
        return []
    older = "AND message_id < :before" if search.before else ""
    rows = await search.tx.fetch_all(
        f"""
        SELECT m.message_id, m.from_name, m.from_email, m.recipients, m.subject
        FROM (SELECT message_id FROM messages
              WHERE parse_status = 'pending' AND tenant_id = :tenant_id {older}
              ORDER BY message_id DESC LIMIT {_PENDING_LOOKED_AT}) p
        CROSS JOIN copies c CROSS JOIN messages m
        WHERE c.inbox_id = :inbox_id AND c.message_id = p.message_id
          AND m.message_id = p.message_id AND m.tenant_id = :tenant_id
          {search.conditions}
        ORDER BY m.message_id DESC LIMIT {_PENDING_JUDGED}
        """,
        {**search.params, "before": search.before},
    )
    return [bytes(row["message_id"]) for row in rows if _scan_matches(search.query, row)]


def _scan_matches(query: Query, row: Row) -> bool:
    return not query.terms or matches(query, document(**scanned_text(row), body=()))


def _id_at(instant: int) -> bytes:
    return min(max(instant, 0), _HIGHEST).to_bytes(8, "big") + bytes(8)


def _earlier(first: bytes | None, second: bytes | None) -> bytes | None:
    given = [one for one in (first, second) if one is not None]
    return min(given, default=None)
