"""Letters: messages that leave, and what became of them at each recipient.

- A letter is an ordinary message of the tenant, with a copy in the folder `sent`. Until its first
  attempt only the author holds one; then the members of the list in whose name it goes get theirs.
- Each recipient has a state of its own; the letter's is the worst of them.
- A letter is cancelled only while every recipient waits and nobody holds a lease on it. Both are
  decided in one write transaction, so a letter is never both sent and cancelled.
- A blind recipient is told to the author's inbox alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from storage.content.message_bytes import Content
from storage.database import Row, Tx
from storage.delivery.thread_join import reference_key
from storage.errors import Conflict, NotFound
from storage.ids import id_or_none
from storage.index.copy_index import index_new_copies
from storage.index.query import FOLDERS
from storage.mailbox.copies import update_copies
from storage.sql import chunks, in_list

SENT = FOLDERS.index("sent")
PROTOCOL = "outbound"
MOST_RECIPIENTS = 50

Kind = Literal["to", "cc", "bcc"]
# The worst first; the last two count only where every recipient has them.
State = Literal[
    "failed",
    "bounced",
    "unknown",
    "delayed",
    "held",
    "waiting",
    "sending",
    "accepted",
    "delivered",
    "cancelled",
    "dropped",
]
STATES: tuple[State, ...] = get_args(State)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LetterRecipient:
    """One recipient; code, enhanced code and text are the smarthost's last words on it."""

    email: str
    kind: Kind
    state: State
    code: int | None
    enhanced: str | None
    diagnostic: str | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A stored letter. `call` is the call that made it; `due_at` is its next attempt, if any."""

    message_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    user_id: bytes | None
    token_id: bytes | None
    approved_by: bytes | None
    thread_id: bytes
    list_id: bytes | None
    domain: str
    call: Mapping[str, object]
    attempts: int
    due_at: int | None
    expires_at: int
    created_at: int
    recipients: tuple[LetterRecipient, ...]

    @property
    def state(self) -> State:
        """The worst state of its recipients."""
        return worst_of(self.recipients)


def worst_of(recipients: Iterable[LetterRecipient]) -> State:
    """The worst of their states; there is one recipient at least."""
    found = {one.state for one in recipients}
    return next(state for state in STATES if state in found)


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A composed letter. `references` are the names by which answers to it may know its thread;
    without `thread_id` it begins one. `mailboxes` is a JSON object of To and Cc. `bounce_token` is
    what its envelope sender may carry.
    """

    tenant_id: bytes
    inbox_id: bytes
    user_id: bytes | None
    token_id: bytes | None
    thread_id: bytes
    is_new_thread: bool
    list_id: bytes | None
    message_id: bytes
    header_message_id: str
    references: tuple[str, ...]
    from_name: str
    from_email: str
    domain: str
    subject: str
    mailboxes: bytes
    recipients: tuple[tuple[str, Kind], ...]
    content: Content
    call: Mapping[str, object]
    bounce_token: str | None = None


async def enqueue(
    tx: Tx, letter: NewLetter, *, send_at: int, expires_at: int, now: int, held: bool = False
) -> None:
    """Store a letter and its author's copy; it leaves at `send_at`, a held one once released."""
    key: dict[str, object] = {
        "tenant_id": letter.tenant_id,
        "message_id": letter.message_id,
        "thread_id": letter.thread_id,
        "now": now,
    }
    if letter.is_new_thread:
        await tx.execute(_THREAD, key)
    await tx.execute_many(
        _REFERENCE,
        [
            {**key, "reference": reference_key(name), "own": int(name == letter.header_message_id)}
            for name in letter.references
        ],
    )
    await tx.execute(
        _MESSAGE,
        {
            **key,
            "size": letter.content.size,
            "header_message_id": letter.header_message_id,
            "from_name": letter.from_name,
            "from_email": letter.from_email,
            "subject": letter.subject,
            "mailboxes": letter.mailboxes,
            "protocol": PROTOCOL,
            "no_field": b"",
        },
    )
    await tx.execute(_CONTENT, {**key, **letter.content._asdict()})
    await tx.execute(_LETTER, {**key, **_letter_row(letter, None if held else send_at, expires_at)})
    await tx.execute_many(
        _RECIPIENT,
        [
            {
                **key,
                "position": position,
                "email": email,
                "kind": kind,
                "state": "held" if held else "waiting",
            }
            for position, (email, kind) in enumerate(letter.recipients)
        ],
    )
    await tx.execute(_COPY, {**key, "inbox_id": letter.inbox_id, "folder": SENT})
    await index_new_copies(tx, 1)


