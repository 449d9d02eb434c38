"""Results of checks, as the job stores them, without mail that deserves them."""

from __future__ import annotations

import json
from typing import Any

from storage.authentication import check_queue, results
from storage.authentication.results import CheckResult, Verdict
from storage.cursors import partition_of
from storage.database import Tx
from storage.ids import from_text
from tests.builders import World


def record_of(verdict: Verdict, **fields: object) -> dict[str, Any]:
    """A record with this verdict."""
    passes = verdict == "verified"
    return {
        "verdict": verdict,
        "source": "computed",
        "from_domain": "sender.test",
        "override": None,
        "spf": {
            "result": "pass" if passes else "fail",
            "scope": "mailfrom",
            "domain": "sender.test",
            "aligned": True,
            "reason": None,
        },
        "dkim": [
            {
                "result": "pass" if passes else "fail",
                "domain": "sender.test",
                "selector": "s1",
                "algorithm": "rsa-sha256",
                "aligned": True,
                "reason": None if passes else "body_changed",
            }
        ],
        "dmarc": {
            "result": "pass" if passes else "fail",
            "policy": "reject",
            "domain": "sender.test",
            "testing": False,
            "reason": None,
        },
        "arc": {"result": "none", "sealers": []},
        **fields,
    }


async def check(
    world: World, message_id: str, verdict: Verdict, *, temporary: bool = False, **fields: object
) -> None:
    """Let the check of one message end with this verdict, whatever is claimed beside it."""
    raw, now = from_text("msg", message_id) or b"", world.clock()

    async def work(tx: Tx) -> None:
        part = partition_of(tx, world.tenant_id)
        await check_queue.claim(tx, part=part, limit=1_000, now=now)
        row = await tx.fetch_one(
            "SELECT tries FROM message_checks WHERE message_id = :message_id", {"message_id": raw}
        )
        assert row is not None
        (claim,) = await check_queue.load(tx, {raw: row["tries"]})
        record = json.dumps(record_of(verdict, **fields)).encode()
        await results.keep(tx, [CheckResult(claim, verdict, record, temporary)], now=now)

    await world.database.write(work)
