"""Drafts: letters of a thread that are still being written.

- A draft is seen by the inbox that made it, and by every inbox that sees the message it answers: so
  teammates know that somebody is replying. Its Bcc and its files are its own inbox's alone.
- Each change counts `version` up; a change is made only by a writer who has read the latest one.
- A draft is superseded when its thread has a newer visible message than the author had read. That
  is found out by reading: a delivery writes nothing for it.
- `letter` is what its author typed, as the API takes it; nothing in it is resolved before it is
  sent. A draft is gone once it is sent, and 90 days after its last change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from storage.clock import DAY
from storage.database import Row, Tx
from storage.drafts.public_messages import PUBLIC
from storage.errors import Conflict, NotFound
from storage.mailbox.visibility import VISIBLE, View, newest_visible

KEPT = 90 * DAY
MOST_OF_INBOX = 1000
FIRST_VERSION = 1

Letter = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Writer:
    """One who wrote: for an inbox, as a person or with a token."""

    inbox_id: bytes
    user_id: bytes | None
    token_id: bytes | None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A stored draft as one inbox sees it.

    `newest_message_id` is the newest message of the thread that this inbox sees, if it sees one.
    """

    draft_id: bytes
    thread_id: bytes
    author: Writer
    changed_by: Writer
    about_message_id: bytes
    seen_message_id: bytes
    newest_message_id: bytes | None
    letter: Letter
    version: int
    created_at: int
    updated_at: int

    @property
    def is_superseded(self) -> bool:
        """Whether a message came that its author had not read."""
        return (self.newest_message_id or b"") > self.seen_message_id


async def create_draft(
    tx: Tx,
    *,
    view: View,
    writer: Writer,
    thread_id: bytes,
    about_message_id: bytes | None,
    letter: Letter,
) -> Draft:
    """Make a draft in a thread that the viewer sees; without `about_message_id` it answers the
    newest message.

    Raises NotFound for the thread, Conflict `draft_limit`.
    """
    newest = (await newest_visible(tx, view=view, thread_ids=[thread_id])).get(thread_id)
    if newest is None:
        raise NotFound("no such thread")
    await _require_room(tx, view)
    draft_id = tx.new_id()
    await tx.execute(
        """
        INSERT INTO drafts
            (draft_id, tenant_id, thread_id, inbox_id, user_id, token_id, about_message_id,
             seen_message_id, letter, version, changed_by_inbox_id, changed_by_user_id,
             changed_by_token_id, created_at, updated_at)
        VALUES
            (:draft_id, :tenant_id, :thread_id, :viewer, :user_id, :token_id, :about, :seen,
             :letter, :version, :viewer, :user_id, :token_id, :now, :now)
        """,
        {
            **view.params,
            "draft_id": draft_id,
            "thread_id": thread_id,
            "user_id": writer.user_id,
            "token_id": writer.token_id,
            "about": about_message_id or newest,
            "seen": newest,
            "version": FIRST_VERSION,
            "letter": json.dumps(letter, separators=(",", ":")),
        },
    )
    return await find_draft(tx, view=view, draft_id=draft_id)


async def _require_room(tx: Tx, view: View) -> None:
    row = await tx.fetch_one(
        "SELECT COUNT(*) AS held FROM drafts WHERE tenant_id = :tenant_id AND inbox_id = :viewer",
        view.params,
    )
    if row is not None and row["held"] >= MOST_OF_INBOX:
        raise Conflict("draft_limit", f"An inbox has at most {MOST_OF_INBOX} drafts.")


async def list_drafts(tx: Tx, *, view: View, thread_id: bytes, limit: int) -> list[Draft]:
    """Return the drafts of a thread that the viewer sees, oldest first."""
    rows = await tx.fetch_all(
        f"{_DRAFT} AND d.thread_id = :thread_id ORDER BY d.draft_id LIMIT :limit",
        {**view.params, "thread_id": thread_id, "limit": limit},
    )
    return [_draft(row) for row in rows]


async def find_draft(tx: Tx, *, view: View, draft_id: bytes) -> Draft:
    """Raises NotFound, also for a draft that the viewer does not see."""
    row = await tx.fetch_one(
        f"{_DRAFT} AND d.draft_id = :draft_id", {**view.params, "draft_id": draft_id}
    )
    if row is None:
        raise NotFound("no such draft")
    return _draft(row)


async def change_draft(
    tx: Tx,
    *,
    view: View,
    writer: Writer,
    draft: Draft,
    letter: Letter,
    about_message_id: bytes | None = None,
    seen: bool = False,
) -> Draft:
    """Put `letter` in place of what the draft was. `seen`: its author has read the thread anew."""
    await tx.execute(
        """
        UPDATE drafts
        SET letter = :letter, version = version + 1, updated_at = :now,
            about_message_id = :about, seen_message_id = :seen,
            changed_by_inbox_id = :viewer, changed_by_user_id = :user_id,
            changed_by_token_id = :token_id
        WHERE tenant_id = :tenant_id AND draft_id = :draft_id
        """,
        {
            **view.params,
            "draft_id": draft.draft_id,
            "letter": json.dumps(letter, separators=(",", ":")),
            "about": about_message_id or draft.about_message_id,
            "seen": (seen and draft.newest_message_id) or draft.seen_message_id,
            "user_id": writer.user_id,
            "token_id": writer.token_id,
        },
    )
    return await find_draft(tx, view=view, draft_id=draft.draft_id)


async def delete_draft(tx: Tx, *, tenant_id: bytes, draft_id: bytes) -> None:
    """Delete a draft: it was sent, or is not wanted any more."""
    await tx.execute(
        "DELETE FROM drafts WHERE tenant_id = :tenant_id AND draft_id = :draft_id",
        {"tenant_id": tenant_id, "draft_id": draft_id},
    )


_DRAFT = f"""
    SELECT d.draft_id, d.thread_id, d.inbox_id, d.user_id, d.token_id, d.about_message_id,
           d.seen_message_id, d.letter, d.version, d.changed_by_inbox_id, d.changed_by_user_id,
           d.changed_by_token_id, d.created_at, d.updated_at, author.address AS author_address,
           changer.address AS changer_address,
           (SELECT m.message_id FROM messages m
            WHERE m.thread_id = d.thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
              AND {PUBLIC}
            ORDER BY m.message_id DESC LIMIT 1) AS newest
    FROM drafts d
    JOIN inboxes author ON author.inbox_id = d.inbox_id
    JOIN inboxes changer ON changer.inbox_id = d.changed_by_inbox_id
    WHERE d.tenant_id = :tenant_id AND (
        d.inbox_id = :viewer
        OR EXISTS (SELECT 1 FROM messages m
                   WHERE m.message_id = d.about_message_id AND m.tenant_id = :tenant_id
                     AND {VISIBLE}))
"""


def _draft(row: Row) -> Draft:
    return Draft(
        bytes(row["draft_id"]),
        bytes(row["thread_id"]),
        Writer(row["inbox_id"], row["user_id"], row["token_id"], row["author_address"]),
        Writer(
            row["changed_by_inbox_id"],
            row["changed_by_user_id"],
            row["changed_by_token_id"],
            row["changer_address"],
        ),
        bytes(row["about_message_id"]),
        bytes(row["seen_message_id"]),
        None if row["newest"] is None else bytes(row["newest"]),
        json.loads(row["letter"]),
        row["version"],
        row["created_at"],
        row["updated_at"],
    )
