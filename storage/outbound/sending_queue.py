"""The sending queue: leases on letters, and the record of each attempt.

- An attempt is recorded before it is made. `claim` commits `sending` before the connection,
  `note_dot` commits before CRLF.CRLF is written, `note_outcome` after the reply.
- Of an attempt whose process died: without a dot on record nothing can have been accepted, and the
  letter waits again. With one it may have been: its recipients are `unknown`.
- A process that lost its lease writes no dot: it has to be told by the store that it holds it.
- A letter's first attempt gives the members of its list their copies, and records `message.sent`.
- The wait after a temporary refusal grows from 1 minute to 8 hours, until the letter expires.

RFC 5321 4.5.4.1 (retries), 4.1.1.4 (who has a message after the dot).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.clock import HOUR, MINUTE, SECOND
from storage.content.message_bytes import Content, content_of
from storage.database import Row, Tx
from storage.directory.address_tokens import bounce_address
from storage.index.copy_index import index_late_copies
from storage.outbound.author_tasks import PERHAPS_SENT, ask_author
from storage.outbound.domain_smarthosts import Via, goes_by
from storage.outbound.letters import SENT, State
from storage.sql import in_list

LEASE = 45 * SECOND
WAITS = (
    *(1 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR),
)
UNKNOWN_WAIT = 5 * MINUTE
LONGEST_DIAGNOSTIC = 500
_PERHAPS = "It is not known whether the mail server took this letter. Ask, or send it again."
EXPIRED = "The smarthost did not take it in time."


@dataclass(frozen=True, slots=True)
class SendingClaim:
    """A letter to hand over now: to these recipients, by their positions. `attempt` fences it.

    `author` is the address of the inbox that wrote it, `bounce_token` the letter's own.
    """

    message_id: bytes
    tenant_id: bytes
    attempt: int
    domain: str
    from_email: str
    recipients: tuple[tuple[int, str], ...]
    content: Content
    author: str
    bounce_token: str | None
    has_blind: bool

    def reverse_path(self, *, verp: bool) -> str:
        """Where reports about it go: with `verp` to its token, otherwise to the address in From.

        A report names a recipient, so that of a letter with a blind one goes to its author alone.
        """
        if verp and self.bounce_token is not None:
            return bounce_address(self.bounce_token, self.domain)
        return self.author if self.has_blind and self.author else self.from_email


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """The smarthost's word on one recipient."""

    state: Literal["accepted", "failed", "waiting", "unknown"]
    code: int | None = None
    enhanced: str | None = None
    diagnostic: str | None = None


async def next_due(tx: Tx) -> int | None:
    """Return the time of the next attempt, or of the end of a lease; None when there is none."""
    row = await tx.fetch_one(
        """
        SELECT MIN(due) AS due FROM (
            SELECT MIN(due_at) AS due FROM letters WHERE due_at IS NOT NULL
            UNION ALL
            SELECT MIN(lease_until) FROM letters WHERE lease_until IS NOT NULL) AS both_of_them
        """
    )
    return row["due"] if row else None


async def claim(
    tx: Tx, *, owner: bytes, limit: int, now: int, ask: bool = False, via: Via = "any"
) -> list[SendingClaim]:
    """Lease letters that are due, the longest waiting first, and record their attempts.

    Letters that have expired, and have been tried, fail instead. With `ask` a recipient that is
    `unknown` is left out. Only letters that go by the smarthost `via`.
    """
    await expire(tx, limit=limit, now=now, via=via)
    condition, names = goes_by(via)
    due = await tx.fetch_all(_DUE.format(condition), {**names, "now": now, "limit": limit})
    states: tuple[State, ...] = ("waiting",) if ask else ("waiting", "unknown")
    return [await _claim_one(tx, row, owner, states, now) for row in due]


async def expire(tx: Tx, *, limit: int, now: int, untried: bool = False, via: Via = "any") -> None:
    """Have letters fail that expired: those that were tried, with `untried` the others as well."""
    condition, names = goes_by(via)
    rows = await tx.fetch_all(
        f"""
        SELECT message_id FROM letters l
        WHERE due_at <= :now AND due_at IS NOT NULL AND expires_at <= :now AND attempts >= :tried
          {condition}
        LIMIT :limit
        """,
        {**names, "now": now, "limit": limit, "tried": 0 if untried else 1},
    )
    for row in rows:
        await _expire(tx, bytes(row["message_id"]), now)


