"""Idempotency keys: a call with a key has its effect once, and a repetition gets the first answer.

- A call claims its key before it runs; a repetition meanwhile is refused as in progress.
- The answer is stored in the transaction of the effect: after a crash there are both or neither. A
  claim left behind by a crash can be taken over after `LEASE`; the call that lost its claim cannot
  commit any more. A call of several transactions renews its claim with each.
- Keys and bodies are stored as hashes that the edge makes; nothing here can read them.
- A tenant has room for `MOST_KEYS` keys and `MOST_OCTETS` of answers within `KEPT`: one more is
  refused, and no key is dropped before its time.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.clock import DAY, SECOND
from storage.database import Tx
from storage.errors import Conflict

KEPT = DAY
LEASE = 60 * SECOND
MOST_KEYS = 10_000
MOST_OCTETS = 64 << 20


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to run a call and to store its answer."""

    key: bytes
    claim_id: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The stored answer of the first call; with a `resource`, the id of what it showed."""

    status: int
    body: bytes
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The tenant has as many keys or answers as it may; one less in `seconds`."""

    seconds: int


async def claim_key(
    tx: Tx, *, tenant_id: bytes, key: bytes, body: bytes, now: int
) -> KeyClaim | KeptAnswer | NoRoom:
    """Claim `key` for a call with this body, or find what such a call was answered.

    Raises Conflict `idempotency_mismatch` for another body, `idempotency_in_progress` while the
    first call runs.
    """
    # Before the claim is made: a call that is refused leaves no row.
    full = await no_room(tx, tenant_id=tenant_id, key=key, now=now)
    if full is not None:
        return full
    await tx.execute(
        "DELETE FROM idempotency_keys WHERE key = :key AND claimed_at <= :since",
        {"key": key, "since": now - KEPT},
    )
    claim = KeyClaim(key, tx.new_id())
    # Of two calls at one time one makes the row; the other finds it in progress.
    made = await tx.execute(
        """
        INSERT INTO idempotency_keys (key, tenant_id, body, claim_id, claimed_at, octets)
        VALUES (:key, :tenant_id, :body, :claim_id, :now, 0)
        ON CONFLICT (key) DO NOTHING
        """,
        {
            "key": key,
            "tenant_id": tenant_id,
            "body": body,
            "claim_id": claim.claim_id,
            "now": now,
        },
    )
    return claim if made else await _claimed_before(tx, claim, body=body, now=now)


async def no_room(tx: Tx, *, tenant_id: bytes, key: bytes, now: int) -> NoRoom | None:
    """Whether a call with this key is one too many; a key that is there already never is."""
    params = {"tenant_id": tenant_id, "key": key, "since": now - KEPT}
    used = await tx.fetch_one(
        f"""
        SELECT COUNT(*) AS used, COALESCE(SUM(octets), 0) AS octets, MIN(claimed_at) AS oldest
        FROM (SELECT octets, claimed_at FROM idempotency_keys
              WHERE tenant_id = :tenant_id AND claimed_at > :since
              ORDER BY claimed_at LIMIT {MOST_KEYS}) u
        """,
        params,
    )
    if used is None or (used["used"] < MOST_KEYS and used["octets"] < MOST_OCTETS):
        return None
    known = await tx.fetch_one(
        "SELECT 1 FROM idempotency_keys WHERE key = :key AND claimed_at > :since", params
    )
    left = used["oldest"] + KEPT - now
    return None if known else NoRoom(max(1, -(-left // SECOND)))


async def _claimed_before(
    tx: Tx, claim: KeyClaim, *, body: bytes, now: int
) -> KeyClaim | KeptAnswer:
    row = await tx.fetch_one(
        "SELECT body, status, answer, resource FROM idempotency_keys WHERE key = :key",
        {"key": claim.key},
    )
    if row is None:
        raise in_progress()
    if bytes(row["body"]) != body:
        raise Conflict(
            "idempotency_mismatch", "This Idempotency-Key was used with another request."
        )
    if row["status"] is not None:
        return KeptAnswer(row["status"], bytes(row["answer"]), row["resource"])
    taken = await tx.execute(
        """
        UPDATE idempotency_keys SET claim_id = :claim_id, claimed_at = :now
        WHERE key = :key AND status IS NULL AND claimed_at <= :since
        """,
        {"key": claim.key, "claim_id": claim.claim_id, "now": now, "since": now - LEASE},
    )
    if not taken:
        raise in_progress()
    return claim


def in_progress() -> Conflict:
    """Build the refusal of a repetition that comes while the first call runs."""
    return Conflict("idempotency_in_progress", "A call with this Idempotency-Key is running.")


async def renew_claim(tx: Tx, claim: KeyClaim, *, now: int) -> None:
    """Hold the claim for another `LEASE`. Raises Conflict when it was taken over."""
    # Written in each transaction of the call: a long import must not be begun a second time.
    held = await tx.execute(
        """
        UPDATE idempotency_keys SET claimed_at = :now
        WHERE key = :key AND claim_id = :claim_id AND status IS NULL
        """,
        {"key": claim.key, "claim_id": claim.claim_id, "now": now},
    )
    if not held:
        raise in_progress()


async def keep_answer(tx: Tx, claim: KeyClaim, answer: KeptAnswer) -> None:
    """Store the answer for repetitions. Raises Conflict when the claim was taken over."""
    held = await tx.execute(
        """
        UPDATE idempotency_keys
        SET status = :status, answer = :answer, resource = :resource, octets = :octets
        WHERE key = :key AND claim_id = :claim_id AND status IS NULL
        """,
        {
            "key": claim.key,
            "claim_id": claim.claim_id,
            "status": answer.status,
            "answer": answer.body,
            "resource": answer.resource,
            "octets": len(answer.body),
        },
    )
    if not held:
        raise in_progress()


async def release_claim(tx: Tx, claim: KeyClaim) -> None:
    """Release the claim of a call without effect; a stored answer stays."""
    await tx.execute(
        """
        DELETE FROM idempotency_keys
        WHERE key = :key AND claim_id = :claim_id AND status IS NULL
        """,
        {"key": claim.key, "claim_id": claim.claim_id},
    )
