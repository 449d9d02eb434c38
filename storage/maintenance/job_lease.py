"""Whose turn it is to remove what is over: one process of all that share the store.

- The turn is a row with an owner and an end. Whoever has it moves the end in each transaction of
  the work; a transaction that finds somebody else there does nothing and rolls back.
- A process that was killed loses it when its end has passed. An end too far ahead is that of a
  clock which has since been set back, and counts as passed.
"""

from __future__ import annotations

from storage.clock import MINUTE
from storage.database import Tx

HELD = 2 * MINUTE


class LeaseLost(Exception):
    """Another process has the turn."""


async def acquire_lease(tx: Tx, *, owner: bytes, now: int) -> None:
    """Begin, unless another process is at it. Raises TurnLost."""
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
    """Go on. Raises TurnLost when the turn was taken over."""
    kept = await tx.execute(
        "UPDATE retention_worker SET held_until = :until WHERE worker = 0 AND owner = :owner",
        {"owner": owner, "until": now + HELD},
    )
    if not kept:
        raise LeaseLost


async def release_lease(tx: Tx, *, owner: bytes, now: int, finished: bool) -> None:
    """Let others begin; `finished` puts on record that all was done."""
    ended = ", finished_at = :now" if finished else ""
    await tx.execute(
        f"""
        UPDATE retention_worker SET held_until = 0{ended}
        WHERE worker = 0 AND owner = :owner
        """,
        {"owner": owner, "now": now},
    )


async def last_finished(tx: Tx) -> int | None:
    """When a round was last done, by whichever process; None when none ever was."""
    row = await tx.fetch_one("SELECT finished_at FROM retention_worker WHERE worker = 0")
    return None if row is None or row["finished_at"] is None else int(row["finished_at"])
