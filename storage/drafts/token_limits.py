"""The limits of a token that sends: to whom, how often, and when it must leave off.

- `send_to`: participants of the thread; with `contacts` the cards of the inbox too; or anyone.
- `send_rate`: so many letters in any hour, whatever became of them.
- Five letters by tokens in a thread without a person between them, then none: two machines that
  answer each other end there. A person's letter, note, act on the thread, or verdict on an approval
  counts as a person.
- A message that wants no answer (automatic mail, a list's, a null reverse-path, a no-reply address)
  gets none from a token.

RFC 3834 2.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.accounts.tokens import Token
from storage.address import canonical_or_none, reads_no_answers
from storage.clock import HOUR, SECOND
from storage.contacts.contacts import contact_ids
from storage.database import Tx
from storage.mailbox.visibility import VISIBLE, View

THREAD_BUDGET = 5
Code = Literal["send_rate", "thread_budget", "no_reply_wanted", "recipient_not_allowed"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token may not send this letter. `seconds`: when to try again. `places` are those of the
    recipients it may not write to.
    """

    code: Code
    seconds: int = 0
    places: tuple[int, ...] = ()


async def why_not(
    tx: Tx,
    *,
    view: View,
    token: Token,
    thread_id: bytes | None,
    recipients: Sequence[str],
    answered: Collection[str] = (),
    reply_to_message_id: bytes | None = None,
) -> Refusal | None:
    """Return why this token may not send this letter now; None when it may.

    `recipients` are addresses as they were given, `answered` those that the answered message names
    for its answer.
    """
    if reply_to_message_id is not None and await wants_no_reply(
        tx, tenant_id=view.tenant_id, message_id=reply_to_message_id
    ):
        return Refusal("no_reply_wanted")
    if token.sending.send_to != "anyone":
        known = {canonical_or_none(address) for address in answered}
        known |= await _participants(tx, view, thread_id) if thread_id is not None else set()
        with_cards = token.sending.send_to == "contacts"
        if outside := await _outside(tx, view, recipients, known, with_cards=with_cards):
            return Refusal("recipient_not_allowed", places=outside)
    # After the recipients: a letter that may never be sent is not told to wait.
    if seconds := await _until_next(tx, view, token):
        return Refusal("send_rate", seconds)
    if thread_id is not None and await _is_spent(tx, view, thread_id):
        return Refusal("thread_budget", HOUR // SECOND)
    return None


async def wants_no_reply(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> bool:
    """Whether a message is automatic, or names a sender that reads nothing."""
    row = await tx.fetch_one(
        """
        SELECT automatic, reverse_path, from_email FROM messages
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND protocol <> 'outbound'
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    if row is None:  # or a letter of our own
        return False
    is_read = row["reverse_path"] != "" and not reads_no_answers(str(row["from_email"]))
    # Two machines that answer each other would go on for ever (RFC 3834 2).
    return bool(row["automatic"]) or not is_read


async def _outside(
    tx: Tx, view: View, recipients: Sequence[str], known: set[str | None], *, with_cards: bool
) -> tuple[int, ...]:
    """The places of recipients who are not `known`, and are on no card of the inbox."""
    named = [canonical_or_none(address) for address in recipients]
    left = {one for one in named if one is not None and one not in known}
    if left and with_cards:
        left -= {*await contact_ids(tx, inbox_id=view.inbox_id, canonicals=left)}
    return tuple(place for place, one in enumerate(named) if one is None or one in left)


async def _participants(tx: Tx, view: View, thread_id: bytes) -> set[str | None]:
    rows = await tx.fetch_all(
        f"""
        SELECT m.from_email, m.recipients FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
        ORDER BY m.message_id DESC LIMIT 1000
        """,
        {**view.params, "thread_id": thread_id},
    )
    found: set[str | None] = set()
    for row in rows:
        named = json.loads(bytes(row["recipients"]))
        found.add(canonical_or_none(row["from_email"]))
        found |= {
            canonical_or_none(email) for kind in ("to", "cc") for _, email in named.get(kind, ())
        }
    return found - {None}


async def _until_next(tx: Tx, view: View, token: Token) -> int:
    """Seconds until the token may send again; 0 for now."""
    rate = token.sending.send_rate
    if rate == 0:
        return HOUR // SECOND
    row = await tx.fetch_one(
        """
        SELECT o.created_at FROM letters o
        WHERE o.tenant_id = :tenant_id AND o.token_id = :token_id AND o.created_at > :since
        ORDER BY o.created_at DESC LIMIT 1 OFFSET :others
        """,
        {
            "tenant_id": view.tenant_id,
            "token_id": token.token_id,
            "since": view.now - HOUR,
            "others": rate - 1,
        },
    )
    return 0 if row is None else 1 + (row["created_at"] + HOUR - view.now) // SECOND


async def _is_spent(tx: Tx, view: View, thread_id: bytes) -> bool:
    """Whether tokens have sent as many letters as may be, since a person did something here."""
    sent = await tx.fetch_one(_BY_TOKENS, {"tenant_id": view.tenant_id, "thread_id": thread_id})
    return sent is not None and sent["letters"] >= THREAD_BUDGET


def _none_since(table: str, key: str, is_person: str) -> str:
    return f"""
        AND NOT EXISTS (
            SELECT 1 FROM {table} p
            WHERE p.thread_id = :thread_id AND p.tenant_id = :tenant_id AND p.{is_person}
              AND p.{key} >= o.message_id)
    """


_BY_TOKENS = f"""
    SELECT COUNT(*) AS letters FROM letters o
    WHERE o.thread_id = :thread_id AND o.tenant_id = :tenant_id AND o.token_id IS NOT NULL
      {_none_since("letters", "message_id", "token_id IS NULL")}
      {_none_since("approvals", "message_id", "resolved_by_user_id IS NOT NULL")}
      {_none_since("notes", "note_id", "author_user_id IS NOT NULL")}
      {_none_since("thread_history", "entry_id", "by_user_id IS NOT NULL")}
"""