async def _expire(tx: Tx, message_id: bytes, now: int) -> None:
    key = {"message_id": message_id, "now": now}
    await tx.execute("UPDATE letters SET due_at = NULL WHERE message_id = :message_id", key)
    await tx.execute(
        """
        UPDATE letter_recipients
        SET state = 'failed', diagnostic = COALESCE(diagnostic, :why), updated_at = :now
        WHERE message_id = :message_id AND state IN ('waiting', 'delayed')
        """,
        {**key, "why": EXPIRED},
    )


_DUE = """
    SELECT l.message_id, l.tenant_id, l.attempts, l.domain, l.inbox_id, l.list_id, l.thread_id,
           l.is_shared, l.bounce_token, m.from_email, c.sha256, c.size, c.body, c.file,
           (SELECT i.canonical FROM inboxes i WHERE i.inbox_id = l.inbox_id) AS author,
           EXISTS (SELECT 1 FROM letter_recipients b
                   WHERE b.message_id = l.message_id AND b.kind = 'bcc') AS has_blind
    FROM letters l
    JOIN messages m ON m.message_id = l.message_id
    JOIN contents c ON c.message_id = l.message_id
    WHERE l.due_at IS NOT NULL AND l.due_at <= :now {} ORDER BY l.due_at LIMIT :limit
"""


async def _claim_one(
    tx: Tx, row: Row, owner: bytes, states: Sequence[State], now: int
) -> SendingClaim:
    key = {"message_id": bytes(row["message_id"]), "now": now}
    await tx.execute(
        """
        UPDATE letters
        SET attempts = attempts + 1, due_at = NULL, dot_at = NULL, is_shared = 1,
            lease_owner = :owner, lease_until = :until
        WHERE message_id = :message_id
        """,
        {**key, "owner": owner, "until": now + LEASE},
    )
    chosen, names = in_list(states)
    await tx.execute(
        f"""
        UPDATE letter_recipients SET state = 'sending', updated_at = :now
        WHERE message_id = :message_id AND state IN ({chosen})
        """,
        {**key, **names},
    )
    found = await tx.fetch_all(
        """
        SELECT position, email FROM letter_recipients
        WHERE message_id = :message_id AND state = 'sending' ORDER BY position
        """,
        key,
    )
    if not row["is_shared"]:
        await _share(tx, row, now)
    return SendingClaim(
        bytes(row["message_id"]),
        bytes(row["tenant_id"]),
        row["attempts"] + 1,
        row["domain"],
        row["from_email"],
        tuple((one["position"], one["email"]) for one in found),
        content_of(row),
        row["author"] or "",
        row["bounce_token"],
        bool(row["has_blind"]),
    )


async def _share(tx: Tx, row: Row, now: int) -> None:
    """Give the members of the list their copies, read, and tell all who hold one."""
    key = {"message_id": bytes(row["message_id"]), "tenant_id": bytes(row["tenant_id"])}
    if row["list_id"] is not None:
        made = await tx.execute(_SHARE, {**key, "list_id": row["list_id"], "folder": SENT})
        if made:
            await tx.execute(_OWED, {**key, "made": made})
            await index_late_copies(tx, message_id=key["message_id"], added=made)
    holders = await tx.fetch_all(
        "SELECT inbox_id FROM copies WHERE message_id = :message_id ORDER BY inbox_id", key
    )
    await tx.execute_many(
        """
        INSERT INTO events
            (event_id, tenant_id, type, inbox_id, message_id, thread_id, by_inbox_id, created_at)
        VALUES
            (:event_id, :tenant_id, 'message.sent', :inbox_id, :message_id, :thread_id, :by, :now)
        """,
        [
            {
                **key,
                "event_id": tx.new_id(),
                "inbox_id": one["inbox_id"],
                "thread_id": row["thread_id"],
                "by": row["inbox_id"],
                "now": now,
            }
            for one in holders
        ],
    )


