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
from storage.contacts.recount import count_verdict
from storage.database import Row, Tx
from storage.events.record import CHECKED, record_for_holders

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
    for result in results:
        await _keep_one(tx, result, now)


async def _keep_one(tx: Tx, result: CheckResult, now: int) -> None:
    claim = result.claim
    key: dict[str, object] = {"message_id": claim.message_id, "tries": claim.tries}
    row = await tx.fetch_one(_PRESENT, key)
    if row is None:
        return
    # Only `unknown` is temporary (`gateway.authentication.check`): so a `failed` is final.
    again = result.temporary and claim.tries <= len(RETRIES)
    stored = await tx.execute(
        """
        UPDATE message_checks
        SET verdict = :verdict, record = :record, checked_at = :now, held_until = :due
        WHERE message_id = :message_id AND tries = :tries
        """,
        {
            **key,
            "verdict": result.verdict,
            "record": result.record,
            "now": now,
            "due": now + RETRIES[claim.tries - 1] if again else None,
        },
    )
    if stored and row["verdict"] != result.verdict:
        await _follow(tx, row, result.verdict, now)


_PRESENT = """
    SELECT m.message_id, m.tenant_id, m.thread_id, k.verdict
    FROM message_checks k JOIN messages m ON m.message_id = k.message_id
    WHERE k.message_id = :message_id AND k.tries = :tries AND k.held_until IS NOT NULL
"""


async def _follow(tx: Tx, row: Row, verdict: Verdict, now: int) -> None:
    message_id, thread_id = bytes(row["message_id"]), bytes(row["thread_id"])
    key = {"tenant_id": bytes(row["tenant_id"]), "message_id": message_id}
    await count_verdict(tx, **key, verdict=verdict)
    await record_for_holders(tx, CHECKED, held=message_id, **key, thread_id=thread_id, now=now)


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