def _letter_row(letter: NewLetter, due_at: int | None, expires_at: int) -> dict[str, object]:
    return {
        "inbox_id": letter.inbox_id,
        "user_id": letter.user_id,
        "token_id": letter.token_id,
        "list_id": letter.list_id,
        "domain": letter.domain,
        "bounce_token": letter.bounce_token,
        "call": json.dumps(letter.call, separators=(",", ":")),
        "due_at": due_at,
        "expires_at": expires_at,
    }


_THREAD = """
    INSERT INTO threads (thread_id, tenant_id, status, created_at)
    VALUES (:thread_id, :tenant_id, 'open', :now)
"""
_REFERENCE = """
    INSERT INTO thread_references (tenant_id, reference, thread_id, is_message)
    VALUES (:tenant_id, :reference, :thread_id, :own)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_MESSAGE = """
    INSERT INTO messages
        (message_id, tenant_id, thread_id, received_at, size, header_message_id, from_name,
         from_email, subject, recipients, reverse_path, client_ip, helo, protocol, tls,
         received_field, automatic, named_by, behind_relay, dmarc_override, parse_status,
         copies_owed, copies_gone)
    VALUES
        (:message_id, :tenant_id, :thread_id, :now, :size, :header_message_id, :from_name,
         :from_email, :subject, :mailboxes, :from_email, '', '', :protocol, NULL, :no_field, 1,
         'socket', 0, NULL, 'pending', 1, 0)
"""
_CONTENT = """
    INSERT INTO contents (message_id, sha256, size, body, file)
    VALUES (:message_id, :sha256, :size, :body, :file)
"""
_LETTER = """
    INSERT INTO letters
        (message_id, tenant_id, inbox_id, user_id, token_id, thread_id, list_id, domain,
         bounce_token, call, is_shared, attempts, failures, due_at, expires_at, created_at)
    VALUES
        (:message_id, :tenant_id, :inbox_id, :user_id, :token_id, :thread_id, :list_id, :domain,
         :bounce_token, :call, 0, 0, 0, :due_at, :expires_at, :now)
"""
_RECIPIENT = """
    INSERT INTO letter_recipients (message_id, position, email, kind, state, updated_at)
    VALUES (:message_id, :position, :email, :kind, :state, :now)
"""
_COPY = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    VALUES (:inbox_id, :message_id, :folder, 1, 0, 0)
"""


