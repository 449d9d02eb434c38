"""Thread search: threads in which the viewer sees a matching message.

- Copies are found through the index, as in message search. Granted messages are not in the index of
  the viewer's inbox: the newest thousand of them are compared one by one with the same words.
- The list by which a message came is visible only to holders of a copy, so `list:` finds no granted
  message.
- Neither do conditions on a copy: its folder, its marks. Where only these and conditions on the
  thread are asked for, the index is not needed: one statement places all threads.
- A message that waits for the parser is matched by the fields of the header scan.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from storage.database import Row, Tx
from storage.index.full_text import ATTACHMENT, matching, scanned_text
from storage.index.query import Query, matches
from storage.index.words import document
from storage.mailbox.copy_conditions import (
    assignees_of,
    condition_params,
    never_holds,
    thread_conditions,
)
from storage.mailbox.search import SearchFilter, newest_found, search_messages
from storage.mailbox.visibility import OPENED_THREADS, VISIBLE, View
from storage.sql import in_list

_OPENED_LOOKED_AT = 1_000


async def matching_copies(
    tx: Tx, *, view: View, query: Query, before: bytes | None, limit: int
) -> list[tuple[bytes, bytes]]:
    """Return the viewer's newest matching copies, older than `before`: message and thread."""
    found = await _search(tx, view, SearchFilter(query), before, limit)
    if not found:
        return []
    chosen, names = in_list(found)
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, thread_id FROM messages
        WHERE tenant_id = :tenant_id AND message_id IN ({chosen}) ORDER BY message_id DESC
        """,
        {"tenant_id": view.tenant_id, **names},
    )
    return [(bytes(row["message_id"]), bytes(row["thread_id"])) for row in rows]


async def newest_matching_copies(
    tx: Tx, *, view: View, query: Query, thread_ids: Collection[bytes]
) -> dict[bytes, bytes]:
    """Map each of the threads with a matching copy to the newest one."""
    if not query.needs_index and query.has_attachment is None:
        return await newest_found(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            query=query,
            thread_ids=thread_ids,
            now=view.now,
        )
    newest = {}
    for thread_id in thread_ids:
        wanted = SearchFilter(query, thread_id=thread_id)
        for message_id in await _search(tx, view, wanted, None, 1):
            newest[thread_id] = message_id
    return newest


async def _search(
    tx: Tx, view: View, wanted: SearchFilter, before: bytes | None, limit: int
) -> list[bytes]:
    return await search_messages(
        tx,
        tenant_id=view.tenant_id,
        inbox_id=view.inbox_id,
        wanted=wanted,
        before=before,
        limit=limit,
        now=view.now,
    )


async def opened_matches(tx: Tx, *, view: View, query: Query) -> dict[bytes, bytes]:
    """Map each thread with a matching granted message to its newest place.

    Copies of the same thread count as well.
    """
    # A granted message has no copy here, and another's folder, marks and lists stay hidden.
    rows = [] if query.needs_copy else await _opened(tx, view, query)
    meant = await _matching(tx, query, rows)
    newest: dict[bytes, bytes] = {}
    for row in rows:
        message_id, thread_id = bytes(row["message_id"]), bytes(row["thread_id"])
        if message_id in meant:
            newest.setdefault(thread_id, message_id)
    held = await newest_matching_copies(tx, view=view, query=query, thread_ids=[*newest])
    return {one: max(message_id, held.get(one, b"")) for one, message_id in newest.items()}


async def _opened(tx: Tx, view: View, query: Query) -> list[Row]:
    """Return the newest messages granted to the viewer without a copy, within the dates."""
    newer = "" if query.after is None else "AND m.received_at >= :received_after"
    older = "" if query.before is None else "AND m.received_at < :received_before"
    assignees = await assignees_of(
        tx, tenant_id=view.tenant_id, inbox_id=view.inbox_id, query=query
    )
    if never_holds(query, assignees):
        return []
    also = "".join(f" AND {one}" for one in thread_conditions(query, assignees))
    return await tx.fetch_all(
        f"""
        SELECT m.message_id, m.thread_id, m.parse_status, m.has_attachments, m.from_name,
               m.from_email, m.recipients, m.subject
        FROM messages m
        WHERE m.thread_id IN ({OPENED_THREADS}) AND m.tenant_id = :tenant_id {newer} {older}
          AND {VISIBLE} {also}
          AND NOT EXISTS (SELECT 1 FROM copies own
                          WHERE own.inbox_id = :viewer AND own.message_id = m.message_id)
        ORDER BY m.message_id DESC LIMIT {_OPENED_LOOKED_AT}
        """,
        {
            **view.params,
            **condition_params(assignees),
            "received_after": query.after,
            "received_before": query.before,
        },
    )


async def _matching(tx: Tx, query: Query, rows: Sequence[Row]) -> set[bytes]:
    found = set()
    parsed = []
    for row in rows:
        message_id = bytes(row["message_id"])
        is_pending = row["parse_status"] == "pending"
        if query.has_attachment is not None and (
            is_pending or bool(row["has_attachments"]) != query.has_attachment
        ):
            continue
        if not query.terms:
            found.add(message_id)
        elif not is_pending:
            parsed.append(message_id)
        elif matches(query, document(**scanned_text(row), body=())):
            found.add(message_id)
    return found | await _indexed(tx, query, parsed)


async def _indexed(tx: Tx, query: Query, message_ids: Sequence[bytes]) -> set[bytes]:
    """Return those of the messages whose words match, of whatever inbox."""
    scopes = [ATTACHMENT] if query.has_attachment else []
    return await matching(tx, message_ids=message_ids, scopes=scopes, terms=query.terms)
