"""The results of checks: stored once for each message, and what follows from a verdict.

- A record is JSON in the shape of docs/authentication.md, without the time of the check.
- The first verdict, and each later one that differs, is an event for the inboxes with a copy.
- A verdict counts for relationships at once, or when the message is counted
  (`storage.contacts.recount`). A failed message is taken out once: `failed` is never followed by
  another verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.authentication.check_queue import RETRIES, CheckClaim
from storage.contacts.recount import count_verdicts
from storage.database import Tx
from storage.events.record import CHECKED, About, record_for_holders
from storage.sql import in_list, padded

Verdict = Literal["verified", "failed", "unverified", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("verified", "failed", "unverified", "unknown")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one claim. `temporary`: the same check may have another one later."""

    claim: CheckClaim
    verdict: Verdict
    record: bytes
    temporary: bool


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """The present result for a message. `record` is as it was stored."""

    record: Mapping[str, object]
    checked_at: int


async def keep(tx: Tx, results: Sequence[CheckResult], *, now: int) -> None:
    """Store results; skip those whose lease another process has taken, and deleted messages."""
    if not results:
        return
    chosen, names = in_list(padded([one.claim.message_id for one in results]))
    rows = await tx.fetch_all(_PRESENT.format(chosen), names)
    present = {(bytes(row["message_id"]), row["tries"]): row for row in rows}
    kept = [
        (present[key], one)
        for one in results
        if (key := (one.claim.message_id, one.claim.tries)) in present
    ]
    await tx.execute_many(_STORE, [_stored(one, now) for _, one in kept])
    news = [(row, one.verdict) for row, one in kept if row["verdict"] != one.verdict]
    await count_verdicts(tx, news)
    told = [
        About(held := bytes(row["message_id"]), bytes(row["tenant_id"]), held, row["thread_id"])
        for row, _ in news
    ]
    await record_for_holders(tx, CHECKED, told, now=now)


def _stored(result: CheckResult, now: int) -> dict[str, object]:
    tries = result.claim.tries
    # Only `unknown` is temporary (`gateway.authentication.check`): so a `failed` is final.
    again = result.temporary and tries <= len(RETRIES)
    return {
        "message_id": result.claim.message_id,
        "verdict": result.verdict,
        "record": result.record,
        "now": now,
        "due": now + RETRIES[tries - 1] if again else None,
    }


_PRESENT = """
    SELECT m.message_id, m.tenant_id, m.thread_id, m.from_email, m.received_at, m.automatic,
           m.reverse_path, k.verdict, k.tries
    FROM message_checks k JOIN messages m ON m.message_id = k.message_id
    WHERE k.message_id IN ({}) AND k.held_until IS NOT NULL
"""
_STORE = """
    UPDATE message_checks
    SET verdict = :verdict, record = :record, checked_at = :now, held_until = :due
    WHERE message_id = :message_id
"""


async def find_check(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> StoredCheck | None:
    """Return the present result; None when the message was not checked yet."""
    row = await tx.fetch_one(
        """
        SELECT verdict, record, checked_at FROM message_checks
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND verdict IS NOT NULL
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    if row is None:
        return None
    record = _TOO_OLD if row["record"] is None else json.loads(bytes(row["record"]))
    return StoredCheck(record, row["checked_at"])


# What a message has that was too old when its turn came.
_TOO_OLD: Mapping[str, object] = {
    "verdict": "unknown",
    "source": "computed",
    "from_domain": None,
    "override": None,
    "spf": {
        "result": "none",
        "scope": "mailfrom",
        "domain": None,
        "aligned": False,
        "reason": "too_old",
    },
    "dkim": [],
    "dmarc": {
        "result": "none",
        "policy": None,
        "domain": None,
        "testing": False,
        "reason": "too_old",
    },
    "arc": {"result": "none", "sealers": []},
}
