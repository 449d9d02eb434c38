"""A lease: of all processes on one store, one runs the retention job.

- The lease is a row with an owner and an end. The owner moves the end in each transaction of the
  job; a transaction that finds another owner rolls back.
- A killed process loses the lease when its end has passed. An end too far ahead comes from a clock
  that was set back since, and counts as passed.
"""

from __future__ import annotations

from storage.clock import MINUTE
from storage.database import Tx

HELD = 2 * MINUTE


class LeaseLost(Exception):
    """Another process holds the lease."""


async def acquire_lease(tx: Tx, *, owner: bytes, now: int) -> None:
    """Take the lease, unless another process holds it. Raises LeaseLost."""
    taken = await tx.execute(
        """
        INSERT INTO retention_worker (worker, owner, held_until) VALUES (0, :owner, :until)
        ON CONFLICT (worker) DO UPDATE
        SET owner = excluded.owner, held_until = excluded.held_until
        WHERE retention_worker.owner = excluded.owner OR retention_worker.held_until <= :now
           OR retention_worker.held_until > :until
        """,
        {"owner": owner, "now": now, "until": now + HELD},
    )
    if not taken:
        raise LeaseLost


async def renew_lease(tx: Tx, *, owner: bytes, now: int) -> None:
    """Renew the lease. Raises LeaseLost when another process took it."""
    kept = await tx.execute(
        "UPDATE retention_worker SET held_until = :until WHERE worker = 0 AND owner = :owner",
        {"owner": owner, "until": now + HELD},
    )
    # The transaction rolls back: two processes must not delete the same rows.
    if not kept:
        raise LeaseLost


async def release_lease(tx: Tx, *, owner: bytes, now: int, finished: bool) -> None:
    """Release the lease; `finished` records that the round was complete."""
    ended = ", finished_at = :now" if finished else ""
    await tx.execute(
        f"""
        UPDATE retention_worker SET held_until = 0{ended}
        WHERE worker = 0 AND owner = :owner
        """,
        {"owner": owner, "now": now},
    )


async def last_finished(tx: Tx) -> int | None:
    """Return the end of the last complete round, by whichever process; None before the first."""
    row = await tx.fetch_one("SELECT finished_at FROM retention_worker WHERE worker = 0")
    return None if row is None or row["finished_at"] is None else int(row["finished_at"])