async def find_letter(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> Letter:
    """Raises NotFound, also for a message that came in."""
    found = await letters_of(tx, tenant_id=tenant_id, message_ids=[message_id])
    if message_id not in found:
        raise NotFound("no such letter")
    return found[message_id]


async def letters_of(
    tx: Tx, *, tenant_id: bytes, message_ids: Collection[bytes]
) -> dict[bytes, Letter]:
    """Return those of these messages that are letters, by message."""
    found: dict[bytes, Letter] = {}
    for some in chunks([*message_ids], _AT_ONCE):
        chosen, names = in_list(some)
        key = {"tenant_id": tenant_id, **names}
        rows = await tx.fetch_all(f"{_LETTERS} AND message_id IN ({chosen})", key)
        recipients: dict[bytes, list[LetterRecipient]] = {}
        for row in await tx.fetch_all(_RECIPIENTS.format(chosen), names) if rows else ():
            recipients.setdefault(bytes(row["message_id"]), []).append(_recipient(row))
        for row in rows:
            message_id = bytes(row["message_id"])
            found[message_id] = _letter(row, recipients.get(message_id, []))
    return found


async def letter_of_any_tenant(tx: Tx, *, message_id: bytes) -> Letter | None:
    """Return a letter for the operator, who names no tenant."""
    row = await tx.fetch_one(
        "SELECT tenant_id FROM letters WHERE message_id = :message_id", {"message_id": message_id}
    )
    if row is None:
        return None
    return await find_letter(tx, tenant_id=bytes(row["tenant_id"]), message_id=message_id)


async def list_letters(tx: Tx, *, tenant_id: bytes, limit: int) -> list[Letter]:
    """Return the letters to come, under way, held, failed or perhaps sent, oldest first."""
    rows = await tx.fetch_all(
        """
        SELECT message_id FROM letters l
        WHERE tenant_id = :tenant_id AND (
            due_at IS NOT NULL OR lease_until IS NOT NULL
            OR EXISTS (SELECT 1 FROM letter_recipients r WHERE r.message_id = l.message_id
                       AND r.state IN ('unknown', 'held', 'failed')))
        ORDER BY message_id LIMIT :limit
        """,
        {"tenant_id": tenant_id, "limit": limit},
    )
    ids = [bytes(row["message_id"]) for row in rows]
    found = await letters_of(tx, tenant_id=tenant_id, message_ids=ids)
    return [found[one] for one in ids]


_LETTERS = """
    SELECT message_id, tenant_id, inbox_id, user_id, token_id, approved_by, thread_id, list_id,
           domain, call, attempts, due_at, expires_at, created_at
    FROM letters WHERE tenant_id = :tenant_id
"""
_RECIPIENTS = """
    SELECT message_id, email, kind, state, code, enhanced, diagnostic, updated_at
    FROM letter_recipients WHERE message_id IN ({}) ORDER BY message_id, position
"""


async def cancel(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes, now: int) -> None:
    """Take a letter back before it leaves; the author's copy goes to the trash.

    Raises Conflict `already_sending`.
    """
    key = {"tenant_id": tenant_id, "message_id": message_id, "now": now}
    taken = await tx.execute(
        """
        UPDATE letters SET due_at = NULL
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND lease_until IS NULL
          AND NOT EXISTS (SELECT 1 FROM letter_recipients r WHERE r.message_id = :message_id
                          AND r.state NOT IN ('waiting', 'held'))
        """,
        key,
    )
    if not taken:
        raise Conflict("already_sending", "This letter is on its way, or was sent.")
    await _set_state(tx, key, ("waiting", "held"), "cancelled")
    await update_copies(
        tx,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        message_ids=[message_id],
        now=now,
        folder="trash",
    )


async def release_held(
    tx: Tx,
    *,
    tenant_id: bytes,
    message_id: bytes,
    approved_by: bytes | None,
    send_at: int,
    expires_at: int,
    now: int,
) -> bool:
    """Let a held letter leave at `send_at`; False when it is not held."""
    key = {"tenant_id": tenant_id, "message_id": message_id, "now": now}
    if not await _set_state(tx, key, ("held",), "waiting"):
        return False
    await tx.execute(
        """
        UPDATE letters SET due_at = :send_at, expires_at = :expires_at, approved_by = :approved_by
        WHERE tenant_id = :tenant_id AND message_id = :message_id
        """,
        {**key, "send_at": send_at, "expires_at": expires_at, "approved_by": approved_by},
    )
    return True


async def drop_held(tx: Tx, *, tenant_id: bytes, message_id: bytes, now: int) -> bool:
    """Have a held letter never leave; False when it is not held."""
    key = {"tenant_id": tenant_id, "message_id": message_id, "now": now}
    return bool(await _set_state(tx, key, ("held",), "dropped"))


async def retry(tx: Tx, *, tenant_id: bytes, message_id: bytes, expires_at: int, now: int) -> None:
    """Try again where it failed, or where it is not known. Raises Conflict `nothing_to_retry`."""
    key = {"tenant_id": tenant_id, "message_id": message_id, "now": now}
    row = await tx.fetch_one(
        """
        SELECT 1 FROM letters
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND lease_until IS NULL
        """,
        key,
    )
    if row is None or not await _set_state(tx, key, ("failed", "unknown"), "waiting"):
        raise Conflict("nothing_to_retry", "No recipient of this letter has failed or is unknown.")
    await tx.execute(
        """
        UPDATE letters SET due_at = :now, expires_at = :expires_at, failures = 0
        WHERE tenant_id = :tenant_id AND message_id = :message_id
        """,
        {**key, "expires_at": expires_at},
    )


async def _set_state(tx: Tx, key: Mapping[str, object], old: Sequence[State], new: State) -> int:
    chosen, names = in_list(old)
    return await tx.execute(
        f"""
        UPDATE letter_recipients SET state = :new, updated_at = :now
        WHERE message_id = :message_id AND state IN ({chosen})
          AND EXISTS (SELECT 1 FROM letters l
                      WHERE l.message_id = :message_id AND l.tenant_id = :tenant_id)
        """,
        {**key, **names, "new": new},
    )


def _letter(row: Row, recipients: Sequence[LetterRecipient]) -> Letter:
    return Letter(
        bytes(row["message_id"]),
        bytes(row["tenant_id"]),
        bytes(row["inbox_id"]),
        id_or_none(row["user_id"]),
        id_or_none(row["token_id"]),
        id_or_none(row["approved_by"]),
        bytes(row["thread_id"]),
        id_or_none(row["list_id"]),
        row["domain"],
        json.loads(row["call"]),
        row["attempts"],
        row["due_at"],
        row["expires_at"],
        row["created_at"],
        tuple(recipients),
    )


def _recipient(row: Row) -> LetterRecipient:
    return LetterRecipient(
        row["email"],
        row["kind"],
        row["state"],
        row["code"],
        row["enhanced"],
        row["diagnostic"],
        row["updated_at"],
    )