_SHARE = """
    INSERT INTO copies (inbox_id, message_id, folder, is_read, is_flagged, route)
    SELECT m.inbox_id, :message_id, :folder, 1, 0, 0
    FROM list_members m JOIN inboxes i ON i.inbox_id = m.inbox_id
    WHERE m.list_id = :list_id AND i.tenant_id = :tenant_id AND i.deleted_at IS NULL
    ON CONFLICT (inbox_id, message_id) DO NOTHING
"""
_OWED = """
    UPDATE messages SET copies_owed = copies_owed + :made
    WHERE message_id = :message_id AND tenant_id = :tenant_id
"""


async def note_dot(tx: Tx, claimed: SendingClaim, *, owner: bytes, now: int) -> bool:
    """Record that the dot is about to be written; False when the lease is lost: then it must not.

    The lease is renewed with it.
    """
    return bool(
        await tx.execute(
            f"UPDATE letters SET dot_at = :now, lease_until = :until {_HELD}"
            " AND lease_until > :now",
            {**_fence(claimed, owner), "now": now, "until": now + LEASE},
        )
    )


async def renew(tx: Tx, claims: Sequence[SendingClaim], *, owner: bytes, now: int) -> None:
    """Keep the leases of letters under way."""
    await tx.execute_many(
        f"UPDATE letters SET lease_until = :until {_HELD} AND lease_until > :now",
        [{**_fence(one, owner), "now": now, "until": now + LEASE} for one in claims],
    )


_HELD = "WHERE message_id = :message_id AND lease_owner = :owner AND attempts = :attempt"


def _fence(claimed: SendingClaim, owner: bytes) -> dict[str, object]:
    return {"message_id": claimed.message_id, "owner": owner, "attempt": claimed.attempt}


async def note_outcome(
    tx: Tx,
    claimed: SendingClaim,
    outcomes: Mapping[int, RecipientOutcome],
    *,
    owner: bytes,
    now: int,
    ask: bool = False,
) -> bool:
    """Record the result for each recipient, by position; False when the lease was lost.

    Where it only ran out, and nobody has begun another attempt, what is certain counts all the
    same. A report that was faster than this record stays. A temporary refusal is tried again
    later; of a letter that has expired it is final. One of which it is not known whether it was
    sent is sent again in five minutes, with `ask` not by itself.
    """
    fence = _fence(claimed, owner)
    row = await tx.fetch_one(f"SELECT failures, expires_at FROM letters {_HELD}", fence)
    if row is None:
        return await _note_late(tx, fence, outcomes, now)
    waits = any(one.state == "waiting" for one in outcomes.values())
    is_over = now >= row["expires_at"]
    may_be_sent = any(one.state == "unknown" for one in outcomes.values())
    is_unknown = may_be_sent and not ask
    later = min(now + WAITS[min(row["failures"], len(WAITS) - 1)], max(row["expires_at"], now + 1))
    due_at = later if waits and not is_over else None
    if is_unknown:
        due_at = max(now + UNKNOWN_WAIT, due_at or 0)
    await tx.execute(
        f"""
        UPDATE letters
        SET due_at = :due_at, failures = failures + :waits, dot_at = NULL, lease_owner = NULL,
            lease_until = NULL {_HELD}
        """,
        {**fence, "due_at": due_at, "waits": int(waits)},
    )
    await tx.execute_many(
        """
        UPDATE letter_recipients
        SET state = :state, code = :code, enhanced = :enhanced, diagnostic = :diagnostic,
            updated_at = :now
        WHERE message_id = :message_id AND position = :position AND state = 'sending'
        """,
        [
            {
                **_outcome_row(position, one, now),
                "message_id": claimed.message_id,
                "state": "failed" if one.state == "waiting" and is_over else one.state,
            }
            for position, one in outcomes.items()
        ],
    )
    if may_be_sent and ask:
        await _ask(tx, claimed.message_id, now)
    return True


async def _note_late(
    tx: Tx, fence: Mapping[str, object], outcomes: Mapping[int, RecipientOutcome], now: int
) -> bool:
    """Record what became of recipients that are `unknown` since the lease ran out."""
    known = {place: one for place, one in outcomes.items() if one.state in ("accepted", "failed")}
    changed = [
        await tx.execute(
            """
            UPDATE letter_recipients
            SET state = :state, code = :code, enhanced = :enhanced, diagnostic = :diagnostic,
                updated_at = :now
            WHERE message_id = :message_id AND position = :position AND state = 'unknown'
              AND EXISTS (SELECT 1 FROM letters l WHERE l.message_id = :message_id
                          AND l.attempts = :attempt AND l.lease_owner IS NULL)
            """,
            {**fence, **_outcome_row(position, one, now), "state": one.state},
        )
        for position, one in known.items()
    ]
    if any(changed):
        # Nobody is left to send it to.
        await tx.execute(
            """
            UPDATE letters SET due_at = NULL
            WHERE message_id = :message_id AND NOT EXISTS (
                SELECT 1 FROM letter_recipients r WHERE r.message_id = :message_id
                AND r.state IN ('unknown', 'waiting'))
            """,
            fence,
        )
    return any(changed)


def _outcome_row(position: int, one: RecipientOutcome, now: int) -> dict[str, object]:
    return {
        "position": position,
        "code": one.code,
        "enhanced": one.enhanced,
        "diagnostic": one.diagnostic and one.diagnostic[:LONGEST_DIAGNOSTIC],
        "now": now,
    }


async def release(
    tx: Tx, claims: Sequence[SendingClaim], *, owner: bytes, due_at: int, now: int
) -> None:
    """Give letters back that no smarthost was asked about: they wait, and that was no failure."""
    for one in claims:
        if await tx.execute(
            f"""
            UPDATE letters SET due_at = :due_at, lease_owner = NULL, lease_until = NULL {_HELD}
              AND dot_at IS NULL
            """,
            {**_fence(one, owner), "due_at": due_at},
        ):
            await _after(tx, one.message_id, "waiting", now)


Recovered = tuple[list[bytes], list[bytes]]


async def recover(
    tx: Tx, *, ask: bool, now: int, but: Sequence[bytes] = (), dead: Sequence[bytes] = ()
) -> Recovered:
    """End the leases that ran out, and all of the owners `dead`: nobody has them.

    Of the letters `but` the caller knows better: they are under way here. Returns the letters that
    wait again, and those of which it is not known whether they were sent; these are sent again
    after five minutes, or with `ask` left to their authors, who get a task.
    """
    chosen, names = in_list(dead or [b"none"])
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, dot_at FROM letters
        WHERE lease_until IS NOT NULL
          AND (lease_until <= :now OR lease_until > :furthest OR lease_owner IN ({chosen}))
        """,
        {**names, "now": now, "furthest": now + 10 * LEASE},
    )
    rows = [row for row in rows if bytes(row["message_id"]) not in but]
    again = [bytes(row["message_id"]) for row in rows if row["dot_at"] is None]
    unknown = [bytes(row["message_id"]) for row in rows if row["dot_at"] is not None]
    await _end_leases(tx, again, now)
    for message_id in again:
        await _after(tx, message_id, "waiting", now)
    await _end_leases(tx, unknown, None if ask else now + UNKNOWN_WAIT)
    for message_id in unknown:
        await _after(tx, message_id, "unknown", now)
        if ask:
            await _ask(tx, message_id, now)
    return again, unknown


async def _ask(tx: Tx, message_id: bytes, now: int) -> None:
    """Leave a letter that may have been sent to its author."""
    await ask_author(tx, letter_id=message_id, about=PERHAPS_SENT, description=_PERHAPS, now=now)


async def _end_leases(tx: Tx, message_ids: Sequence[bytes], due_at: int | None) -> None:
    await tx.execute_many(
        """
        UPDATE letters SET due_at = :due_at, dot_at = NULL, lease_owner = NULL, lease_until = NULL
        WHERE message_id = :message_id
        """,
        [{"message_id": one, "due_at": due_at} for one in message_ids],
    )


async def _after(tx: Tx, message_id: bytes, state: str, now: int) -> None:
    await tx.execute(
        """
        UPDATE letter_recipients SET state = :state, updated_at = :now
        WHERE message_id = :message_id AND state = 'sending'
        """,
        {"message_id": message_id, "state": state, "now": now},
    )
